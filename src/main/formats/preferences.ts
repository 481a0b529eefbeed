import { createHash } from 'node:crypto';
import { InputError } from '../../shared/errors.ts';
import type { DataRow } from '../../shared/preferences.ts';
import { askedFormat, knownColumns, matchingFormat, recognise } from './preferences/formats/index.ts';
import { isRecord, numberOf, type PreferenceFormat } from './preferences/formats/format.ts';
import { parquet } from './preferences/parquet/reader.ts';
import { csv } from './preferences/readers/csv.ts';
import { json } from './preferences/readers/json.ts';
import { trl } from './preferences/formats/trl.ts';
import { jsonLines } from './preferences/readers/jsonl.ts';
import type { RecordReader, SourceRecord } from './preferences/record-reader.ts';
import { fieldsOf, rowFromRecord, type Fields } from './preferences/record.ts';
import { openSource } from './preferences/source.ts';
import type { DataProblem, DataReadOptions, OpenedData, PairScores, ReadRow } from './preferences/types.ts';

export type { DataProblem, DataReadOptions, OpenedData, PairScores, ReadRow };
export type { FormatName, ProblemKind } from '../../shared/preferences.ts';

/** What a data file holds: its rows all share one format, and are all text or all conversations. */
export interface DataFile {
  readonly format: DataRow['kind'];
  /** Whether prompts and answers are chat messages, to be rendered by a chat template. */
  readonly conversational: boolean;
  /** In the file's order; `index` is the place in the file. Never empty. */
  readonly rows: DataRow[];
}

/** A further kind of file is one file with a `RecordReader`, and its line here. */
const readers: readonly RecordReader[] = [jsonLines, json, csv, parquet];

/** How many records decide what format a file has. */
const lookedAt = 100;
/** Fewer where they are this long together, in bytes. */
const lookedAtBytes = 4 << 20;
/** How many further records are looked through for a first good row. */
const mostLookedAt = 10_000;

/**
 * Reads a whole file of preference pairs or completions into memory; formats and kinds of file as in `openDataFile`.
 *
 * @throws InputError naming file, row and cause at the first bad row; also for a missing, unreadable or empty file, and
 *   for rows that do not all share the first row's form.
 */
export async function readDataFile(path: string, options: DataReadOptions = {}): Promise<DataFile> {
  const { rows: found } = await openDataFile(path, options);
  const rows: DataRow[] = [];
  for await (const each of found) {
    if ('problem' in each) throw new InputError(each.problem.message, { file: path, row: each.problem.row });
    rows.push(each.row);
  }
  // A file without rows was refused when it was opened, and one without good rows above.
  return { format: rows[0]!.kind, conversational: shapeOf(rows[0]!).conversational, rows };
}

/**
 * Opens a file of preference pairs, or of prompts with a completion, and recognises its format from its first records
 * (`dataFormats` in shared/preferences). Kinds of file: JSONL, JSON, CSV, TSV and Parquet by their names' endings, each
 * also gzipped. Rows are read as they are asked for: memory does not grow with the file.
 *
 * A row that cannot be used is given as a problem, and reading goes on; rows must share the first good row's form.
 *
 * @throws InputError for a missing, unreadable or empty file, an unknown kind of file, a format that is not known
 */
export async function openDataFile(path: string, options: DataReadOptions = {}): Promise<OpenedData> {
  const source = await openSource(path, options);
  const reader = readerFor(path);
  const asked = askedFormat(options, path);
  const known = asked === undefined ? knownColumns : new Set(asked.columns);
  const { keep } = options;
  const wanted = keep === undefined ? known : new Set([...known, keep]);
  const batches = reader.read(source, wanted);
  try {
    const begun: SourceRecord[] = [];
    // What is broken behind the first records is told when the rows are read.
    let failure: unknown;
    const fill = async (count: number): Promise<void> => {
      while (begun.length < count && failure === undefined) {
        if (begun.length > 0 && source.given() > lookedAtBytes) return;
        try {
          const next = await batches.next();
          if (next.done === true) return;
          begun.push(...next.value);
        } catch (error) {
          if (begun.length === 0 || options.signal?.aborted === true) throw error;
          failure = error;
        }
      }
    };
    await fill(lookedAt);
    if (begun.length === 0) throw new InputError('the file holds no rows', { file: path });
    const format = asked ?? recognise(begun.slice(0, lookedAt).map(({ record }) => record));
    const isGood = (record: SourceRecord): boolean => 'row' in new RowMaker(format).make(record);
    let first = begun.find(isGood);
    for (let seen = begun.length; first === undefined && seen < mostLookedAt; seen = begun.length) {
      await fill(seen + 1);
      if (begun.length === seen) break;
      first = begun.slice(seen).find(isGood);
    }
    const maker = new RowMaker(format, keep);
    const made = first === undefined ? undefined : maker.make(first);
    const shape = made !== undefined && 'row' in made ? shapeOf(made.row) : undefined;
    async function* rows(): AsyncGenerator<ReadRow> {
      try {
        for (const record of begun) yield maker.make(record);
        begun.length = 0;
        if (failure !== undefined) throw failure as Error;
        for await (const batch of batches) for (const record of batch) yield maker.make(record);
      } finally {
        await batches.return(undefined);
      }
    }
    return {
      format: format.name,
      kind: shape?.kind ?? 'preference',
      conversational: shape?.conversational ?? false,
      rows: rows(),
      close: async () => void (await batches.return(undefined)),
    };
  } catch (error) {
    await batches.return(undefined);
    throw error;
  }
}

