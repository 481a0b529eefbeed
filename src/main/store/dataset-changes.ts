import type { Statement } from 'better-sqlite3';
import type { DatasetChange, SplitRule } from '../../shared/dataset-changes.ts';
import { InputError } from '../../shared/errors.ts';
import type { DataRow } from '../../shared/preferences.ts';
import type { Connection } from './connection.ts';
import { encodePrompts, toMarks, toRow, type RowMarks } from './dataset-rows.ts';
import { reindexRow } from './dataset-search.ts';
import { rowJson } from './datasets.ts';
import { decodeJson, encodeJson } from './json.ts';
import { promptHash } from './prompt-hash.ts';

/** A change as the history tells it. */
export interface RecordedChange {
  readonly revision: number;
  readonly change: DatasetChange;
  /** How many rows it changed; 0 for a split. */
  readonly rows: number;
  /** The first few of them. */
  readonly some: readonly number[];
  /** A later change has taken it back. */
  readonly undone: boolean;
  /** Milliseconds since 1970. */
  readonly changedAt: number;
}

/** What marking does to a row; what is absent stays. */
export interface MarkChange {
  readonly excluded?: boolean;
  readonly addTag?: string;
  readonly removeTag?: string;
  /** Null takes a note away. */
  readonly note?: string | null;
}

interface Head {
  readonly revision: number;
  readonly hash: string | null;
}
interface StoredMarks {
  readonly excluded: 0 | 1;
  readonly tags: string;
  readonly note: string | null;
}
interface StoredChange {
  readonly revision: number;
  readonly change: string;
  readonly rows: number;
  readonly undone: 0 | 1;
  readonly changedAt: number;
}

const unmarked: StoredMarks = { excluded: 0, tags: '[]', note: null };
const shownRows = 5;

/**
 * Changes of datasets, each one revision and one transaction. Before a row changes, what it was is put into a history,
 * so that the rows as of any revision can be read again.
 */
