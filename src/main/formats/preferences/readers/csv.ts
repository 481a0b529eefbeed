import { setImmediate as nextTurn } from 'node:timers/promises';
import { InputError } from '../../../../shared/errors.ts';
import { parseJson, recordTooLong } from '../limits.ts';
import type { RecordReader, SourceRecord } from '../record-reader.ts';
import type { DataSource } from '../source.ts';
import { CsvSplitter, type CsvRow } from './csv-splitter.ts';

/**
 * CSV and TSV: a header with the columns' names, then one row a record. Tabs part the cells in `.tsv`; semicolons or tabs
 * do in a `.csv` whose header has no comma. A cell that is a JSON list of objects, texts or numbers is read as that list,
 * since CSV has no lists of its own; an empty cell is an absent value, but in prompts and answers.
 */
export const csv: RecordReader = { extensions: ['.csv', '.tsv'], read };

const textColumns: ReadonlySet<string> = new Set(['prompt', 'chosen', 'rejected', 'completion']);

async function* read(source: DataSource): AsyncGenerator<readonly SourceRecord[]> {
  const { file } = source;
  let splitter: CsvSplitter | undefined;
  let header: readonly string[] | undefined;
  let index = 0;
  const recordsOf = (rows: readonly CsvRow[]): SourceRecord[] => {
    const records: SourceRecord[] = [];
    for (const { line, cells, malformed } of rows) {
      const where = `line ${line}`;
      if (header === undefined) {
        if (malformed !== undefined) throw new InputError(`broken header: ${malformed}`, { file });
        header = cells;
        continue;
      }
      const problem =
        malformed ??
        (cells.length === header.length
          ? undefined
          : `has ${cells.length} ${cells.length === 1 ? 'cell' : 'cells'}, the header ${header.length}`);
      if (problem === undefined) records.push({ record: rowOf(header, cells), index, where });
      else records.push({ record: undefined, index, where, malformed: `broken CSV (${where}): ${problem}` });
      index += 1;
    }
    return records;
  };
  for await (const chunk of source.chunks()) {
    splitter ??= new CsvSplitter(delimiterOf(chunk, file));
    let rows: CsvRow[];
    try {
      rows = splitter.push(header === undefined && index === 0 ? withoutMark(chunk, splitter) : chunk);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const place = `a row ${recordTooLong} (line ${splitter.line}); is a quote left open?`;
      throw new InputError(place, { file, row: index });
    }
    const records = recordsOf(rows);
    if (records.length > 0) yield records;
    await nextTurn();
  }
  const last = splitter?.end();
  const records = last === undefined ? [] : recordsOf([last]);
  if (records.length > 0) yield records;
}

/** A byte order mark is no part of the first column's name. */
function withoutMark(chunk: Buffer, splitter: CsvSplitter): Buffer {
  const marked = splitter.line === 1 && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf;
  return marked ? chunk.subarray(3) : chunk;
}

/** A tab in `.tsv`; else the first of comma, semicolon and tab that stands in the header. */
function delimiterOf(chunk: Buffer, file: string): string {
  if (chunk[0] === 0xff || chunk[0] === 0xfe)
    throw new InputError('is UTF-16 text; save it as UTF-8', { file });
  if (/\.tsv(\.gz)?$/i.test(file)) return '\t';
  const line = chunk.toString('latin1').split(/[\r\n]/, 1)[0]!;
  return [',', ';', '\t'].find((each) => line.includes(each)) ?? ',';
}

function rowOf(header: readonly string[], cells: readonly string[]): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  for (const [at, name] of header.entries()) {
    // Assigning this name would change what the row is, not what it holds.
    if (name === '__proto__') continue;
    const cell = cells[at]!;
    row[name] = cell === '' && !textColumns.has(name) ? null : listOf(cell);
  }
  return row;
}

/** The list that a cell spells in JSON, or the cell itself. */
function listOf(cell: string): unknown {
  if (!cell.startsWith('[') || !cell.endsWith(']')) return cell;
  try {
    const value = parseJson(cell);
    // A list of mixed things is more likely text that happens to look like one.
    const isList =
      Array.isArray(value) && value.length > 0 && value.every((part) => typeof part === typeof value[0]);
    return isList ? value : cell;
  } catch {
    return cell;
  }
}
