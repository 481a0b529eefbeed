import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { listedTables } from '../store/changes.ts';
import { openStore, type Store } from '../store/database.ts';
import type { StoreChange } from '../../shared/contract.ts';
import type { Library } from './library.ts';
import { Watcher } from './watch.ts';

const turn = 250;

describe('looking for what has changed', () => {
  let folder: string;
  let store: Store;
  let watcher: Watcher;
  /** How often each reading of the database was done. */
  let reads: () => { counter: number; lists: number; runs: number; jobs: number };

  beforeEach(() => {
    vi.useFakeTimers();
    folder = mkdtempSync(join(tmpdir(), 'plumbline-watch-'));
    store = openStore(join(folder, 'plumbline.db'));
    const [counter, lists, runs, jobs] = (['counter', 'fingerprint', 'runs', 'atWork'] as const).map((name) =>
      vi.spyOn(store.changes, name),
    );
    reads = () => ({
      counter: counter!.mock.calls.length,
      lists: lists!.mock.calls.length,
      runs: runs!.mock.calls.length,
      jobs: jobs!.mock.calls.length,
    });
    // The watcher reads the store alone.
    watcher = new Watcher({ store } as Library);
  });
  afterEach(() => {
    watcher.close();
    vi.useRealTimers();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is not done while nobody listens', () => {
    vi.advanceTimersByTime(100 * turn);
    expect(reads()).toEqual({ counter: 0, lists: 0, runs: 0, jobs: 0 });
    watcher.watch(() => undefined)();
    const begun = reads();
    vi.advanceTimersByTime(100 * turn);
    expect(reads()).toEqual(begun);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('reads one counter a turn while nothing changes, for any number of listeners', () => {
    const heard: StoreChange[] = [];
    for (let listener = 0; listener < 3; listener += 1) watcher.watch((change) => heard.push(change));
    const tables = listedTables.length;
    expect(reads()).toEqual({ counter: 1, lists: tables, runs: 1, jobs: 1 });
    vi.advanceTimersByTime(100 * turn);
    expect(reads()).toEqual({ counter: 101, lists: tables, runs: 1, jobs: 1 });
    expect(heard).toEqual([]);

    store.projects.add('new');
    vi.advanceTimersByTime(turn);
    expect(heard.map(({ topics }) => topics)).toEqual([['projects'], ['projects'], ['projects']]);
    expect(reads()).toEqual({ counter: 102, lists: 2 * tables, runs: 2, jobs: 2 });
    vi.advanceTimersByTime(10 * turn);
    expect(reads()).toEqual({ counter: 112, lists: 2 * tables, runs: 2, jobs: 2 });
  });
});