export class DatasetChanges {
  readonly #connection: Connection;
  readonly #head: Statement<[number], Head>;
  readonly #addChange: Statement<[number, number, string, number, number | null, string | null, number]>;
  readonly #setHead: Statement<[number, string | null, number, number, number, number]>;
  readonly #row: Statement<[number, number], string>;
  readonly #setRow: Statement<[string, number, number, number]>;
  readonly #keepRow: Statement<[number, number, number]>;
  readonly #marks: Statement<[number, number], StoredMarks>;
  readonly #setMarks: Statement<[number, number, 0 | 1, string, string | null]>;
  readonly #clearMarks: Statement<[number, number]>;
  readonly #keepMarks: Statement<[number, number, number, 0 | 1, string, string | null]>;
  readonly #rowsOf: Statement<[number, number], { idx: number; json: string }>;
  readonly #marksOf: Statement<[number, number], StoredMarks & { idx: number }>;
  readonly #addSplit: Statement<[number, number, string | null, Buffer]>;
  readonly #copySplit: Statement<[number, number, number]>;
  readonly #isSplit: Statement<[number, number], number>;
  readonly #changes: Statement<[number], StoredChange>;
  readonly #someRows: Statement<[number, number, number, number, number], number>;
  readonly #lastDone: Statement<[number], { revision: number; change: string; hashBefore: string | null }>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#head = connection.prepare(`SELECT revision, hash FROM datasets WHERE id = ? AND status = 'ready'`);
    this.#addChange = connection.prepare(
      `INSERT INTO dataset_changes (dataset_id, revision, change_json, row_count, undoes, hash_before, changed_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#setHead = connection.prepare(
      `UPDATE datasets SET revision = ?, hash = ?, excluded_count = excluded_count + ?,
         answer_count = answer_count + ?, bytes = bytes + ? WHERE id = ?`,
    );
    this.#row = connection
      .prepare<[number, number], string>('SELECT row_json FROM dataset_rows WHERE dataset_id = ? AND idx = ?')
      .pluck();
    this.#setRow = connection.prepare(
      'UPDATE dataset_rows SET row_json = ?, prompt_hash = ? WHERE dataset_id = ? AND idx = ?',
    );
    this.#keepRow = connection.prepare(
      `INSERT INTO dataset_row_history (dataset_id, idx, revision, prompt_hash, row_json)
       SELECT dataset_id, idx, ?, prompt_hash, row_json FROM dataset_rows WHERE dataset_id = ? AND idx = ?`,
    );
    this.#marks = connection.prepare(
      'SELECT excluded, tags_json AS tags, note FROM dataset_marks WHERE dataset_id = ? AND idx = ?',
    );
    this.#setMarks = connection.prepare(
      'INSERT OR REPLACE INTO dataset_marks (dataset_id, idx, excluded, tags_json, note) VALUES (?, ?, ?, ?, ?)',
    );
    this.#clearMarks = connection.prepare('DELETE FROM dataset_marks WHERE dataset_id = ? AND idx = ?');
    this.#keepMarks = connection.prepare(
      `INSERT INTO dataset_mark_history (dataset_id, idx, revision, excluded, tags_json, note)
       VALUES (?, ?, ?, ?, ?, ?)`,
    );
    this.#rowsOf = connection.prepare(
      'SELECT idx, row_json AS json FROM dataset_row_history WHERE dataset_id = ? AND revision = ?',
    );
    this.#marksOf = connection.prepare(
      `SELECT idx, excluded, tags_json AS tags, note FROM dataset_mark_history
       WHERE dataset_id = ? AND revision = ?`,
    );
    this.#addSplit = connection.prepare(
      'INSERT INTO dataset_splits (dataset_id, revision, rule_json, eval_prompts) VALUES (?, ?, ?, ?)',
    );
    this.#copySplit = connection.prepare(
      `INSERT INTO dataset_splits (dataset_id, revision, rule_json, eval_prompts)
       SELECT dataset_id, ?, rule_json, eval_prompts FROM dataset_splits
       WHERE dataset_id = ? AND revision < ? ORDER BY revision DESC LIMIT 1`,
    );
    this.#isSplit = connection
      .prepare<[number, number], number>('SELECT 1 FROM dataset_splits WHERE dataset_id = ? AND revision = ?')
      .pluck();
    this.#changes = connection.prepare(
      `SELECT revision, change_json AS change, row_count AS "rows", changed_at AS changedAt,
         EXISTS (SELECT 1 FROM dataset_changes AS later
           WHERE later.dataset_id = dataset_changes.dataset_id AND later.undoes = dataset_changes.revision) AS undone
       FROM dataset_changes WHERE dataset_id = ? ORDER BY revision`,
    );
    this.#someRows = connection
      .prepare<[number, number, number, number, number], number>(
        `SELECT idx FROM dataset_row_history WHERE dataset_id = ? AND revision = ?
         UNION SELECT idx FROM dataset_mark_history WHERE dataset_id = ? AND revision = ? ORDER BY 1 LIMIT ?`,
      )
      .pluck();
    this.#lastDone = connection.prepare(
      `SELECT revision, change_json AS change, hash_before AS hashBefore FROM dataset_changes
       WHERE dataset_id = ? AND undoes IS NULL AND NOT EXISTS (SELECT 1 FROM dataset_changes AS later
         WHERE later.dataset_id = dataset_changes.dataset_id AND later.undoes = dataset_changes.revision)
       ORDER BY revision DESC LIMIT 1`,
    );
  }

  /**
   * Puts another row in a row's place.
   * @param edit given the row as it is now, the row as it shall be, with the same index and kind
   * @returns the new revision, or the one before where nothing changes
   * @throws InputError where there is no such row, and what `edit` throws
   */
  edit(id: number, index: number, edit: (row: DataRow) => DataRow): number {
    return this.#connection.write(() => {
      const before = this.#row.get(id, index);
      if (before === undefined) throw new InputError('there is no such row', { row: index });
      const old = toRow(index, before);
      const row = edit(old);
      const fields = changedFields(old, row);
      if (fields.length === 0) return this.#requireHead(id).revision;
      return this.#change(id, { kind: 'edit', fields }, { hash: null }, (revision) => {
        return { ...unchanged, rows: 1, ...this.#replaceRow(id, index, revision, row, before) };
      });
    });
  }

  /**
   * Marks rows; those that are as asked for already are left alone.
   * @returns the new revision and how many rows changed; where none did, the revision before
   * @throws InputError where one of the rows does not exist; none is marked then
   */
  mark(
    id: number,
    indices: Iterable<number>,
    mark: MarkChange,
    change: DatasetChange,
  ): { readonly revision: number; readonly rows: number } {
    return this.#connection.write(() => {
      const wanted: { idx: number; before: StoredMarks; after: RowMarks }[] = [];
      for (const idx of new Set(indices)) {
        const before = this.#marks.get(id, idx) ?? unmarked;
        const after = marked(toMarks(before), mark);
        if (encodeMarks(after).join() === encodeMarks(toMarks(before)).join()) {
          this.#requireRow(id, idx);
          continue;
        }
        this.#requireRow(id, idx);
        wanted.push({ idx, before, after });
      }
      if (wanted.length === 0) return { revision: this.#requireHead(id).revision, rows: 0 };
      const hash = mark.excluded === undefined ? undefined : null;
      const revision = this.#change(id, change, { hash }, (revision) => {
        let excluded = 0;
        for (const { idx, before, after } of wanted) {
          excluded += this.#replaceMarks(id, idx, revision, before, encodeMarks(after));
        }
        return { ...unchanged, rows: wanted.length, excluded };
      });
      return { revision, rows: wanted.length };
    });
  }

  /**
   * Splits the dataset by prompts: rows with one of these are for evaluation, all others for training.
   * @param evalPrompts prompt hashes
   */
  split(id: number, rule: SplitRule, evalPrompts: Iterable<number>): number {
    const bytes = encodePrompts(evalPrompts);
    return this.#connection.write(() =>
      this.#change(id, { kind: 'split', rule }, {}, (revision) => {
        this.#addSplit.run(id, revision, encodeJson(rule), bytes);
        return unchanged;
      }),
    );
  }

  /**
   * Takes back the last change that still stands, as a change of its own. A second undo takes back the one before.
   * @returns what was taken back, or undefined where nothing is left
   */
  undo(id: number): { readonly revision: number; readonly undone: RecordedChange } | undefined {
    return this.#connection.write(() => {
      const last = this.#lastDone.get(id);
      if (!last) return undefined;
      const undone = this.history(id).find(({ revision }) => revision === last.revision)!;
      // What stood before the change stands again, hash included; a change that left the hash alone still does.
      const touches = ['edit', 'exclude', 'include'].includes(undone.change.kind);
      const hash = touches ? last.hashBefore : undefined;
      const change: DatasetChange = { kind: 'undo', revision: last.revision };
      const revision = this.#change(id, change, { hash, undoes: last.revision }, (revision) => {
        const sum = { ...unchanged };
        for (const { idx, json } of this.#rowsOf.all(id, last.revision)) {
          const difference = this.#replaceRow(id, idx, revision, toRow(idx, json), this.#row.get(id, idx)!);
          sum.answers += difference.answers;
          sum.bytes += difference.bytes;
          sum.rows += 1;
        }
        for (const { idx, ...before } of this.#marksOf.all(id, last.revision)) {
          const now = this.#marks.get(id, idx) ?? unmarked;
          sum.excluded += this.#replaceMarks(id, idx, revision, now, encodeMarks(toMarks(before)));
          sum.rows += 1;
        }
        if (this.#isSplit.get(id, last.revision) !== undefined) {
          const copied = this.#copySplit.run(revision, id, last.revision).changes;
          if (copied === 0) this.#addSplit.run(id, revision, null, Buffer.alloc(0));
        }
        return sum;
      });
      return { revision, undone };
    });
  }

  /** Every change, oldest first. */
  history(id: number): RecordedChange[] {
    return this.#changes.all(id).map(({ revision, change, rows, undone, changedAt }) => ({
      revision,
      change: decodeJson(change) as DatasetChange,
      rows,
      some: this.#someRows.all(id, revision, id, revision, shownRows),
      undone: undone === 1,
      changedAt,
    }));
  }

  /** @param head.hash undefined: stays as it is */
  #change(
    id: number,
    change: DatasetChange,
    head: { hash?: string | null | undefined; undoes?: number },
    work: (revision: number) => Difference,
  ): number {
    const before = this.#requireHead(id);
    const revision = before.revision + 1;
    const { rows, excluded, answers, bytes } = work(revision);
    const { undoes = null } = head;
    this.#addChange.run(id, revision, encodeJson(change), rows, undoes, before.hash, Date.now());
    const hash = head.hash === undefined ? before.hash : head.hash;
    this.#setHead.run(revision, hash, excluded, answers, bytes, id);
    return revision;
  }

  #replaceRow(
    id: number,
    index: number,
    revision: number,
    row: DataRow,
    before: string,
  ): { answers: number; bytes: number } {
    const json = rowJson(row);
    this.#keepRow.run(revision, id, index);
    this.#setRow.run(json, promptHash(row), id, index);
    reindexRow(this.#connection, id, row);
    const old = toRow(index, before);
    return {
      answers: Number(row.answer !== undefined) - Number(old.answer !== undefined),
      bytes: Buffer.byteLength(json) - Buffer.byteLength(before),
    };
  }

  /** @returns by how many the excluded rows grow */
  #replaceMarks(
    id: number,
    index: number,
    revision: number,
    before: StoredMarks,
    after: readonly [0 | 1, string, string | null],
  ): number {
    this.#keepMarks.run(id, index, revision, before.excluded, before.tags, before.note);
    const [excluded, tags, note] = after;
    if (excluded === 0 && tags === '[]' && note === null) this.#clearMarks.run(id, index);
    else this.#setMarks.run(id, index, excluded, tags, note);
    return excluded - before.excluded;
  }

  #requireHead(id: number): Head {
    const head = this.#head.get(id);
    if (!head) throw new InputError('the dataset was removed');
    return head;
  }

  #requireRow(id: number, index: number): void {
    if (this.#row.get(id, index) === undefined) throw new InputError('there is no such row', { row: index });
  }
}

interface Difference {
  rows: number;
  excluded: number;
  answers: number;
  bytes: number;
}
const unchanged: Readonly<Difference> = { rows: 0, excluded: 0, answers: 0, bytes: 0 };

function changedFields(before: DataRow, after: DataRow): string[] {
  const [old, fresh] = [before, after] as unknown as Record<string, unknown>[];
  const names = new Set([...Object.keys(old!), ...Object.keys(fresh!)]);
  return [...names].filter((name) => JSON.stringify(old![name]) !== JSON.stringify(fresh![name]));
}

function marked(before: RowMarks, mark: MarkChange): RowMarks {
  const tags = new Set(before.tags);
  if (mark.addTag !== undefined) tags.add(mark.addTag);
  if (mark.removeTag !== undefined) tags.delete(mark.removeTag);
  return {
    excluded: mark.excluded ?? before.excluded,
    tags: [...tags].sort(),
    note: mark.note === undefined ? before.note : mark.note,
  };
}

function encodeMarks({ excluded, tags, note }: RowMarks): [0 | 1, string, string | null] {
  return [excluded ? 1 : 0, JSON.stringify(tags), note];
}
