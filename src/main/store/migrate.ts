import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import Sqlite from 'better-sqlite3';
import { InputError } from '../../shared/errors.ts';
import { applicationId, type Connection } from './connection.ts';

/** One step forward of the schema. Once released it never changes; a later one mends it. */
export interface Migration {
  /** Consecutive from 1; the database's `user_version` afterwards. */
  readonly version: number;
  /** Runs inside a transaction with foreign keys unchecked, so that a table can be rebuilt; they are checked at its end. */
  readonly apply: (database: Sqlite.Database) => void;
}

/**
 * Brings the database to the last migration's version: each migration in a transaction of its own, with a copy of the
 * database beside it first (`<file>.version-<from>.<time>.backup`; none for a new one).
 * Processes that open the same old database at once wait for each other; each step runs once.
 * @throws InputError where the database is of a newer version, or there is no room for the copy
 */
export function migrate(connection: Connection, migrations: readonly Migration[]): void {
  migrations.forEach(({ version }, index) => {
    if (version !== index + 1) throw new Error(`migration ${index + 1} has version ${version}`);
  });
  const { database } = connection;
  refuseNewer(connection, migrations.length);
  for (const { version: target } of migrations) {
    if (connection.header().version >= target) continue;
    // Rebuilding a table drops the old one, which would delete every row that points to it.
    database.pragma('foreign_keys = OFF');
    try {
      connection.write(() => {
        const { version, empty } = connection.header();
        if (version >= target) return;
        if (!empty) backUp(connection, version);
        // A new database gets everything at once: nobody could want a copy of a stage in between.
        for (const migration of migrations.slice(version, empty ? undefined : target)) {
          migration.apply(database);
          const [violation] = database.pragma('foreign_key_check') as { table: string }[];
          if (violation) {
            throw new Error(`migration ${migration.version} leaves a broken reference in ${violation.table}`);
          }
          database.pragma(`user_version = ${migration.version}`);
        }
        database.pragma(`application_id = ${applicationId}`);
      });
    } finally {
      database.pragma('foreign_keys = ON');
    }
  }
  // Another process may have carried it further while this one waited.
  refuseNewer(connection, migrations.length);
}

function refuseNewer(connection: Connection, known: number): void {
  const { version } = connection.header();
  if (version <= known) return;
  throw new InputError(
    `was written by a newer Plumbline (database version ${version}, this one knows ${known}); update Plumbline to open it`,
    { file: connection.file },
  );
}

/**
 * Copies the database as it is committed. The caller holds the write lock and has written nothing yet, so the copy is
 * exactly what the migration starts from; a second connection reads it, since VACUUM cannot run inside a transaction.
 */
function backUp(connection: Connection, version: number): void {
  const time = new Date().toISOString().replaceAll(':', '-');
  const backup = `${connection.file}.version-${version}.${time}.backup`;
  // The write lock makes this name ours alone: what lies there was left by a process that was killed.
  const temporary = `${connection.file}.backup.temporary`;
  rmSync(temporary, { force: true });
  try {
    const reader = new Sqlite(connection.file, { readonly: true, timeout: connection.busyTimeout });
    try {
      reader.prepare('VACUUM INTO ?').run(temporary);
    } finally {
      reader.close();
    }
    synchronize(temporary);
    renameSync(temporary, backup);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  // Windows has no handle on a folder; its rename is journalled.
  if (process.platform !== 'win32') synchronize(dirname(backup));
}

function synchronize(path: string): void {
  // Windows flushes only through a handle that may write.
  const handle = openSync(path, process.platform === 'win32' ? 'r+' : 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
