import type { Statement } from 'better-sqlite3';
import { InputError } from '../../shared/errors.ts';
import type { DataRow } from '../../shared/preferences.ts';
import type { Connection } from './connection.ts';

/** A side of a dataset's split. */
export type Side = 'train' | 'eval';

export interface RowsOptions {
  /** As the rows were after this change; 0: as imported. Default: as they are now. */
  readonly revision?: number | undefined;
  /** Only the rows on one side of the split. */
  readonly split?: Side | undefined;
  readonly includeExcluded?: boolean | undefined;
}

/** What a person has said of a row. */
export interface RowMarks {
  readonly excluded: boolean;
  /** In alphabetical order. */
  readonly tags: readonly string[];
  readonly note: string | null;
}

/** A row with all that is known of it. */
export interface DatasetEntry extends RowMarks {
  readonly row: DataRow;
  /** Equal for rows that ask the same question. */
  readonly promptHash: number;
  /** What the file's split column says. */
  readonly sourceSplit: string | null;
  /** Null where the dataset has no split. */
  readonly side: Side | null;
}

interface StoredRow {
  readonly idx: number;
  readonly promptHash: number;
  readonly sourceSplit: string | null;
  readonly json: string;
}
interface StoredMarks {
  readonly idx: number;
  readonly excluded: 0 | 1;
  readonly tags: string;
  readonly note: string | null;
}

/** Hashes of prompts that lie on one side of a split. */
export type PromptSet = Pick<ReadonlySet<number>, 'has'>;

type Nullable<Row> = { readonly [Name in keyof Row]: Row[Name] | null };

const rowsAtOnce = 256;
const promptsAtOnce = 4096;
const unmarked: RowMarks = { excluded: false, tags: [], note: null };

/**
 * Reads rows as of any revision: as they are now, put back to what the histories say they were. A history's entry holds
 * what a row was before a revision, so the state as of revision n is in the first entry after n, if there is one.
 */
