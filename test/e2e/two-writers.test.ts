import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { DoctorResult, ListDataResult } from '../../src/shared/contract.ts';
import { applicationId } from '../../src/main/store/connection.ts';
import { inspectDatabase } from '../../src/main/store/inspect.ts';
import { migrations } from '../../src/main/store/migrations/index.ts';
import { plumbline, scratchFolder, sums, writeLines } from './support.ts';

/** Several processes on one home, as the app and the command line are: nobody ever hears that the database is locked. */
const { path: folder, remove } = scratchFolder();
const at = (name: string): string => join(folder, name);
const entry = fileURLToPath(new URL('../../bin/plumbline.mjs', import.meta.url));
const writerFile = fileURLToPath(new URL('./writer.ts', import.meta.url));
const children = new Set<ReturnType<typeof spawn>>();
afterEach(() => children.forEach((child) => child.kill('SIGKILL')));
afterAll(remove);

function start(args: readonly string[]) {
  const child = spawn(process.execPath, [...args], { stdio: 'pipe' });
  children.add(child);
  let [out, err] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (err += data.toString()));
  const closed = once(child, 'close');
  const end = async () => {
    const [code] = (await closed) as [number | null];
    children.delete(child);
    return { code, out, err };
  };
  return { child, end };
}

/** Works in the background until `stop`, which says how often it has done so. */
function background(home: string, mode: 'metrics' | 'short' | 'read') {
  const { child, end } = start([writerFile, home, mode]);
  return {
    stop: async (): Promise<number> => {
      child.stdin.end();
      const { code, out, err } = await end();
      expect([code, err]).toEqual([0, '']);
      return Number(out.trim().split('\n').at(-1));
    },
  };
}

describe('processes on one database', () => {
  it('never see it locked, with metrics written without pause, imports, and others that come and go', async () => {
    const home = at('home');
    writeLines(at('pairs.jsonl'), sums(15_000));
    expect((await plumbline(home, ['models', 'list'])).code).toBe(0);
    const workers = [
      background(home, 'metrics'),
      background(home, 'metrics'),
      background(home, 'short'),
      background(home, 'read'),
    ];
    const commands = [
      ['data', 'add', at('pairs.jsonl'), '--name', 'first'],
      ['settings', 'set', 'runsAtOnce', '2'],
      ['runs', 'list'],
      ['data', 'list'],
      ['projects', 'add', 'in between'],
    ];
    for (const args of commands) {
      const { code, err } = await start([entry, ...args, '--home', home, '--quiet']).end();
      expect([args, code, err]).toEqual([args, 0, '']);
    }
    const doctor = await start([entry, 'doctor', '--json', '--home', home]).end();
    expect((JSON.parse(doctor.out) as DoctorResult).findings).toEqual([]);
    for (const worker of workers) expect(await worker.stop()).toBeGreaterThan(0);
    const list = (await plumbline(home, ['data', 'list', '--json'])).json<ListDataResult>();
    expect(list.datasets).toMatchObject([{ name: 'first', rows: 15_000 }]);
    expect(inspectDatabase(join(home, 'plumbline.db')).problems).toEqual([]);
  });

  it('wait while one of them brings an old database to this version', async () => {
    const home = at('old home');
    const file = join(home, 'plumbline.db');
    expect((await plumbline(home, ['--version'])).code).toBe(0);
    expect((await plumbline(home, ['doctor'])).code).toBe(0);
    const old = new Sqlite(file);
    old.pragma('journal_mode = WAL');
    for (const migration of migrations.slice(0, 2)) migration.apply(old);
    old.pragma('user_version = 2');
    old.pragma(`application_id = ${applicationId}`);
    old.exec(`INSERT INTO runs (loss, seed, order_seed, learning_rate, config_json, base_hash, data_hash, status, created_at)
        VALUES ('dpo', 0, 0, 1e-6, '{}', 'b', 'd', 'finished', 0);
      INSERT INTO metric_names (name) VALUES ('loss');
      WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 300000)
        INSERT INTO metrics SELECT 1, 1, n, n / 2.0 FROM counter`);
    // One that has it open, as an app of the version before would.
    const before = old.prepare('SELECT count(*) FROM metrics').pluck();
    expect(before.get()).toBe(300_000);
    const openings = Array.from({ length: 4 }, () =>
      start([entry, 'runs', 'list', '--json', '--home', home]),
    );
    for (const { end } of openings) {
      const { code, out, err } = await end();
      expect([code, err]).toEqual([0, '']);
      expect((JSON.parse(out) as { runs: unknown[] }).runs).toHaveLength(1);
    }
    expect(before.get()).toBe(300_000);
    old.close();
    expect(inspectDatabase(file)).toMatchObject({ version: migrations.length, problems: [] });
    // Each step once, with its copy.
    expect(readdirSync(home).filter((name) => name.endsWith('.backup'))).toHaveLength(migrations.length - 2);
  });
});
