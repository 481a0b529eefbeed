import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from '../database.ts';
import { sampleRun, temporaryFolder } from '../samples.ts';
import { migrations } from './index.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

describe.each([1, 2, 3, 4])('a database of version %i', (version) => {
  it('comes forward with its runs, none of which is a stage', () => {
    const file = join(folder.path, 'earlier.db');
    const earlier = new Sqlite(file);
    for (const { apply } of migrations.slice(0, version)) apply(earlier);
    earlier.pragma(`user_version = ${version}`);
    earlier.pragma(`application_id = ${0x504c4d42}`);
    earlier.exec(
      `INSERT INTO runs (loss, seed, order_seed, learning_rate, beta, config_json, base_hash, data_hash, status, created_at)
       VALUES ('dpo', 3, 3, 1e-5, 0.1, '{"rank":8}', 'base', 'data', 'finished', 7),
         ('sft', 3, 3, 1e-4, NULL, '{}', 'base', 'data', 'failed', 8)`,
    );
    earlier.close();

    const store = openStore(file);
    expect(store.runs.list()).toMatchObject([
      { id: 1, loss: 'dpo', beta: 0.1, config: { rank: 8 }, status: 'finished', role: 'run' },
      { id: 2, loss: 'sft', beta: null, status: 'failed', role: 'run' },
    ]);
    expect(store.runList.list().map((run) => 'role' in run)).toEqual([false, false]);

    const stage = store.runs.add({ ...sampleRun, role: 'stage' });
    const run = store.runs.add(sampleRun);
    store.close();
    const again = openStore(file);
    expect([again.runs.get(stage.id), again.runs.get(run.id)]).toMatchObject([
      { role: 'stage' },
      { role: 'run' },
    ]);
    expect(again.runList.of([stage.id, run.id]).map(({ role }) => role)).toEqual(['stage', undefined]);
    again.close();
    const raw = new Sqlite(file);
    expect(() => raw.exec("UPDATE runs SET role = 'judge'")).toThrow(/CHECK/);
    raw.close();
  });
});
