import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import { openStore } from './database.ts';
import type { Migration } from './migrate.ts';
import { migrations } from './migrations/index.ts';
import { sampleComparison, sampleModel, sampleRun, temporaryFolder } from './samples.ts';

let folder: ReturnType<typeof temporaryFolder>;
let file: string;

beforeEach(() => {
  folder = temporaryFolder();
  file = join(folder.path, 'plumbline.db');
});
afterEach(() => folder.remove());

/** A later schema: a new column on a table that others point to, rebuilt as SQLite's documentation prescribes. */
const rebuild: Migration = {
  version: migrations.length + 1,
  apply: (database) =>
    database.exec(`
      CREATE TABLE new_comparisons (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, config_json TEXT NOT NULL,
        base_hash TEXT NOT NULL, data_hash TEXT NOT NULL, status TEXT NOT NULL, verdict_json TEXT, report_path TEXT,
        error TEXT, created_at INTEGER NOT NULL, ended_at INTEGER, note TEXT NOT NULL DEFAULT 'none'
      ) STRICT;
      INSERT INTO new_comparisons SELECT *, 'none' FROM comparisons;
      DROP TABLE comparisons;
      ALTER TABLE new_comparisons RENAME TO comparisons;`),
};

function look<Result>(path: string, work: (database: Sqlite.Database) => Result): Result {
  const database = new Sqlite(path, { readonly: true });
  try {
    return work(database);
  } finally {
    database.close();
  }
}

function backups(): string[] {
  return readdirSync(folder.path).filter((name) => name.endsWith('.backup'));
}

