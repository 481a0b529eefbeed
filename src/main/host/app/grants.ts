import { randomBytes } from 'node:crypto';
import { stat, readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { FileGrant } from '../../../shared/app/api.ts';
import { InputError } from '../../../shared/errors.ts';

/** A number that nobody can guess, as pages hold it. */
export const freshId = (): string => randomBytes(16).toString('base64url');

/** A grant with what only the host knows of it. */
export interface Granted extends FileGrant {
  readonly path: string;
  /** Removes what was uploaded; absent for a person's own file. */
  readonly remove?: () => Promise<void>;
}

/** The oldest goes where a page asks for more. */
const mostGrants = 1000;

/** Files and folders that a person has let the program read: a page knows their ids, the host their paths. */
export class Grants {
  readonly #byId = new Map<string, Granted>();

  /** Lets a file or folder of the person's own be read. @throws InputError where it is neither */
  async add(path: string): Promise<FileGrant> {
    const absolute = resolve(path);
    const status = await stat(absolute).catch(() => undefined);
    if (!status?.isFile() && !status?.isDirectory())
      throw new InputError('is neither a file nor a folder', { file: path });
    const bytes = status.isFile() ? status.size : await folderBytes(absolute);
    const kind = status.isFile() ? 'file' : 'folder';
    return this.put({ id: freshId(), name: basename(absolute), kind, bytes, path: absolute });
  }

  put(grant: Granted): FileGrant {
    this.#byId.set(grant.id, grant);
    if (this.#byId.size > mostGrants) void this.drop(this.#byId.keys().next().value!);
    const { id, name, kind, bytes } = grant;
    return { id, name, kind, bytes };
  }

  /** @throws InputError where it was never given or was given back */
  require(id: string): Granted {
    const grant = this.#byId.get(id);
    if (grant) return grant;
    throw new InputError('this file is no longer at hand; choose it again');
  }

  /** Gives a grant back, with what was uploaded for it. One that is gone already is no error. */
  async drop(id: string): Promise<void> {
    const grant = this.#byId.get(id);
    this.#byId.delete(id);
    await grant?.remove?.();
  }

  /**
   * Does something with a granted file. Errors name the file as the person knows it.
   * @param work gets its absolute path
   */
  async use<Result>(id: string, work: (path: string, grant: Granted) => Promise<Result>): Promise<Result> {
    const grant = this.require(id);
    try {
      return await work(grant.path, grant);
    } catch (error) {
      if (!(error instanceof InputError) || !error.place.file?.startsWith(grant.path)) throw error;
      const file = grant.name + error.place.file.slice(grant.path.length);
      throw new InputError(error.bareMessage, { ...error.place, file });
    }
  }
}

/** Bytes of the files that lie right in a folder, as a model's do. */
async function folderBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true });
  const sizes = await Promise.all(
    entries.filter((entry) => entry.isFile()).map(({ name }) => stat(join(folder, name)).catch(() => null)),
  );
  return sizes.reduce((sum, status) => sum + (status?.size ?? 0), 0);
}
