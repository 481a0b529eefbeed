import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FileGrant } from '../../../shared/app/api.ts';
import { formatBytes } from '../../../shared/format.ts';
import { InputError } from '../../../shared/errors.ts';
import { openOwnFolder } from '../../service/own-folder.ts';
import { freshId, type Grants } from './grants.ts';

/** One file; a data file is read row by row, a model's weights are mapped. */
const mostBytes = 64e9;
/** Left free on the disk: the database and checkpoints of jobs at work must find room. */
const reserveBytes = 2 ** 30;
/** So much is taken between two looks at the disk. */
const lookAfterBytes = 2 ** 26;

/** Files that pages send, each in a folder of its own until it is used or given back. */
export class Uploads {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static open(home: string): Promise<Uploads> {
    return Promise.resolve(new Uploads(openOwnFolder(home, 'uploads')));
  }

  /**
   * Takes a file in. It is there whole or not at all.
   * @param name as the page says; what a file system would not take is replaced
   * @param size bytes that were announced, as far as they were
   * @throws InputError where it is too large or the disk has no room
   */
  async receive(grants: Grants, name: string, content: Readable, size?: number): Promise<FileGrant> {
    const id = freshId();
    const folder = join(this.#folder, id);
    const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
    const plain = fileName(name);
    await mkdir(folder);
    try {
      const path = join(folder, plain);
      const bytes = await this.#write(path, name, content, size);
      return grants.put({ id, name: plain, kind: 'file', bytes, path, remove });
    } catch (error) {
      await remove();
      throw error;
    }
  }

  /** As `receiveInto`, with a folder that is made for it. */
  async receiveFirst(
    grants: Grants,
    folderName: string,
    name: string,
    content: Readable,
    size?: number,
  ): Promise<FileGrant> {
    const id = freshId();
    const plain = fileName(folderName);
    const folder = join(this.#folder, id);
    const path = join(folder, plain);
    await mkdir(path, { recursive: true });
    const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
    grants.put({ id, name: plain, kind: 'folder', bytes: 0, path, remove });
    try {
      return await this.receiveInto(grants, id, name, content, size);
    } catch (error) {
      await grants.drop(id);
      throw error;
    }
  }

  /**
   * Adds a file to a folder that was made by `receiveFirst`; the grant is the folder's.
   * @throws InputError for a name that is no plain file name or is there already, and as `receive`
   */
  async receiveInto(
    grants: Grants,
    id: string,
    name: string,
    content: Readable,
    size?: number,
  ): Promise<FileGrant> {
    const grant = grants.require(id);
    if (grant.kind !== 'folder' || grant.remove === undefined)
      throw new InputError('is no folder that files can be added to', { file: grant.name });
    if (fileName(name) !== name) throw new InputError('is no plain file name', { file: name });
    const path = join(grant.path, name);
    if (await stat(path).catch(() => undefined))
      throw new InputError('is in this folder already', { file: name });
    const bytes = await this.#write(path, name, content, size);
    // Others may have been added meanwhile, or the folder given back.
    const now = grants.require(id);
    return grants.put({ ...now, bytes: now.bytes + bytes });
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #write(path: string, name: string, content: Readable, size = 0): Promise<number> {
    let bytes = 0;
    let looked = 0;
    const refuse = async (coming: number): Promise<void> => {
      const file = { file: name };
      if (bytes + coming > mostBytes)
        throw new InputError(
          `is larger than ${formatBytes(mostBytes)}; choose it on this machine instead`,
          file,
        );
      const { bavail, bsize } = await statfs(this.#folder);
      if (bavail * bsize - coming < reserveBytes)
        throw new InputError('there is no room for it on the disk', file);
    };
    await refuse(size);
    const counter = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        bytes += chunk.length;
        if (bytes - looked < lookAfterBytes) return done(null, chunk);
        looked = bytes;
        refuse(0).then(
          () => done(null, chunk),
          (error: Error) => done(error),
        );
      },
    });
    const partial = `${path}.${freshId()}.partial`;
    try {
      await pipeline(content, counter, createWriteStream(partial, { flags: 'wx', mode: 0o600 }));
      await rename(partial, path);
      return bytes;
    } catch (error) {
      await rm(partial, { force: true });
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
        throw new InputError('there is no room for it on the disk', { file: name });
      throw error;
    }
  }
}

const longestName = 150;

/** A name that any file system takes, from what somebody calls a file: its last part, without what is not allowed. */
export function fileName(given: string): string {
  const last = given.split(/[/\\]/).at(-1) ?? '';
  // eslint-disable-next-line no-control-regex -- these are what it is about
  const plain = last.replace(/[\u0000-\u001f\u007f<>:"|?*]/g, '_').replace(/^[. ]+|[. ]+$/g, '');
  const short = plain.length <= longestName ? plain : shorten(plain);
  if (short === '') return 'file';
  // Devices on Windows, whatever follows the point.
  return /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(short) ? `_${short}` : short;
}

function shorten(name: string): string {
  const extension = /(\.[^.]{1,10}){0,2}$/.exec(name)?.[0] ?? '';
  return name.slice(0, longestName - extension.length) + extension;
}