describe('opening', () => {
  it('creates the folder, uses WAL and strict tables, and leaves one file when closed', () => {
    const nested = join(folder.path, 'not', 'yet', 'plumbline.db');
    const store = openStore(nested);
    store.models.add(sampleModel);
    store.close();
    store.close();
    expect(readdirSync(join(folder.path, 'not', 'yet'))).toEqual(['plumbline.db']);
    look(nested, (database) => {
      expect(database.pragma('journal_mode', { simple: true })).toBe('wal');
      const loose = database
        .prepare(
          `SELECT name FROM pragma_table_list WHERE schema = 'main' AND NOT strict AND name NOT LIKE 'sqlite%'`,
        )
        .all();
      expect(loose).toEqual([]);
      expect(database.prepare('SELECT name FROM models').pluck().all()).toEqual([sampleModel.name]);
    });
    expect(backups()).toEqual([]);
  });

  it('refuses a database of a newer version and leaves it as it was', () => {
    const later = openStore(file, { migrations: [...migrations, rebuild] });
    later.comparisons.add(sampleComparison);
    later.close();
    const before = readFileSync(file);
    expect(() => openStore(file)).toThrow(InputError);
    expect(() => openStore(file)).toThrow(
      new RegExp(
        `plumbline\\.db: was written by a newer Plumbline \\(database version ${migrations.length + 1},`,
      ),
    );
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it("refuses another program's database and leaves it as it was", () => {
    const other = new Sqlite(file);
    other.exec('CREATE TABLE notes (content TEXT)');
    other.close();
    const before = readFileSync(file);
    expect(() => openStore(file)).toThrow(/another program/);
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it('names a file that is no database, a damaged one, and a folder in its place', () => {
    writeFileSync(file, 'x'.repeat(8192));
    expect(() => openStore(file)).toThrow(InputError);
    expect(() => openStore(file)).toThrow(/plumbline\.db: is not a database/);

    const damaged = join(folder.path, 'damaged.db');
    openStore(damaged).close();
    const bytes = readFileSync(damaged);
    bytes.fill(0xff, 100, 4096);
    writeFileSync(damaged, bytes);
    expect(() => openStore(damaged)).toThrow(/damaged\.db: is damaged/);

    const inTheWay = join(folder.path, 'folder.db');
    mkdirSync(inTheWay);
    expect(() => openStore(inTheWay)).toThrow(/folder\.db: cannot be opened for writing \(EISDIR\)/);
    expect(() => openStore(join(damaged, 'plumbline.db'))).toThrow(InputError);
  });
});

describe('migration', () => {
  it('carries an earlier version forward, once, with a copy of it beside it', () => {
    const store = openStore(file);
    const comparison = store.comparisons.add(sampleComparison);
    const run = store.runs.add({ ...sampleRun, comparisonId: comparison.id });
    store.metrics.append(run.id, [{ step: 1, loss: NaN, 'logps/chosen': -0 }]);
    store.close();

    for (let opening = 0; opening < 2; opening += 1) {
      const later = openStore(file, { migrations: [...migrations, rebuild] });
      expect(later.comparisons.list()).toEqual([comparison]);
      expect(later.runs.list()).toEqual([run]);
      expect(later.metrics.points(run.id)).toEqual([{ step: 1, loss: NaN, 'logps/chosen': -0 }]);
      // Foreign keys were off during the rebuild and must be on again.
      expect(() => later.runs.add({ ...sampleRun, comparisonId: 999 })).toThrow(/FOREIGN KEY/);
      later.close();
    }
    look(file, (database) => {
      expect(database.pragma('user_version', { simple: true })).toBe(migrations.length + 1);
      expect(database.prepare('SELECT note FROM comparisons').pluck().all()).toEqual(['none']);
    });

    expect(backups()).toHaveLength(1);
    const copy = join(folder.path, 'restored.db');
    copyFileSync(join(folder.path, backups()[0]!), copy);
    const restored = openStore(copy);
    expect(restored.comparisons.list()).toEqual([comparison]);
    expect(restored.metrics.points(run.id)).toEqual([{ step: 1, loss: NaN, 'logps/chosen': -0 }]);
    restored.close();
  });

  it('copies what another process has committed and not yet moved out of the write-ahead log', () => {
    const open = openStore(file);
    open.models.add(sampleModel);
    openStore(file, { migrations: [...migrations, rebuild] }).close();
    open.close();
    look(join(folder.path, backups()[0]!), (database) => {
      expect(database.pragma('user_version', { simple: true })).toBe(migrations.length);
      expect(database.prepare('SELECT name FROM models').pluck().all()).toEqual([sampleModel.name]);
    });
  });

  it('keeps the migrations that succeeded and nothing of the one that failed', () => {
    const store = openStore(file);
    const comparison = store.comparisons.add(sampleComparison);
    store.runs.add({ ...sampleRun, comparisonId: comparison.id });
    store.close();
    const failing: Migration[] = [
      {
        version: migrations.length + 2,
        apply: (database) => database.exec('CREATE TABLE half (a INTEGER) STRICT; SELECT nonsense'),
      },
      // Foreign keys are not checked while a migration runs, so its end must.
      { version: migrations.length + 2, apply: (database) => database.exec('DELETE FROM comparisons') },
    ];
    for (const migration of failing) {
      expect(() => openStore(file, { migrations: [...migrations, rebuild, migration] })).toThrow(
        /nonsense|migration \d+ leaves a broken reference in (runs|jobs)/,
      );
      look(file, (database) => {
        expect(database.pragma('user_version', { simple: true })).toBe(migrations.length + 1);
        expect(database.prepare(`SELECT name FROM sqlite_schema WHERE name = 'half'`).all()).toEqual([]);
        expect(database.prepare('SELECT count(*) FROM comparisons').pluck().get()).toBe(1);
      });
    }
  });

  it('refuses a gap in the numbering', () => {
    expect(() => openStore(file, { migrations: [rebuild] })).toThrow(/migration 1 has version \d/);
  });
});

describe('transactions', () => {
  it('keep several writes together or none', () => {
    const store = openStore(file);
    expect(() =>
      store.transaction(() => {
        store.models.add(sampleModel);
        store.runs.add(sampleRun);
        throw new Error('changed my mind');
      }),
    ).toThrow('changed my mind');
    expect([store.models.list(), store.runs.list()]).toEqual([[], []]);

    store.transaction(() => {
      store.models.add(sampleModel);
      expect(() => store.models.add(sampleModel)).toThrow(InputError);
      store.runs.add(sampleRun);
    });
    expect([store.models.list().length, store.runs.list().length]).toEqual([1, 1]);
    store.close();
  });
});