/** The first records of a file as they stand in it. */
export interface FirstRecords {
  /** Broken ones left out. */
  readonly records: readonly Fields[];
  /** The format asked for, or the one that is recognised. */
  readonly format?: PreferenceFormat['name'];
  /** Why no format is recognised, or why no row can be made by the one that was asked for. */
  readonly problem?: string;
}

/**
 * Looks at the first records of a file, every column of them, and says what format they have.
 * @param count most records to give
 * @throws InputError as `openDataFile` does where the file cannot be read
 */
export async function firstRecords(
  path: string,
  count: number,
  options: DataReadOptions = {},
): Promise<FirstRecords> {
  const asked = askedFormat(options, path);
  const source = await openSource(path, options);
  const batches = readerFor(path).read(source, undefined);
  const begun: SourceRecord[] = [];
  try {
    for await (const batch of batches) {
      begun.push(...batch.slice(0, lookedAt - begun.length));
      if (begun.length === lookedAt || (begun.length >= count && source.given() > lookedAtBytes)) break;
    }
  } catch (error) {
    // What stands before a broken place can be looked at all the same.
    if (begun.length === 0 || options.signal?.aborted === true) throw error;
  }
  if (begun.length === 0) throw new InputError('the file holds no rows', { file: path });
  const format = asked ?? matchingFormat(begun.map(({ record }) => record));
  const made = begun.map((record) => new RowMaker(format ?? trl).make(record));
  const usable = format !== undefined && made.some((each) => 'row' in each);
  const first = made.find((each) => 'problem' in each);
  return {
    records: begun
      .slice(0, count)
      .map(({ record }) => record)
      .filter(isRecord),
    ...(format === undefined ? {} : { format: format.name }),
    ...(usable || first === undefined ? {} : { problem: first.problem.message }),
  };
}

/** Makes rows of records; remembers the form of the first. */
class RowMaker {
  readonly #format: PreferenceFormat;
  readonly #keep: string | undefined;
  #shape: Shape | undefined;

  constructor(format: PreferenceFormat, keep?: string) {
    this.#format = format;
    this.#keep = keep;
  }

  make({ record, index, where, malformed }: SourceRecord): ReadRow {
    const problem = (kind: DataProblem['kind'], message: string): ReadRow => ({
      problem: { row: index, kind, message },
      ...(record === undefined || record === null ? {} : { source: record }),
    });
    if (malformed !== undefined) return problem('malformed', malformed);
    const place = where === '' ? '' : ` (${where})`;
    try {
      const complain = (cause: string, kind: DataProblem['kind'] = 'malformed'): RowError =>
        new RowError(kind, `${cause}${place}`);
      const raw = fieldsOf(record, complain);
      const fields = this.#format.convert(raw, complain);
      const row = rowFromRecord(fields, index, complain);
      const shape = shapeOf(row);
      this.#shape ??= shape;
      const difference = describeDifference(shape, this.#shape);
      if (difference !== undefined)
        return problem('malformed', `${difference}${place}; a file must hold one format`);
      const scores = scoresIn(fields);
      const kept = this.#keep === undefined ? undefined : plainValue(raw[this.#keep]);
      return {
        row,
        ...(scores === undefined ? {} : { scores }),
        ...(kept === undefined ? {} : { kept }),
      };
    } catch (error) {
      if (error instanceof RowError) return problem(error.kind, error.message);
      throw error;
    }
  }
}

/** Why a record is no row. */
class RowError extends Error {
  readonly kind: DataProblem['kind'];

  constructor(kind: DataProblem['kind'], message: string) {
    // A file may have a million bad rows, and a stack takes far longer than reading one.
    const depth = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = depth;
    this.kind = kind;
  }
}

function plainValue(value: unknown): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? value : undefined;
  return ['number', 'boolean', 'bigint'].includes(typeof value) ? String(value) : undefined;
}

function scoresIn(fields: Fields): PairScores | undefined {
  const [chosen, rejected] = [numberOf(fields['chosen_score']), numberOf(fields['rejected_score'])];
  return chosen === undefined || rejected === undefined ? undefined : { chosen, rejected };
}

/**
 * SHA-256 (hexadecimal) of rows as canonical JSON: one row a line, keys in sorted order. It depends on the content and
 * on each row's `index`, not on how the file was formatted or compressed.
 */
export class DataHasher {
  readonly #hash = createHash('sha256');

  add(row: DataRow): void {
    this.#hash.update(`${canonicalJson(row)}\n`);
  }

  /** Of the rows so far; nothing can be added any more. */
  digest(): string {
    return this.#hash.digest('hex');
  }
}

/** As `DataHasher`, of all rows at once. */
export function dataHash(rows: Iterable<DataRow>): string {
  const hasher = new DataHasher();
  for (const row of rows) hasher.add(row);
  return hasher.digest();
}

function readerFor(path: string): RecordReader {
  const plain = path.toLowerCase().replace(/\.gz$/, '');
  const reader = readers.find(({ extensions }) => extensions.some((extension) => plain.endsWith(extension)));
  if (reader !== undefined) return reader;
  const known = readers.flatMap(({ extensions }) => extensions).join(', ');
  throw new InputError(`unknown kind of data file; known are ${known}, each also with .gz`, { file: path });
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
