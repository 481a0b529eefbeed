import type { Statement } from 'better-sqlite3';
import { InputError } from '../../shared/errors.ts';
import type { DataRow } from '../../shared/preferences.ts';
import { sqliteCode, type Connection } from './connection.ts';
import { DatasetRows, type RowsOptions } from './dataset-rows.ts';
import { dropSearchIndex } from './dataset-search.ts';
import { decodeJson, encodeJson } from './json.ts';
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.ts';
import { promptHash } from './prompt-hash.ts';

/** What is known of a dataset before its rows are read. */
export interface DatasetSource {
  /** The file it is imported from. */
  readonly source: string;
  /** The `kind` of every row. */
  readonly format: DataRow['kind'];
  /** Whether its texts are chat messages. */
  readonly conversational: boolean;
}

/** A dataset as it is imported in one go. */
export interface NewDataset extends DatasetSource {
  readonly name: string;
  /** SHA-256 over the rows. */
  readonly hash: string;
}

export interface Dataset extends DatasetSource {
  readonly id: number;
  readonly name: string;
  /** SHA-256 over the rows that are not excluded, as they are now; null after a change, until `setHash`. */
  readonly hash: string | null;
  /** The file's column that says on which side of a split a row belongs. */
  readonly splitColumn: string | null;
  /** Number of rows, excluded ones among them. */
  readonly rows: number;
  /** Rows that carry the task's right answer. */
  readonly answers: number;
  readonly excluded: number;
  /** Bytes of the rows as JSON. */
  readonly bytes: number;
  /** Number of its last change; 0 as imported. */
  readonly revision: number;
  /** Milliseconds since 1970. */
  readonly addedAt: number;
}

/** A row on its way into a dataset, with what the file's split column says of it. */
export interface StagedRow {
  readonly row: DataRow;
  readonly sourceSplit?: string | undefined;
}

/** An import or a removal that was not ended, and whose process is gone. */
export interface AbandonedDataset {
  readonly id: number;
  readonly what: 'import' | 'removal';
  readonly source: string;
  /** Rows still kept of it. */
  readonly rows: number;
  readonly addedAt: number;
}

type Status = 'staged' | 'ready' | 'removed';
type Stored = Omit<Dataset, 'conversational'> & { readonly conversational: 0 | 1 };

const columns = `id, name, hash, source, format, conversational, row_count AS "rows", answer_count AS answers,
  excluded_count AS excluded, bytes, split_column AS splitColumn, revision, added_at AS addedAt`;
/** Rows deleted in one transaction: others wait for the write lock no longer than for these. */
const rowsDeletedAtOnce = 4000;

