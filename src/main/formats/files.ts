import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { InputError } from '../../shared/errors.ts';

/** One system call reads or writes at most this many bytes: Linux and macOS stop below 2 GiB. */
const largestTransfer = 1 << 30;

/**
 * Reads exactly `length` bytes from byte `offset` of a file into fresh, 8-byte aligned memory.
 * @throws InputError if the file cannot be opened or ends too early.
 */
export function readBytes(path: string, offset: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const file = openForReading(path);
  try {
    for (let done = 0; done < length;) {
      const read = readSync(file, bytes, done, Math.min(length - done, largestTransfer), offset + done);
      if (read === 0)
        throw new InputError(`the file ends at byte ${offset + done}; it is truncated`, { file: path });
      done += read;
    }
  } finally {
    closeSync(file);
  }
  return bytes;
}

/** SHA-256 of a file's bytes in hexadecimal, of any size. @throws InputError naming the file. */
export function sha256OfFile(path: string): string {
  const hash = createHash('sha256');
  const file = openForReading(path);
  try {
    const part = new Uint8Array(1 << 22);
    for (;;) {
      const read = readSync(file, part, 0, part.length, null);
      if (read === 0) return hash.digest('hex');
      hash.update(part.subarray(0, read));
    }
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    closeSync(file);
  }
}

/**
 * Opens a regular file for reading.
 * @throws InputError naming the file, for folders, pipes and devices too
 */
export function openForReading(path: string): number {
  let descriptor: number;
  try {
    // Without O_NONBLOCK the opening of a pipe would wait for its writer; Windows has neither.
    descriptor = openSync(path, constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0));
  } catch (error) {
    throw unreadable(path, error);
  }
  if (!fstatSync(descriptor).isFile()) {
    closeSync(descriptor);
    throw new InputError('is not a file', { file: path });
  }
  return descriptor;
}

/** The largest JSON or text file beside a model that is read; the largest tokenizers have a third of it. */
const largestSmallFile = 100_000_000;

/**
 * Reads the whole of a file that should be small.
 * @throws InputError if it is missing, not a regular file, or larger than 100 MB
 */
export function readSmallFile(path: string): Buffer {
  const file = openForReading(path);
  try {
    const { size } = fstatSync(file);
    if (size > largestSmallFile)
      throw new InputError(`has ${size} bytes, too many to be read`, { file: path });
    return readFileSync(file);
  } catch (error) {
    throw error instanceof InputError ? error : unreadable(path, error);
  } finally {
    closeSync(file);
  }
}

/** The error a person sees for a file the operating system will not let us read. */
export function unreadable(path: string, error: unknown): InputError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  if (code === 'ENOENT') return new InputError('no such file', { file: path });
  if (code === 'EISDIR') return new InputError('is a folder, not a file', { file: path });
  if (code === 'EACCES' || code === 'EPERM')
    return new InputError('may not be read (permission denied)', { file: path });
  return new InputError(`cannot be read (${code ?? String(error)})`, { file: path });
}

/** Whether the system has refused to write for want of room. */
export function isDiskFull(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** Why something could not be written, in words that say what to do where that is known. */
export function whyUnwritten(error: unknown): string {
  if (isDiskFull(error)) return 'the disk is full; free space and try again';
  return error instanceof Error ? error.message : String(error);
}

/**
 * Writes the whole of `bytes` at the file's current position.
 */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(file, bytes, done, Math.min(bytes.length - done, largestTransfer));
  }
}

/** A file being written under a temporary name beside its final one. */
export interface PendingFile {
  readonly descriptor: number;
  /** Flushes to the disk and gives the file its final name, replacing what stood there. */
  commit(): void;
  /** Removes the temporary file. Harmless after `commit`. */
  discard(): void;
}

/** Starts a file that appears under its name only once it is complete. */
export function beginFile(path: string): PendingFile {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.partial`);
  const descriptor = openSync(temporary, 'wx');
  let open = true;
  return {
    descriptor,
    commit() {
      fsyncSync(descriptor);
      closeSync(descriptor);
      open = false;
      renameSync(temporary, path);
    },
    discard() {
      if (open) closeSync(descriptor);
      open = false;
      rmSync(temporary, { force: true });
    },
  };
}

/** Writes a small file so that a reader sees either the old content or all of the new one. */
export function writeFileWhole(path: string, content: string | Uint8Array): void {
  const pending = beginFile(path);
  try {
    writeAll(pending.descriptor, typeof content === 'string' ? Buffer.from(content) : content);
    pending.commit();
  } finally {
    pending.discard();
  }
}

/**
 * As `writeFileWhole`, for a file that a person asked for: its folder is made where it is not there.
 * @throws InputError naming the file where it cannot be written, its message begun by `problem`
 */
export function writeAskedFile(
  path: string,
  content: string | Uint8Array,
  problem = 'cannot be written',
): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileWhole(path, content);
  } catch (error) {
    throw new InputError(`${problem}: ${whyUnwritten(error)}`, { file: path });
  }
}

/** JSON Lines: one value a line, each line ended. */
export function toJsonLines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}

/**
 * Reads a JSON file whose top level is an object.
 * @throws InputError if the file is missing, not JSON, or not an object.
 */
export function readJsonObject(path: string): Record<string, unknown> {
  const text = readSmallFile(path).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(`is not valid JSON (${(error as Error).message.split('\n', 1)[0]})`, { file: path });
  }
  if (!isObject(value)) throw new InputError('should hold a JSON object', { file: path });
  return value;
}

/** Whether a parsed JSON value is an object, not an array or null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value from a file, for a message: as JSON, cut short. */
export function inWords(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? Number(part) : part));
  } catch {
    return 'what nests too deeply';
  }
  if (text === undefined) return 'nothing';
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
