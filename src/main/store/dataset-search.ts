import { InputError } from '../../shared/errors.ts';
import type { DataRow } from '../../shared/preferences.ts';
import { plainRowTexts } from '../../shared/row-texts.ts';
import { sqliteCode, type Connection } from './connection.ts';
import { toRow } from './dataset-rows.ts';

/** Fields of a row that can be searched. */
export type SearchField = 'prompt' | 'chosen' | 'rejected';

const rowsAtOnce = 1000;

/**
 * Full-text search over a dataset's rows (FTS5). The index is made when it is first asked for, since it takes ten times as
 * long as the import itself: one table a dataset, so that it goes at once with it, and without a copy of the texts.
 * `indexed_to` says up to which index rows are in it.
 */
export class DatasetSearch {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Takes the next thousand rows into the index, in one transaction; several processes may do so at once.
   * @returns how many were taken in, or undefined where all were in it already
   */
  indexSome(id: number): number | undefined {
    return this.#connection.write(() => {
      const head = this.#head(id);
      if (!head) throw new InputError('the dataset was removed');
      const page = this.#connection
        .prepare<[number, number, number], { idx: number; json: string }>(
          'SELECT idx, row_json AS json FROM dataset_rows WHERE dataset_id = ? AND idx > ? ORDER BY idx LIMIT ?',
        )
        .all(id, head.to ?? -1, rowsAtOnce);
      if (page.length === 0) return undefined;
      if (head.to === null) {
        this.#connection.database.exec(
          `CREATE VIRTUAL TABLE ${tableName(id)} USING fts5(prompt, chosen, rejected, content = '', contentless_delete = 1)`,
        );
      }
      const insert = this.#connection.prepare<[number, string, string, string]>(insertInto(id));
      for (const { idx, json } of page) insert.run(idx, ...searchTexts(toRow(idx, json)));
      const to = page.at(-1)!.idx;
      this.#connection.prepare('UPDATE datasets SET indexed_to = ? WHERE id = ?').run(to, id);
      return page.length;
    });
  }

  /** How many rows are in the index. */
  indexed(id: number): number {
    return this.#connection
      .prepare<[number], number>(
        `SELECT count(*) FROM dataset_rows JOIN datasets ON datasets.id = dataset_id
         WHERE dataset_id = ? AND idx <= indexed_to`,
      )
      .pluck()
      .get(id)!;
  }

  /**
   * Indices of the rows that hold every word and every "phrase in quotes", best first (BM25); `word*` stands for every
   * word that begins so. Case and accents make no difference.
   * @param limit most indices to give; the total is counted in any case
   * @throws InputError where the query holds no word
   */
  search(
    id: number,
    query: string,
    options: { readonly field?: SearchField | undefined; readonly limit: number },
  ): { readonly indices: number[]; readonly total: number } {
    const match = matchOf(query);
    const expression = options.field === undefined ? match : `${options.field} : (${match})`;
    const table = tableName(id);
    if ((this.#head(id)?.to ?? null) === null) return { indices: [], total: 0 };
    return searching(query, () =>
      this.#connection.read(() => ({
        indices: this.#connection
          .prepare<[string, number], number>(
            `SELECT rowid FROM ${table} WHERE ${table} MATCH ? ORDER BY rank, rowid LIMIT ?`,
          )
          .pluck()
          .all(expression, options.limit),
        total: this.#connection
          .prepare<[string], number>(`SELECT count(*) FROM ${table} WHERE ${table} MATCH ?`)
          .pluck()
          .get(expression)!,
      })),
    );
  }

  /**
   * As `search` over all fields, by ascending index: the next rows behind one (-1: from the first).
   * @throws InputError where the query holds no word
   */
  matchesAfter(id: number, query: string, after: number, limit: number): number[] {
    const match = matchOf(query);
    const table = tableName(id);
    if ((this.#head(id)?.to ?? null) === null) return [];
    return searching(query, () =>
      this.#connection
        .prepare<[string, number, number], number>(
          `SELECT rowid FROM ${table} WHERE ${table} MATCH ? AND rowid > ? ORDER BY rowid LIMIT ?`,
        )
        .pluck()
        .all(match, after, limit),
    );
  }

  #head(id: number): { to: number | null } | undefined {
    return this.#connection
      .prepare<[number], { to: number | null }>(
        `SELECT indexed_to AS "to" FROM datasets WHERE id = ? AND status = 'ready'`,
      )
      .get(id);
  }
}

/** Puts a row's new texts into the index, where the row is in it. The caller holds a write transaction. */
export function reindexRow(connection: Connection, id: number, row: DataRow): void {
  const indexed = connection
    .prepare<[number, number], number>('SELECT 1 FROM datasets WHERE id = ? AND indexed_to >= ?')
    .pluck()
    .get(id, row.index);
  if (indexed === undefined) return;
  connection
    .prepare<[number, string, string, string]>(insertInto(id, 'OR REPLACE'))
    .run(row.index, ...searchTexts(row));
}

/** Removes a dataset's index, if it has one. The caller holds a write transaction. */
export function dropSearchIndex(connection: Connection, id: number): void {
  connection.database.exec(`DROP TABLE IF EXISTS ${tableName(id)}`);
  connection.prepare('UPDATE datasets SET indexed_to = NULL WHERE id = ?').run(id);
}

/** Words and quoted phrases of a query. */
export function searchTerms(query: string): { readonly text: string; readonly prefix: boolean }[] {
  const found = query.matchAll(/"([^"]*)"(\*)?|([^\s"]+)/gu);
  return [...found]
    .map(([, phrase, star, word = '']) => {
      const prefix = phrase === undefined ? word.endsWith('*') : star !== undefined;
      return { text: phrase ?? word.replace(/\*+$/u, ''), prefix };
    })
    .filter(({ text }) => /[\p{L}\p{N}]/u.test(text));
}

/** @throws InputError where the query holds no word */
function matchOf(query: string): string {
  const terms = searchTerms(query);
  if (terms.length === 0) throw new InputError(`nothing to search for in "${query}"`);
  return terms
    .map(({ text, prefix }) => `"${text.replaceAll('"', '""')}"${prefix ? ' *' : ''}`)
    .join(' AND ');
}

function searching<Result>(query: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (sqliteCode(error) !== 'SQLITE_ERROR') throw error;
    throw new InputError(`cannot search for "${query}": ${(error as Error).message}`);
  }
}

function searchTexts(row: DataRow): [string, string, string] {
  const { prompt, chosen, rejected = '' } = plainRowTexts(row);
  return [prompt, chosen, rejected];
}

function tableName(id: number): string {
  return `dataset_search_${id}`;
}

function insertInto(id: number, or = ''): string {
  return `INSERT ${or} INTO ${tableName(id)} (rowid, prompt, chosen, rejected) VALUES (?, ?, ?, ?)`;
}
