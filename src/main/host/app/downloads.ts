import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Download } from '../../../shared/app/api.ts';
import { InputError } from '../../../shared/errors.ts';
import { openOwnFolder } from '../../service/own-folder.ts';
import { freshId } from './grants.ts';
import { fileName } from './uploads.ts';

/** So many are kept; the oldest goes. */
const mostDownloads = 20;

/** Files made for a person to take away, kept until the program ends. */
export class Downloads {
  readonly #folder: string;
  readonly #byId = new Map<string, Download & { readonly path: string }>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static open(home: string): Promise<Downloads> {
    return Promise.resolve(new Downloads(openOwnFolder(home, 'downloads')));
  }

  /**
   * @param name as it is suggested to the person
   * @param make writes the file; where it fails nothing stays
   */
  async create(name: string, make: (path: string) => Promise<unknown>): Promise<Download> {
    const id = freshId();
    const plain = fileName(name);
    const path = join(this.#folder, id, plain);
    await mkdir(join(this.#folder, id));
    try {
      await make(path);
      const { size: bytes } = await stat(path);
      this.#byId.set(id, { id, name: plain, bytes, path });
      if (this.#byId.size > mostDownloads) await this.#remove(this.#byId.keys().next().value!);
      return { id, name: plain, bytes };
    } catch (error) {
      await this.#remove(id);
      throw error;
    }
  }

  /** Undefined where there is none, or none any more. */
  find(id: string): (Download & { readonly path: string }) | undefined {
    return this.#byId.get(id);
  }

  /** @throws InputError where it is gone */
  require(id: string): Download & { readonly path: string } {
    const download = this.find(id);
    if (download) return download;
    throw new InputError('this download is no longer at hand; make it again');
  }

  async close(): Promise<void> {
    this.#byId.clear();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #remove(id: string): Promise<void> {
    this.#byId.delete(id);
    await rm(join(this.#folder, id), { recursive: true, force: true });
  }
}