/** Imported datasets and their rows. */
export class Datasets {
  readonly #connection: Connection;
  readonly #rows: DatasetRows;
  readonly #insert: Statement<unknown[], { id: number }>;
  readonly #insertRow: Statement<[number, number, number, string | null, string]>;
  readonly #count: Statement<[number, number, number, number]>;
  readonly #status: Statement<[number], { status: Status; source: string; format: DataRow['kind'] }>;
  readonly #publish: Statement<[string, string, string | null, number, number], Stored>;
  readonly #setRemoved: Statement<[string, number]>;
  readonly #setHash: Statement<[string, number, number]>;
  readonly #all: Statement<[], Stored>;
  readonly #byId: Statement<[number], Stored>;
  readonly #byName: Statement<[string], Stored>;
  readonly #byHash: Statement<[string], Stored>;
  readonly #hashes: Statement<[number, number], string>;
  readonly #unfinished: Statement<
    [],
    Omit<AbandonedDataset, 'what'> & { status: Status; owner: string | null }
  >;
  readonly #lastOfSome: Statement<[number, number], number>;
  readonly #deleteRows: readonly Statement<[number, number]>[];
  readonly #delete: Statement<[number]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#rows = new DatasetRows(connection);
    this.#insert = connection.prepare(
      `INSERT INTO datasets (name, status, owner_json, source, format, conversational,
         row_count, answer_count, bytes, added_at)
       VALUES ('', 'staged', ?, ?, ?, ?, 0, 0, 0, ?) RETURNING id`,
    );
    this.#insertRow = connection.prepare(
      `INSERT INTO dataset_rows (dataset_id, idx, prompt_hash, source_split, row_json) VALUES (?, ?, ?, ?, ?)`,
    );
    this.#count = connection.prepare(
      `UPDATE datasets SET row_count = row_count + ?, answer_count = answer_count + ?, bytes = bytes + ? WHERE id = ?`,
    );
    this.#status = connection.prepare('SELECT status, source, format FROM datasets WHERE id = ?');
    this.#publish = connection.prepare(
      `UPDATE datasets SET name = ?, hash = ?, split_column = ?, added_at = ?, status = 'ready', owner_json = NULL
       WHERE id = ? RETURNING ${columns}`,
    );
    this.#setRemoved = connection.prepare(
      `UPDATE datasets SET status = 'removed', owner_json = ? WHERE id = ? AND status = 'ready'`,
    );
    this.#setHash = connection.prepare('UPDATE datasets SET hash = ? WHERE id = ? AND revision = ?');
    this.#all = connection.prepare(`SELECT ${columns} FROM datasets WHERE status = 'ready' ORDER BY id`);
    this.#byId = connection.prepare(`SELECT ${columns} FROM datasets WHERE status = 'ready' AND id = ?`);
    this.#byName = connection.prepare(`SELECT ${columns} FROM datasets WHERE status = 'ready' AND name = ?`);
    this.#byHash = connection.prepare(
      `SELECT ${columns} FROM datasets WHERE status = 'ready' AND hash = ? ORDER BY id LIMIT 1`,
    );
    this.#hashes = connection
      .prepare<[number, number], string>(
        `SELECT hash FROM datasets WHERE id = ? AND hash IS NOT NULL
         UNION SELECT hash_before FROM dataset_changes WHERE dataset_id = ? AND hash_before IS NOT NULL`,
      )
      .pluck();
    this.#unfinished = connection.prepare(
      `SELECT id, source, status, row_count AS "rows", added_at AS addedAt, owner_json AS owner
       FROM datasets WHERE status <> 'ready' ORDER BY id`,
    );
    this.#lastOfSome = connection
      .prepare<[number, number], number>(
        `SELECT max(idx) FROM (SELECT idx FROM dataset_rows WHERE dataset_id = ? ORDER BY idx LIMIT ?)`,
      )
      .pluck();
    this.#deleteRows = ['dataset_row_history', 'dataset_mark_history', 'dataset_marks', 'dataset_rows'].map(
      (table) => connection.prepare(`DELETE FROM ${table} WHERE dataset_id = ? AND idx <= ?`),
    );
    this.#delete = connection.prepare('DELETE FROM datasets WHERE id = ?');
  }

  /**
   * Begins an import, which no list shows before `publish`. It belongs to this process: when that is gone, the import
   * is `abandoned`.
   * @returns the dataset's id
   */
  stage(source: DatasetSource): number {
    const { format, conversational } = source;
    return this.#connection.write(
      () =>
        this.#insert.get(
          encodeJson(ownIdentity()),
          source.source,
          format,
          conversational ? 1 : 0,
          Date.now(),
        )!.id,
    );
  }

  /**
   * Adds rows to a staged import in one transaction.
   * @throws InputError where a row's kind differs from the dataset's, or an index comes twice; none of these rows is kept
   */
  append(id: number, rows: Iterable<StagedRow>): void {
    // Made ready before the write lock is taken, so that others wait only while it is written.
    const ready = Array.from(rows, ({ row, sourceSplit }) => ({
      row,
      promptHash: promptHash(row),
      sourceSplit: sourceSplit ?? null,
      json: rowJson(row),
    }));
    this.#connection.write(() => {
      const { source, format } = this.#requireStatus(id, 'staged');
      let answers = 0;
      let bytes = 0;
      for (const { row, promptHash, sourceSplit, json } of ready) {
        const place = { file: source, row: row.index };
        if (row.kind !== format) throw new InputError(`is a ${row.kind} row in a ${format} dataset`, place);
        try {
          this.#insertRow.run(id, row.index, promptHash, sourceSplit, json);
        } catch (error) {
          if (sqliteCode(error) !== 'SQLITE_CONSTRAINT_PRIMARYKEY') throw error;
          throw new InputError('comes twice', place);
        }
        if (row.answer !== undefined) answers += 1;
        bytes += Buffer.byteLength(json);
      }
      this.#count.run(ready.length, answers, bytes, id);
    });
  }

  /**
   * Makes a staged import a dataset that everyone sees.
   * @param named `numbered`: where the name is taken, -2, -3, … is put behind it
   * @throws InputError where the name is taken; the import stays staged
   */
  publish(
    id: number,
    named: { name: string; hash: string; numbered?: boolean; splitColumn?: string },
  ): Dataset {
    return this.#connection.write(() => {
      this.#requireStatus(id, 'staged');
      let { name } = named;
      for (let number = 2; named.numbered && this.#byName.get(name); number += 1) {
        name = `${named.name}-${number}`;
      }
      try {
        return fromStored(this.#publish.get(name, named.hash, named.splitColumn ?? null, Date.now(), id)!);
      } catch (error) {
        if (sqliteCode(error) !== 'SQLITE_CONSTRAINT_UNIQUE') throw error;
        throw new InputError(`a dataset named ${name} exists already`);
      }
    });
  }

  /**
   * Removes what a staged import or a begun removal has kept, in transactions of a few thousand rows. Does nothing where
   * it is gone already.
   */
  discard(id: number): void {
    const begun = this.#status.get(id);
    if (!begun) return;
    if (begun.status === 'ready') throw new Error(`dataset ${id} is not staged`);
    this.#connection.write(() => dropSearchIndex(this.#connection, id));
    for (;;) {
      const last = this.#lastOfSome.get(id, rowsDeletedAtOnce) ?? null;
      if (last === null) break;
      this.#connection.write(() => {
        for (const statement of this.#deleteRows) statement.run(id, last);
      });
    }
    this.#connection.write(() => this.#delete.run(id));
  }

  /** Imports and removals that nobody ends any more; `discard` removes what is left of them. */
  abandoned(): AbandonedDataset[] {
    return this.#unfinished
      .all()
      .filter(({ owner }) => owner === null || !isAlive(decodeJson(owner) as ProcessIdentity))
      .map(({ id, source, status, rows, addedAt }) => {
        return { id, what: status === 'staged' ? 'import' : 'removal', source, rows, addedAt };
      });
  }

  /**
   * Records a dataset with all its rows in one transaction: where a row fails, or `rows` throws, nothing is kept. For
   * small ones; others come by `stage`, `append` and `publish`.
   * @throws InputError where the name is taken, a row's kind differs from the format, or an index comes twice
   */
  add(dataset: NewDataset, rows: Iterable<DataRow>): Dataset {
    return this.#connection.write(() => {
      const id = this.stage(dataset);
      for (const row of rows) this.append(id, [{ row }]);
      return this.publish(id, dataset);
    });
  }

  /** Every dataset, oldest first. */
  list(): Dataset[] {
    return this.#all.all().map(fromStored);
  }

  find(id: number): Dataset | undefined {
    return optional(this.#byId.get(id));
  }

  findByName(name: string): Dataset | undefined {
    return optional(this.#byName.get(name));
  }

  /** The oldest dataset with this content, as far as hashes are known. */
  findByHash(hash: string): Dataset | undefined {
    return optional(this.#byHash.get(hash));
  }

  /** Keeps the hash of the rows as of a revision, unless the dataset has changed since. */
  setHash(id: number, revision: number, hash: string): void {
    this.#connection.write(() => this.#setHash.run(hash, id, revision));
  }

  /** Every hash that the dataset is known to have had: what runs on any of its revisions refer to. */
  hashes(id: number): string[] {
    return this.#hashes.all(id, id);
  }

  /** Number of the dataset's last change, 0 as imported; what `rows` takes to give the same rows again. */
  revision(id: number): number {
    const dataset = this.find(id);
    if (!dataset) throw new Error(`there is no dataset ${id}`);
    return dataset.revision;
  }

  /**
   * The rows by ascending index, as of one revision from first to last, whatever is changed meanwhile. They are read a
   * few hundred at a time. Without options: every row of today's that is not excluded.
   * @throws InputError where a side of the split is asked for and there is none
   */
  *rows(id: number, options: RowsOptions = {}): Generator<DataRow, void, undefined> {
    for (const { row } of this.#rows.entries(id, options)) yield row;
  }

  /** The row whose `index` this is, excluded or not. */
  row(id: number, index: number): DataRow | undefined {
    return this.#rows.entry(id, index)?.row;
  }

  /** Removes a dataset and its rows: at once for everyone who looks, then in bounded steps. False where there was none. */
  remove(id: number): boolean {
    const owner = encodeJson(ownIdentity());
    const found = this.#connection.write(() => this.#setRemoved.run(owner, id).changes > 0);
    if (found) this.discard(id);
    return found;
  }

  #requireStatus(id: number, wanted: Status): { source: string; format: DataRow['kind'] } {
    const found = this.#status.get(id);
    if (found?.status === wanted) return found;
    throw new Error(`dataset ${id} is ${found?.status ?? 'gone'}, not ${wanted}`);
  }
}

/** A row as the database keeps it; its index stands beside it. */
export function rowJson(row: DataRow): string {
  return JSON.stringify({ ...row, index: undefined });
}

function fromStored(stored: Stored): Dataset {
  return { ...stored, conversational: stored.conversational === 1 };
}

function optional(stored: Stored | undefined): Dataset | undefined {
  return stored && fromStored(stored);
}
