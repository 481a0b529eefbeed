import { createReadStream, createWriteStream, mkdirSync, mkdtempSync } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { InputError } from '../../shared/errors.ts';
import { whyUnwritten } from './files.ts';
import { block, header } from './tar.ts';

/**
 * Writes a folder's plain files as a gzipped tar archive, which appears whole or not at all. Nothing is held in memory:
 * a whole model may be in it.
 * @param name of the folder inside
 * @param fill puts the files into a folder that is removed afterwards; it lies beside the archive
 * @throws InputError where the archive cannot be written, and what `fill` throws
 */
export async function writeFolderArchive(
  out: string,
  name: string,
  fill: (folder: string) => void | Promise<void>,
): Promise<void> {
  const beside = dirname(resolve(out));
  let work: string;
  try {
    mkdirSync(beside, { recursive: true });
    work = mkdtempSync(join(beside, `.${basename(out)}-`));
  } catch (error) {
    throw new InputError(`cannot be written: ${whyUnwritten(error)}`, { file: out });
  }
  try {
    const folder = join(work, 'content');
    await fill(folder);
    const packed = join(work, 'archive');
    try {
      // Trained numbers hardly get smaller: more effort only takes longer.
      await pipeline(
        Readable.from(blocks(folder, name)),
        createGzip({ level: 1 }),
        createWriteStream(packed),
      );
      await rename(packed, out);
    } catch (error) {
      throw new InputError(`cannot be written: ${whyUnwritten(error)}`, { file: out });
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function* blocks(folder: string, name: string): AsyncGenerator<Buffer> {
  for (const file of (await readdir(folder)).sort()) {
    const path = join(folder, file);
    const { size, mtimeMs } = await stat(path);
    yield header(`${name}/${file}`, size, mtimeMs);
    yield* createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>;
    yield Buffer.alloc((block - (size % block)) % block);
  }
  // Two empty blocks end an archive.
  yield Buffer.alloc(2 * block);
}
