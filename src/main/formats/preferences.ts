import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { InputError } from '../../shared/errors.ts';
import type { DataRow } from '../../shared/preferences.ts';
import { jsonLines } from './preferences/jsonl.ts';
import { rowFromRecord } from './preferences/record.ts';
import type { RecordReader } from './preferences/record-reader.ts';

/** What a data file holds: its rows all share one format, and are all text or all conversations. */
export interface DataFile {
  readonly format: 'preference' | 'completion';
  /** Whether prompts and answers are chat messages, to be rendered by a chat template. */
  readonly conversational: boolean;
  /** In the file's order; `index` is the place in the file. Never empty. */
  readonly rows: DataRow[];
}

/** A further file format is one file with a `RecordReader`, and its line here. */
const readers: readonly RecordReader[] = [jsonLines];

const gzipMagic = Buffer.from([0x1f, 0x8b]);

/**
 * Reads a file of preference pairs (`prompt`, `chosen`, `rejected`, or `chosen` and `rejected` that share their beginning)
 * or of prompts with a completion (`prompt`, `completion`), each as text or as chat messages, with an optional `answer`.
 * The file may be gzipped. Columns other than these are ignored.
 *
 * @throws InputError naming file, row and cause at the first bad row; also for a missing, unreadable or empty file, and
 *   for rows that do not all share the first row's format.
 */
export function readDataFile(path: string): DataFile {
  const reader = readerFor(path);
  const rows: DataRow[] = [];
  let first: { readonly shape: Shape; readonly row: DataRow } | undefined;
  for (const { record, index, where } of reader.read(readBytes(path), path)) {
    const place = { file: path, row: index };
    const row = rowFromRecord(
      record,
      index,
      (cause) => new InputError(where === '' ? cause : `${cause} (${where})`, place),
    );
    const shape = shapeOf(row);
    first ??= { shape, row };
    const difference = describeDifference(shape, first.shape);
    if (difference !== undefined) {
      throw new InputError(
        `${difference}${where === '' ? '' : ` (${where})`}; a file must hold one format`,
        place,
      );
    }
    rows.push(row);
  }
  if (first === undefined) throw new InputError('the file holds no rows', { file: path });
  return { format: first.row.kind, conversational: first.shape.conversational, rows };
}

/**
 * SHA-256 (hexadecimal) of the rows as canonical JSON: one row a line, keys in sorted order. It depends on the content and
 * on each row's `index`, not on how the file was formatted or compressed.
 */
export function dataHash(rows: readonly DataRow[]): string {
  const hash = createHash('sha256');
  for (const row of rows) hash.update(`${canonicalJson(row)}\n`);
  return hash.digest('hex');
}

function readerFor(path: string): RecordReader {
  // What is not there, or no file at all, is told as such, whatever its name ends in.
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new InputError('no such file', { file: path });
  if (found.isDirectory()) throw new InputError('is a folder, not a file', { file: path });
  const plain = path.toLowerCase().replace(/\.gz$/, '');
  const reader = readers.find(({ extensions }) => extensions.some((extension) => plain.endsWith(extension)));
  if (reader !== undefined) return reader;
  const known = readers.flatMap(({ extensions }) => extensions).join(', ');
  throw new InputError(`unknown kind of data file; known are ${known}, each also with .gz`, { file: path });
}

function readBytes(file: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new InputError('no such file', { file });
    if (code === 'EISDIR') throw new InputError('is a folder, not a data file', { file });
    throw new InputError(`cannot be read: ${(error as Error).message}`, { file });
  }
  const gzipped = bytes.subarray(0, 2).equals(gzipMagic);
  if (!gzipped) {
    if (file.toLowerCase().endsWith('.gz') && bytes.length > 0)
      throw new InputError('is not gzip data', { file });
    return bytes;
  }
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw new InputError(`broken gzip data: ${(error as Error).message}`, { file });
  }
}

interface Shape {
  readonly kind: DataRow['kind'];
  readonly explicitPrompt: boolean;
  readonly conversational: boolean;
}

function shapeOf(row: DataRow): Shape {
  return {
    kind: row.kind,
    explicitPrompt: row.prompt !== undefined,
    conversational: typeof (row.kind === 'preference' ? row.chosen : row.completion) !== 'string',
  };
}

function describeDifference(shape: Shape, first: Shape): string | undefined {
  if (shape.kind !== first.kind) return `a ${shape.kind} row after ${first.kind} rows`;
  if (shape.conversational !== first.conversational) {
    return shape.conversational
      ? 'chat messages after rows of plain text'
      : 'plain text after rows of chat messages';
  }
  if (shape.explicitPrompt !== first.explicitPrompt) {
    return shape.explicitPrompt
      ? '"prompt" after rows without one'
      : 'missing field "prompt", which earlier rows have';
  }
  return undefined;
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
