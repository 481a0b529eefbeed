import { open, type FileHandle } from 'node:fs/promises';
import type { LogRequest, LogResult } from '../../../shared/contract.ts';
import { InputError } from '../../../shared/errors.ts';
import { logFiles } from '../../training/log.ts';
import { logFileOf } from '../jobs.ts';
import type { Library } from '../library.ts';
import { requireRun } from './show.ts';

const block = 1 << 16;
const mostBytes = 1 << 20;
const newline = 0x0a;

/**
 * The last lines of the log of a run's job, the files it has turned over into included. Reads no more than it gives; a
 * run that has not begun has no lines.
 * @throws InputError where there is no such run, or its log cannot be read
 */
export async function runLog(library: Library, { run, lines }: LogRequest): Promise<LogResult> {
  const { jobId } = requireRun(library, run);
  if (jobId === null) return { lines: [] };
  let found: string[] = [];
  let bytes = 0;
  for (const file of logFiles(logFileOf(library.logFolder, jobId))) {
    const wanted = lines - found.length;
    if (wanted <= 0 || bytes >= mostBytes) break;
    const end = await readEnd(file, wanted, mostBytes - bytes);
    if (end === undefined) break;
    found = [...end.lines, ...found];
    bytes += end.bytes;
  }
  return { lines: found };
}

/** Undefined where there is no such file. */
async function readEnd(
  file: string,
  lines: number,
  most: number,
): Promise<{ readonly lines: string[]; readonly bytes: number } | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    let from = (await handle.stat()).size;
    let end: Buffer = Buffer.alloc(0);
    // One line break more: the one before the first line that is wanted.
    while (from > 0 && end.length < most && count(end) <= lines) {
      const length = Math.min(block, from, most - end.length);
      from -= length;
      const piece = Buffer.alloc(length);
      const { bytesRead } = await handle.read(piece, 0, length, from);
      end = Buffer.concat([piece.subarray(0, bytesRead), end]);
    }
    const all = end.toString('utf8').split('\n');
    if (all.at(-1) === '') all.pop();
    // It may have begun before what was read.
    if (from > 0) all.shift();
    return { lines: all.slice(-lines), bytes: end.length };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new InputError(`the log cannot be read (${code})`, { file });
  } finally {
    await handle?.close();
  }
}

function count(bytes: Buffer): number {
  let lines = 0;
  for (const byte of bytes) if (byte === newline) lines += 1;
  return lines;
}
