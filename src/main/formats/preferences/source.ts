import { open, stat, type FileHandle } from 'node:fs/promises';
import { Readable, pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { InputError } from '../../../shared/errors.ts';
import { unreadable } from '../files.ts';
import { chunkBytes, refuseBomb } from './limits.ts';
import type { DataReadOptions } from './types.ts';

/** A data file's bytes, unpacked where it is gzipped. */
export interface DataSource {
  readonly file: string;
  readonly gzipped: boolean;
  /** On disk. */
  readonly bytes: number;
  readonly signal: AbortSignal | undefined;
  readonly onBytes: (done: number, total: number) => void;
  /** Bytes given so far, unpacked; a reader that reads the file by itself tells of its own with `give`. */
  readonly given: () => number;
  readonly give: (bytes: number) => void;
  /** @throws InputError for broken or exploding gzip data; the signal's reason */
  chunks(): AsyncGenerator<Buffer>;
}

/** @throws InputError for a missing file, a folder, a file that may not be read or is not gzipped as its name says */
export async function openSource(file: string, options: DataReadOptions): Promise<DataSource> {
  const { signal, onBytes = () => {} } = options;
  const found = await stat(file).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  if (found.isDirectory()) throw new InputError('is a folder, not a file', { file });
  // A pipe or a device would never end, or could be read only once.
  if (!found.isFile()) throw new InputError('is not a plain file', { file });
  const bytes = found.size;
  const gzipped = await startsAsGzip(file);
  if (!gzipped && bytes > 0 && file.toLowerCase().endsWith('.gz'))
    throw new InputError('is not gzip data', { file });
  const raw = () => readChunks(file, bytes, signal, onBytes);
  let given = 0;
  const give = (more: number): void => void (given += more);
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of gzipped ? unpack(raw(), file) : raw()) {
      give(chunk.length);
      yield chunk;
    }
  };
  return { file, gzipped, bytes, signal, onBytes, given: () => given, give, chunks: counted };
}

async function startsAsGzip(file: string): Promise<boolean> {
  const handle = await openHandle(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } catch (error) {
    throw unreadable(file, error);
  } finally {
    await handle.close();
  }
}

async function openHandle(file: string): Promise<FileHandle> {
  return open(file, 'r').catch((error: unknown) => {
    throw unreadable(file, error);
  });
}

async function* readChunks(
  file: string,
  total: number,
  signal: AbortSignal | undefined,
  onBytes: (done: number, total: number) => void,
): AsyncGenerator<Buffer> {
  const handle = await openHandle(file);
  try {
    for (let done = 0; ;) {
      signal?.throwIfAborted();
      // Fresh memory each time: parsers keep views of what they have not yet used.
      const buffer = Buffer.allocUnsafe(chunkBytes);
      const { bytesRead } = await handle.read(buffer, 0, chunkBytes, done).catch((error: unknown) => {
        throw unreadable(file, error);
      });
      if (bytesRead === 0) return;
      done += bytesRead;
      onBytes(Math.min(done, total), total);
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

async function* unpack(packed: AsyncGenerator<Buffer>, file: string): AsyncGenerator<Buffer> {
  let packedBytes = 0;
  let unpackedBytes = 0;
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of packed) {
      packedBytes += chunk.length;
      yield chunk;
    }
  };
  const gunzip = createGunzip({ chunkSize: chunkBytes });
  // Errors of either side end the loop below; the callback only keeps them from being thrown twice.
  pipeline(Readable.from(counted(), { objectMode: false }), gunzip, () => {});
  try {
    for await (const chunk of gunzip) {
      unpackedBytes += (chunk as Buffer).length;
      refuseBomb(packedBytes, unpackedBytes, file);
      yield chunk as Buffer;
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code?.startsWith('Z_') === true || code === 'ERR_BUFFER_TOO_LARGE')
      throw new InputError(`broken gzip data: ${(error as Error).message}`, { file });
    throw error;
  } finally {
    gunzip.destroy();
  }
}