export class DatasetRows {
  readonly #connection: Connection;
  readonly #revision: Statement<[number], number>;
  readonly #page: Statement<[number, number, number], StoredRow>;
  readonly #marks: Statement<[number, number, number], StoredMarks>;
  readonly #rowsBefore: Statement<[number, number, number, number], StoredRow>;
  readonly #marksBefore: Statement<[number, number, number, number], StoredMarks>;
  readonly #prompts: Statement<
    [number, number, number],
    Omit<StoredRow, 'json'> & { readonly excluded: 0 | 1 | null }
  >;
  /** Of the split that was asked for last: page after page of a table asks for the same, which may be megabytes. */
  #lastPrompts: { id: number; revision: number; prompts: PromptSet | undefined } | undefined;
  readonly #listed: Statement<
    [{ id: number; indices: string }],
    StoredRow & Nullable<Omit<StoredMarks, 'idx'>>
  >;
  readonly #indices: Statement<[number, number, number], number>;
  readonly #lastIndex: Statement<[number], number | null>;
  readonly #promptPage: Statement<[number, number, number], { idx: number; promptHash: number }>;
  readonly #markPage: Statement<[number, number, number], StoredMarks>;
  readonly #split: Statement<[number, number], { rule: string | null; evalPrompts: Buffer }>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#revision = connection
      .prepare<[number], number>(`SELECT revision FROM datasets WHERE id = ? AND status = 'ready'`)
      .pluck();
    this.#page = connection.prepare(
      `SELECT idx, prompt_hash AS promptHash, source_split AS sourceSplit, row_json AS json
       FROM dataset_rows WHERE dataset_id = ? AND idx >= ? ORDER BY idx LIMIT ?`,
    );
    this.#marks = connection.prepare(
      `SELECT idx, excluded, tags_json AS tags, note FROM dataset_marks
       WHERE dataset_id = ? AND idx BETWEEN ? AND ?`,
    );
    // With min() alone, SQLite takes the other columns from the row that has the minimum.
    this.#rowsBefore = connection.prepare(
      `SELECT idx, min(revision), prompt_hash AS promptHash, row_json AS json FROM dataset_row_history
       WHERE dataset_id = ? AND idx BETWEEN ? AND ? AND revision > ? GROUP BY idx`,
    );
    this.#marksBefore = connection.prepare(
      `SELECT idx, min(revision), excluded, tags_json AS tags, note FROM dataset_mark_history
       WHERE dataset_id = ? AND idx BETWEEN ? AND ? AND revision > ? GROUP BY idx`,
    );
    this.#prompts = connection.prepare(
      `SELECT idx, prompt_hash AS promptHash, source_split AS sourceSplit, excluded
       FROM dataset_rows LEFT JOIN dataset_marks USING (dataset_id, idx)
       WHERE dataset_id = ? AND idx >= ? ORDER BY idx LIMIT ?`,
    );
    // The list first, whatever SQLite thinks of its length.
    this.#listed = connection.prepare(
      `SELECT dataset_rows.idx, prompt_hash AS promptHash, source_split AS sourceSplit, row_json AS json,
         excluded, tags_json AS tags, note
       FROM json_each($indices) AS wanted
         CROSS JOIN dataset_rows ON dataset_rows.dataset_id = $id AND dataset_rows.idx = wanted.value
         LEFT JOIN dataset_marks ON dataset_marks.dataset_id = $id AND dataset_marks.idx = wanted.value
       ORDER BY wanted.key`,
    );
    this.#indices = connection
      .prepare<[number, number, number], number>(
        'SELECT idx FROM dataset_rows WHERE dataset_id = ? AND idx > ? ORDER BY idx LIMIT ?',
      )
      .pluck();
    this.#lastIndex = connection
      .prepare<[number], number | null>('SELECT max(idx) FROM dataset_rows WHERE dataset_id = ?')
      .pluck();
    this.#promptPage = connection.prepare(
      `SELECT idx, prompt_hash AS promptHash FROM dataset_rows
       WHERE dataset_id = ? AND idx > ? ORDER BY idx LIMIT ?`,
    );
    this.#markPage = connection.prepare(
      `SELECT idx, excluded, tags_json AS tags, note FROM dataset_marks
       WHERE dataset_id = ? AND idx > ? ORDER BY idx LIMIT ?`,
    );
    this.#split = connection.prepare(
      `SELECT rule_json AS rule, eval_prompts AS evalPrompts FROM dataset_splits
       WHERE dataset_id = ? AND revision <= ? ORDER BY revision DESC LIMIT 1`,
    );
  }

  /** As `Datasets.rows`, with all that is known of each row. */
  *entries(id: number, options: RowsOptions = {}): Generator<DatasetEntry, void, undefined> {
    const { split, includeExcluded = false } = options;
    const revision = options.revision ?? this.#revision.get(id);
    if (revision === undefined) return;
    const evalPrompts = this.evalPrompts(id, revision);
    if (split !== undefined && !evalPrompts) {
      throw new InputError('the dataset has no split into train and eval rows; make one with "data split"');
    }
    for (let next = 0; ;) {
      const page = this.#connection.read(() => this.#read(id, next, rowsAtOnce, revision, evalPrompts));
      for (const entry of page) {
        if (entry.excluded && !includeExcluded) continue;
        if (split === undefined || entry.side === split) yield entry;
      }
      if (page.length < rowsAtOnce) return;
      next = page.at(-1)!.row.index + 1;
    }
  }

  /** One row, excluded or not. */
  entry(id: number, index: number, revision = this.#revision.get(id)): DatasetEntry | undefined {
    if (revision === undefined) return undefined;
    const evalPrompts = this.evalPrompts(id, revision);
    const [entry] = this.#connection.read(() => this.#read(id, index, 1, revision, evalPrompts));
    return entry?.row.index === index ? entry : undefined;
  }

  /** Certain rows as they are now, excluded or not, in the order asked for; those that do not exist are left out. */
  some(id: number, indices: ArrayLike<number>, evalPrompts: PromptSet | undefined): DatasetEntry[] {
    return this.#listed
      .all({ id, indices: JSON.stringify(Array.from(indices)) })
      .map(({ idx, promptHash, sourceSplit, json, excluded, tags, note }) => ({
        row: toRow(idx, json),
        promptHash,
        sourceSplit,
        side: sideOf(promptHash, evalPrompts),
        ...(excluded === null || tags === null ? unmarked : toMarks({ excluded, tags, note })),
      }));
  }

  /** The last row's index, or -1: one less than the rows where none was left out. */
  lastIndex(id: number): number {
    return this.#lastIndex.get(id) ?? -1;
  }

  /** Indices of the next rows behind one (-1: from the first), ascending. */
  indicesAfter(id: number, after: number, limit: number): number[] {
    return this.#indices.all(id, after, limit);
  }

  /** As `indicesAfter`, with the hashes of the rows' prompts. */
  promptsAfter(
    id: number,
    after: number,
    limit: number,
  ): { readonly idx: number; readonly promptHash: number }[] {
    return this.#promptPage.all(id, after, limit);
  }

  /** As `indicesAfter`, of the rows that carry marks, with these. */
  marksAfter(id: number, after: number, limit: number): (RowMarks & { readonly idx: number })[] {
    return this.#markPage.all(id, after, limit).map((marks) => ({ idx: marks.idx, ...toMarks(marks) }));
  }

  /** The prompts of the rows that are not excluded, as they are now, without reading the rows themselves. */
  *prompts(id: number): Generator<Pick<DatasetEntry, 'promptHash' | 'sourceSplit'>, void, undefined> {
    for (let next = 0; ;) {
      const page = this.#prompts.all(id, next, promptsAtOnce);
      for (const { promptHash, sourceSplit, excluded } of page)
        if (excluded !== 1) yield { promptHash, sourceSplit };
      if (page.length < promptsAtOnce) return;
      next = page.at(-1)!.idx + 1;
    }
  }

  /** Hashes of the prompts on the eval side, or undefined where there is no split. */
  evalPrompts(id: number, revision: number): PromptSet | undefined {
    const last = this.#lastPrompts;
    // A revision never changes, and ids are not given again.
    if (last?.id === id && last.revision === revision) return last.prompts;
    const stored = this.#split.get(id, revision);
    const prompts =
      stored === undefined || stored.rule === null ? undefined : decodePrompts(stored.evalPrompts);
    this.#lastPrompts = { id, revision, prompts };
    return prompts;
  }

  /** The rule of the split as of a revision. */
  splitRule(id: number, revision: number): string | null {
    return this.#split.get(id, revision)?.rule ?? null;
  }

  #read(
    id: number,
    from: number,
    limit: number,
    revision: number,
    evalPrompts: PromptSet | undefined,
  ): DatasetEntry[] {
    const page = this.#page.all(id, from, limit);
    if (page.length === 0) return [];
    const range = [id, page[0]!.idx, page.at(-1)!.idx] as const;
    const marks = byIndex(this.#marks.all(...range));
    const rowsBefore = byIndex(this.#rowsBefore.all(...range, revision));
    const marksBefore = byIndex(this.#marksBefore.all(...range, revision));
    return page.map((now) => {
      const { idx, sourceSplit } = now;
      const { promptHash, json } = rowsBefore.get(idx) ?? now;
      const marked = marksBefore.get(idx) ?? marks.get(idx);
      return {
        row: toRow(idx, json),
        promptHash,
        sourceSplit,
        side: sideOf(promptHash, evalPrompts),
        ...(marked ? toMarks(marked) : unmarked),
      };
    });
  }
}

/** The row that `json` holds. */
export function toRow(index: number, json: string): DataRow {
  return { ...(JSON.parse(json) as Omit<DataRow, 'index'>), index } as DataRow;
}

export function toMarks({ excluded, tags, note }: Omit<StoredMarks, 'idx'>): RowMarks {
  return { excluded: excluded === 1, tags: JSON.parse(tags) as string[], note };
}

/** Hashes of prompts as bytes: little-endian float64 each, which holds their 52 bits exactly. */
export function encodePrompts(prompts: Iterable<number>): Buffer {
  const sorted = [...prompts].sort((a, b) => a - b);
  const bytes = Buffer.alloc(8 * sorted.length);
  sorted.forEach((prompt, at) => bytes.writeDoubleLE(prompt, 8 * at));
  return bytes;
}

/** Looked up where they lie: to make a set of a million takes longer than a page of rows may. */
function decodePrompts(bytes: Buffer): PromptSet {
  const count = bytes.length / 8;
  return {
    has(prompt) {
      let from = 0;
      for (let to = count; from < to;) {
        const middle = (from + to) >> 1;
        if (bytes.readDoubleLE(8 * middle) < prompt) from = middle + 1;
        else to = middle;
      }
      return from < count && bytes.readDoubleLE(8 * from) === prompt;
    },
  };
}

function sideOf(promptHash: number, evalPrompts: PromptSet | undefined): Side | null {
  return evalPrompts ? (evalPrompts.has(promptHash) ? 'eval' : 'train') : null;
}

function byIndex<Row extends { readonly idx: number }>(rows: readonly Row[]): ReadonlyMap<number, Row> {
  return new Map(rows.map((row) => [row.idx, row]));
}
