import type { Statement } from 'better-sqlite3';
import { InputError } from '../../shared/errors.ts';
import type { DataRow } from '../../shared/preferences.ts';
import { sqliteCode, type Connection } from './connection.ts';

/** A dataset as it is imported. */
export interface NewDataset {
  readonly name: string;
  /** SHA-256 over the rows. */
  readonly hash: string;
  /** The file it was imported from. */
  readonly source: string;
  /** The `kind` of every row. */
  readonly format: DataRow['kind'];
  /** Whether its texts are chat messages. */
  readonly conversational: boolean;
}

export interface Dataset extends NewDataset {
  readonly id: number;
  /** Number of rows. */
  readonly rows: number;
  /** Milliseconds since 1970. */
  readonly addedAt: number;
}

type Stored = Omit<Dataset, 'conversational'> & { readonly conversational: 0 | 1 };
interface StoredRow {
  readonly idx: number;
  readonly json: string;
}

const columns = `id, name, hash, source, format, conversational, row_count AS "rows", added_at AS addedAt`;
const rowsAtOnce = 256;

/** Imported datasets and their rows. */
export class Datasets {
  readonly #connection: Connection;
  readonly #insert: Statement<[string, string, string, string, 0 | 1, number], { id: number }>;
  readonly #insertRow: Statement<[number, number, string]>;
  readonly #setCount: Statement<[number, number], Stored>;
  readonly #all: Statement<[], Stored>;
  readonly #byName: Statement<[string], Stored>;
  readonly #byHash: Statement<[string], Stored>;
  readonly #rowsAfter: Statement<[number, number, number], StoredRow>;
  readonly #row: Statement<[number, number], StoredRow>;
  readonly #delete: Statement<[number]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insert = connection.prepare(
      `INSERT INTO datasets (name, hash, source, format, conversational, row_count, added_at)
       VALUES (?, ?, ?, ?, ?, 0, ?) RETURNING id`,
    );
    this.#insertRow = connection.prepare(
      'INSERT INTO dataset_rows (dataset_id, idx, row_json) VALUES (?, ?, ?)',
    );
    this.#setCount = connection.prepare(
      `UPDATE datasets SET row_count = ? WHERE id = ? RETURNING ${columns}`,
    );
    this.#all = connection.prepare(`SELECT ${columns} FROM datasets ORDER BY id`);
    this.#byName = connection.prepare(`SELECT ${columns} FROM datasets WHERE name = ?`);
    this.#byHash = connection.prepare(`SELECT ${columns} FROM datasets WHERE hash = ? ORDER BY id LIMIT 1`);
    this.#rowsAfter = connection.prepare(
      `SELECT idx, row_json AS json FROM dataset_rows WHERE dataset_id = ? AND idx > ? ORDER BY idx LIMIT ?`,
    );
    this.#row = connection.prepare(
      'SELECT idx, row_json AS json FROM dataset_rows WHERE dataset_id = ? AND idx = ?',
    );
    this.#delete = connection.prepare('DELETE FROM datasets WHERE id = ?');
  }

  /**
   * Records a dataset with all its rows in one transaction: where a row fails, or `rows` throws, nothing is kept.
   * @throws InputError where the name is taken, a row's kind differs from the format, or an index comes twice
   */
  add(dataset: NewDataset, rows: Iterable<DataRow>): Dataset {
    return this.#connection.write(() => {
      const id = this.#addHeader(dataset);
      let count = 0;
      for (const row of rows) {
        this.#addRow(id, dataset, row);
        count += 1;
      }
      return fromStored(this.#setCount.get(count, id)!);
    });
  }

  /** Every dataset, oldest first. */
  list(): Dataset[] {
    return this.#all.all().map(fromStored);
  }

  findByName(name: string): Dataset | undefined {
    return optional(this.#byName.get(name));
  }

  /** The oldest dataset with this content. */
  findByHash(hash: string): Dataset | undefined {
    return optional(this.#byHash.get(hash));
  }

  /** The rows by ascending index, read a few hundred at a time; writing meanwhile is allowed. */
  *rows(id: number): Generator<DataRow, void, undefined> {
    let last = -1;
    for (;;) {
      const page = this.#rowsAfter.all(id, last, rowsAtOnce);
      for (const stored of page) yield toRow(stored);
      if (page.length < rowsAtOnce) return;
      last = page.at(-1)!.idx;
    }
  }

  /** The row whose `index` this is. */
  row(id: number, index: number): DataRow | undefined {
    const stored = this.#row.get(id, index);
    return stored && toRow(stored);
  }

  /** Removes a dataset and its rows. False where there was none. */
  remove(id: number): boolean {
    return this.#connection.write(() => this.#delete.run(id).changes > 0);
  }

  #addHeader({ name, hash, source, format, conversational }: NewDataset): number {
    try {
      return this.#insert.get(name, hash, source, format, conversational ? 1 : 0, Date.now())!.id;
    } catch (error) {
      if (sqliteCode(error) !== 'SQLITE_CONSTRAINT_UNIQUE') throw error;
      throw new InputError(`a dataset named ${name} exists already`);
    }
  }

  #addRow(id: number, { source, format }: NewDataset, row: DataRow): void {
    const place = { file: source, row: row.index };
    if (row.kind !== format) {
      throw new InputError(`is a ${row.kind} row in a ${format} dataset`, place);
    }
    try {
      this.#insertRow.run(id, row.index, JSON.stringify({ ...row, index: undefined }));
    } catch (error) {
      if (sqliteCode(error) !== 'SQLITE_CONSTRAINT_PRIMARYKEY') throw error;
      throw new InputError('comes twice', place);
    }
  }
}

function fromStored(stored: Stored): Dataset {
  return { ...stored, conversational: stored.conversational === 1 };
}

function optional(stored: Stored | undefined): Dataset | undefined {
  return stored && fromStored(stored);
}

function toRow({ idx, json }: StoredRow): DataRow {
  return { ...(JSON.parse(json) as Omit<DataRow, 'index'>), index: idx } as DataRow;
}
