import { closeSync, fstatSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { InputError } from '../../../../shared/errors.ts';
import { openForReading } from '../../files.ts';
import { largestRecord, recordTooLong } from '../limits.ts';
import type { RecordReader, SourceRecord, WantedColumns } from '../record-reader.ts';
import type { DataSource } from '../source.ts';
import { ColumnCursor, MemoryBudget, type ReadAt } from './column.ts';
import { readFooter, type ColumnChunk, type RowGroup } from './metadata.ts';
import { ParquetError } from './thrift.ts';

/**
 * Parquet, page by page: only the columns that are wanted are read, and of each no more than a page and its dictionary is
 * held, however large row groups are. Lists and structures become lists and objects. Gzip around a Parquet file is
 * refused: its end would have to be unpacked first, and its pages are compressed already.
 *
 * Decoded here and not by a library because sizes and counts in a file cannot be trusted: those that we know allocate
 * what a header asks for, and decode whole column chunks at once.
 */
export const parquet: RecordReader = { extensions: ['.parquet'], read };

const rowsAtOnce = 64;
/** A batch ends early where its texts are long. */
const charactersAtOnce = 2 << 20;
/** Pages and dictionaries of all columns together. */
const memory = 160 << 20;
const largestFooter = 16 << 20;
const magic = 'PAR1';

async function* read(source: DataSource, wanted: WantedColumns): AsyncGenerator<readonly SourceRecord[]> {
  const { file, gzipped, signal } = source;
  if (gzipped) throw new InputError('is Parquet within gzip; unpack it first (gunzip)', { file });
  const descriptor = openForReading(file);
  let index = 0;
  try {
    const size = fstatSync(descriptor).size;
    if (size === 0) return;
    const readAt: ReadAt = (offset, length) => {
      const bytes = Buffer.allocUnsafe(length);
      for (let done = 0; done < length;) {
        const count = readSync(descriptor, bytes, done, length - done, offset + done);
        if (count === 0) throw new ParquetError('the file ends before its data; it is truncated');
        done += count;
      }
      return bytes;
    };
    const groups = readFooter(footerBytes(readAt, size), size, wanted);
    refuseEmptyRows(groups, size);
    const total = groups.flatMap(({ chunks }) => chunks).reduce((sum, { length }) => sum + length, 0);
    let before = 0;
    for (const group of groups) {
      const budget = new MemoryBudget(memory);
      const columns = group.chunks.map((chunk) => ({
        chunk,
        cursor: new ColumnCursor(chunk, readAt, budget),
      }));
      for (let done = 0; done < group.rows;) {
        signal?.throwIfAborted();
        const batch: SourceRecord[] = [];
        let characters = 0;
        while (done < group.rows && batch.length < rowsAtOnce && characters < charactersAtOnce) {
          const { record, size: here, isSound } = recordOf(columns);
          const malformed = isSound ? {} : { malformed: 'invalid UTF-8' };
          batch.push({ record, index, where: '', ...malformed });
          characters += here;
          index += 1;
          done += 1;
        }
        const here = columns.reduce((sum, { cursor }) => sum + cursor.bytesRead, 0);
        source.give(characters);
        source.onBytes(before + here, total);
        yield batch;
        // Reading is synchronous: let a signal and the screen have their turn.
        await nextTurn();
      }
      for (const { cursor } of columns) cursor.release();
      before += group.chunks.reduce((sum, { length }) => sum + length, 0);
    }
  } catch (error) {
    if (error instanceof ParquetError)
      throw new InputError(error.message, index === 0 ? { file } : { file, row: index });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

function footerBytes(readAt: ReadAt, size: number): Buffer {
  if (size < 12 || readAt(0, 4).toString('latin1') !== magic) throw new ParquetError('is not Parquet');
  const end = readAt(size - 8, 8);
  if (end.toString('latin1', 4) !== magic)
    throw new ParquetError('the end of the Parquet file is missing; it is truncated');
  const length = end.readUInt32LE(0);
  if (length > size - 12) throw new ParquetError('broken Parquet: the metadata reach beyond the file');
  if (length > largestFooter) throw new ParquetError('Parquet with too many metadata');
  return readAt(size - 8 - length, length);
}

/** Rows take up room: a few bytes that stand for billions of empty ones are no data. */
function refuseEmptyRows(groups: readonly RowGroup[], size: number): void {
  const rows = groups.reduce((sum, group) => sum + group.rows, 0);
  if (rows > 100_000 + 8 * size)
    throw new ParquetError('broken Parquet: more rows than the file has room for');
}

interface Column {
  readonly chunk: ColumnChunk;
  readonly cursor: ColumnCursor;
}

/** The next row of all columns, put together. */
function recordOf(columns: readonly Column[]): {
  readonly record: Record<string, unknown>;
  /** About how many characters it holds. */
  readonly size: number;
  /** False where a text is no UTF-8. */
  readonly isSound: boolean;
} {
  const record: Record<string, unknown> = {};
  let size = 0;
  let isSound = true;
  for (const { chunk, cursor } of columns) {
    if (!cursor.hasNext()) throw new ParquetError('broken Parquet: a column has fewer rows than its group');
    if (cursor.repetition !== 0) throw new ParquetError('broken Parquet: a row begins within a list');
    const counters = new Array<number>(chunk.leaf.repetitionLevels).fill(0);
    for (let first = true; first || (cursor.hasNext() && cursor.repetition > 0); first = false) {
      const { repetition, definition } = cursor;
      if (!first) {
        counters[repetition - 1]! += 1;
        counters.fill(0, repetition);
      }
      const value = cursor.take();
      isSound &&= value !== undefined;
      size += typeof value === 'string' ? value.length : 8;
      if (size > largestRecord) throw new ParquetError(`a row ${recordTooLong}`);
      put(record, chunk, definition, counters, value);
    }
  }
  return { record, size, isSound };
}

/** Puts one entry of a column where its levels say (the record assembly of the Dremel paper, section 4.3). */
function put(
  record: Record<string, unknown>,
  { leaf }: ColumnChunk,
  definition: number,
  counters: readonly number[],
  value: unknown,
): void {
  // A slot is a place in an object or a list: `container[key]`.
  let container = record as Record<string | number, unknown>;
  let key: string | number = '';
  let defined = 0;
  let lists = 0;
  let started = false;
  for (const step of leaf.steps) {
    if (step.kind === 'field') {
      if (started) {
        const inner = container[key];
        if (typeof inner === 'object' && inner !== null) container = inner as Record<string, unknown>;
        else container[key] = container = {};
      }
      started = true;
      key = step.name;
      continue;
    }
    if (step.kind === 'optional') {
      if (definition <= defined) {
        container[key] ??= null;
        return;
      }
      defined += 1;
      continue;
    }
    let list = container[key] as unknown[] | undefined;
    if (!Array.isArray(list)) container[key] = list = [];
    if (definition <= defined) return;
    defined += 1;
    container = list as unknown as Record<number, unknown>;
    key = counters[lists]!;
    lists += 1;
  }
  container[key] = value;
}
