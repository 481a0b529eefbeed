import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openStore, type Store } from './database.ts';
import { migrations } from './migrations/index.ts';
import { temporaryFolder } from './samples.ts';

let folder: ReturnType<typeof temporaryFolder>;
let store: Store;
beforeEach(() => {
  folder = temporaryFolder();
  store = openStore(join(folder.path, 'store.db'));
});
afterEach(() => {
  vi.useRealTimers();
  store.close();
  folder.remove();
});

/** As JSON ten bytes with its quotes. */
const tenBytes = (letter: string): string => letter.repeat(8);

describe('kept parts of evaluations', () => {
  it('come back as they were, to the last bit, and the last one put counts', () => {
    const { evaluationCache: cache } = store;
    const result = [{ chosen: -0.1 - 0.2, rejected: NaN, other: -0, none: -Infinity }];
    cache.put('a', 'pairs', 'before', 1000);
    cache.put('a', 'pairs', result, 1000);
    expect(cache.get('a')).toEqual(result);
    expect(Object.is((cache.get('a') as typeof result)[0]!.other, -0)).toBe(true);
    expect(cache.get('b')).toBeUndefined();
    expect(cache.size().entries).toBe(1);
  });

  it('take no more room than they may: those not used for longest go', () => {
    const { evaluationCache: cache } = store;
    vi.useFakeTimers();
    const at = (second: number): void => void vi.setSystemTime(second * 1000);
    ['a', 'b', 'c'].forEach((key, place) => {
      at(place);
      cache.put(key, 'answers', tenBytes(key), 30);
    });
    expect(cache.size()).toEqual({ entries: 3, bytes: 30 });
    at(5);
    cache.touch('a');
    cache.put('d', 'answers', tenBytes('d'), 30);
    expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key))).toEqual([
      tenBytes('a'),
      undefined,
      tenBytes('c'),
      tenBytes('d'),
    ]);
    cache.put('large', 'answers', 'x'.repeat(40), 30);
    expect([cache.get('large'), cache.size().entries]).toEqual([undefined, 3]);
    cache.prune(10);
    expect(cache.size()).toEqual({ entries: 1, bytes: 10 });
    cache.prune(0);
    expect(cache.size()).toEqual({ entries: 0, bytes: 0 });
  });

  it('are not given back where they are damaged, or stand under another key', () => {
    const { evaluationCache: cache } = store;
    for (const key of ['a', 'b', 'c']) cache.put(key, 'pairs', { correct: 1, of: key }, 1000);
    const raw = new Sqlite(store.file);
    raw.exec(`UPDATE evaluation_cache SET result_json = replace(result_json, '1', '2') WHERE key = 'a'`);
    raw.exec(`UPDATE evaluation_cache SET key = 'd' WHERE key = 'c'`);
    raw.close();
    expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key))).toEqual([
      undefined,
      { correct: 1, of: 'b' },
      undefined,
      undefined,
    ]);
    expect([...cache.damaged()]).toEqual([
      { key: 'a', part: 'pairs' },
      { key: 'd', part: 'pairs' },
    ]);
    cache.put('a', 'pairs', 'anew', 1000);
    expect(cache.get('a')).toBe('anew');
  });
});

describe('evaluations', () => {
  it('of an earlier version come forward as computed; others say which parts were known', () => {
    const file = join(folder.path, 'earlier.db');
    const earlier = new Sqlite(file);
    for (const { apply } of migrations.slice(0, 7)) apply(earlier);
    earlier.pragma('user_version = 7');
    earlier.pragma(`application_id = ${0x504c4d42}`);
    earlier.exec(
      `INSERT INTO evaluations (base_hash, data_hash, step, result_json, created_at) VALUES ('b', 'd', 0, '{"pairs":3}', 1)`,
    );
    earlier.close();
    const opened = openStore(file);
    opened.evaluations.add({
      runId: null,
      baseHash: 'b',
      dataHash: 'd',
      step: 0,
      result: 4,
      cached: ['pairs'],
    });
    opened.evaluations.add({ runId: null, baseHash: 'b', dataHash: 'd', step: 0, result: 5, cached: [] });
    const found = opened.evaluations.listOfBase('b', 'd');
    expect(found.map(({ result, cached }) => [result, cached])).toEqual([
      [{ pairs: 3 }, undefined],
      [4, ['pairs']],
      [5, undefined],
    ]);
    opened.close();
  });
});
