import { existsSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { applicationId } from './connection.ts';
import { migrations } from './migrations/index.ts';

/** What a look at the database file, without changing it, has found. */
export interface DatabaseInspection {
  readonly exists: boolean;
  /** Of the schema; null where it could not be read. */
  readonly version: number | null;
  /** The version that this program writes. */
  readonly knownVersion: number;
  /** What is wrong, one line each; empty for a sound database. */
  readonly problems: readonly string[];
  /** SQLite's own version. */
  readonly sqlite: string | null;
}

/** Problems named at most: one damaged page can break thousands of rows. */
const problemsShown = 20;

/**
 * Runs SQLite's checks of structure and of references over the whole database, reading only, while others may write.
 * @param file path; that there is none yet is no problem
 */
export function inspectDatabase(file: string, busyTimeout = 15_000): DatabaseInspection {
  const knownVersion = migrations.length;
  if (!existsSync(file)) return { exists: false, version: null, knownVersion, problems: [], sqlite: null };
  let database: Sqlite.Database | undefined;
  try {
    database = new Sqlite(file, { readonly: true, timeout: busyTimeout });
    const version = database.pragma('user_version', { simple: true }) as number;
    const application = database.pragma('application_id', { simple: true });
    const sqlite = database.prepare<[], string>('SELECT sqlite_version()').pluck().get() ?? null;
    const found = { exists: true, version, knownVersion, sqlite };
    if (version === 0 && application === 0) return { ...found, problems: [] };
    if (application !== applicationId) return { ...found, problems: ['is a database of another program'] };
    const integrity = database.pragma(`integrity_check(${problemsShown})`) as { integrity_check: string }[];
    const references = database.pragma('foreign_key_check') as {
      table: string;
      rowid: number | null;
      parent: string;
    }[];
    return {
      ...found,
      problems: [
        ...integrity.map((row) => row.integrity_check).filter((line) => line !== 'ok'),
        ...references
          .slice(0, problemsShown)
          .map(({ table, rowid, parent }) => `row ${rowid ?? '?'} of ${table} refers to no row of ${parent}`),
      ],
    };
  } catch (error) {
    if (!(error instanceof Sqlite.SqliteError)) throw error;
    return {
      exists: true,
      version: null,
      knownVersion,
      problems: [`cannot be read: ${error.message} (${error.code})`],
      sqlite: null,
    };
  } finally {
    database?.close();
  }
}
