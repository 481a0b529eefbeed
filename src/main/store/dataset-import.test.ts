import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import type { DataRow } from '../../shared/preferences.ts';
import { openStore } from './database.ts';
import { sampleDataset, sampleRun, temporaryFolder } from './samples.ts';

let folder: ReturnType<typeof temporaryFolder>;
let file: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = temporaryFolder();
  file = join(folder.path, 'plumbline.db');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  folder.remove();
});

/** Starts a process; `said(n)` waits for its nth line. */
function start(mode: string) {
  const script = fileURLToPath(new URL('./test-importer.ts', import.meta.url));
  const child = spawn(process.execPath, [script, mode, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const said = async (count: number): Promise<void> => {
    for (let line = 0; line < count; line += 1) expect((await lines.next()).done).toBe(false);
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return { child, said, kill };
}

function counts(): Record<string, unknown> {
  const database = new Sqlite(file);
  try {
    const tables = ['datasets', 'dataset_rows'];
    return Object.fromEntries([
      ['integrity', database.pragma('integrity_check', { simple: true })],
      ...tables.map((table) => [table, database.prepare(`SELECT count(*) FROM ${table}`).pluck().get()]),
    ]) as Record<string, unknown>;
  } finally {
    database.close();
  }
}

const row = (index: number): DataRow => ({
  kind: 'preference',
  index,
  prompt: 'p',
  chosen: `c${index}`,
  rejected: 'r',
});

describe('an import in steps', () => {
  it('is seen by nobody until it is published', () => {
    const store = openStore(file);
    const other = openStore(file);
    const id = store.datasets.stage(sampleDataset);
    store.datasets.append(id, [{ row: row(1), sourceSplit: 'test' }, { row: row(0) }]);
    for (const each of [store, other]) {
      expect(each.datasets.list()).toEqual([]);
      expect(each.datasets.find(id)).toBeUndefined();
      expect(each.datasets.findByName('pairs')).toBeUndefined();
      expect([...each.datasets.rows(id)]).toEqual([]);
      expect(each.datasets.abandoned()).toEqual([]);
      expect(each.datasets.remove(id)).toBe(false);
    }
    // The name is still free for whoever is first.
    other.datasets.add(sampleDataset, [row(5)]);
    expect(() => store.datasets.publish(id, { name: 'pairs', hash: 'f' })).toThrow(InputError);
    const named = store.datasets.publish(id, { name: 'pairs', hash: 'f', numbered: true });
    expect(named).toMatchObject({ name: 'pairs-2', rows: 2, answers: 0, revision: 0 });
    expect([...other.datasets.rows(id)]).toEqual([row(0), row(1)]);
    expect(other.datasetRows.entry(id, 1)).toMatchObject({ sourceSplit: 'test', side: null });
    expect(() => store.datasets.append(id, [{ row: row(2) }])).toThrow(/is ready, not staged/);
    other.close();
    store.close();
  });

  it('keeps no part of a bad batch, and nothing once it is discarded', () => {
    const store = openStore(file);
    const id = store.datasets.stage(sampleDataset);
    store.datasets.append(id, [{ row: row(0) }]);
    expect(() => store.datasets.append(id, [{ row: row(1) }, { row: row(0) }])).toThrow(
      'pairs.jsonl, row 0: comes twice',
    );
    expect(counts()).toMatchObject({ dataset_rows: 1 });
    store.datasets.discard(id);
    store.datasets.discard(id);
    expect(counts()).toMatchObject({ datasets: 0, dataset_rows: 0 });
    store.close();
  });
});

describe('a process killed', () => {
  it('while it imports leaves nothing that is seen, and what it left can be cleared away', async () => {
    for (const batches of [1, 3, 9]) {
      const importer = start('import');
      await importer.said(batches);
      await importer.kill();
      const store = openStore(file);
      expect(store.datasets.list()).toEqual([]);
      const [left, ...more] = store.datasets.abandoned();
      expect(more).toEqual([]);
      expect(left).toMatchObject({ what: 'import', source: 'pairs.jsonl' });
      // Whole batches, each that it spoke of among them.
      expect(left!.rows % 500).toBe(0);
      expect(left!.rows).toBeGreaterThanOrEqual(500 * batches);
      store.datasets.discard(left!.id);
      expect(store.datasets.abandoned()).toEqual([]);
      expect(counts()).toEqual({ integrity: 'ok', datasets: 0, dataset_rows: 0 });
      store.close();
    }
  });

  it('while it removes leaves nothing that is seen', async () => {
    const store = openStore(file);
    store.datasets.add(
      sampleDataset,
      Array.from({ length: 40_000 }, (_, index) => row(index)),
    );
    const remover = start('remove');
    await remover.said(1);
    // Until it is gone from sight, the removal has not begun.
    while (store.datasets.list().length > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await remover.kill();
    for (const { id, what } of store.datasets.abandoned()) {
      expect(what).toBe('removal');
      store.datasets.discard(id);
    }
    expect(counts()).toEqual({ integrity: 'ok', datasets: 0, dataset_rows: 0 });
    store.close();
  });
});

describe('an import that another process is at', () => {
  it('is not taken for abandoned', async () => {
    const importer = start('stay');
    await importer.said(1);
    const store = openStore(file);
    expect(counts()).toMatchObject({ datasets: 1, dataset_rows: 1 });
    expect(store.datasets.abandoned()).toEqual([]);
    await importer.kill();
    expect(store.datasets.abandoned()).toHaveLength(1);
    store.close();
  });

  it('lets others write meanwhile', async () => {
    const importer = start('import');
    await importer.said(1);
    const store = openStore(file);
    const run = store.runs.add(sampleRun);
    for (let step = 1; step <= 50; step += 1) store.metrics.append(run.id, [{ step, loss: step }]);
    // It is still at work: what was written was written in between.
    await importer.said(1);
    expect(importer.child.exitCode).toBeNull();
    expect(store.metrics.points(run.id)).toHaveLength(50);
    store.close();
  });
});
