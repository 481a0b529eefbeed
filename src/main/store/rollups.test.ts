import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from './database.ts';
import { migrations } from './migrations/index.ts';
import type { DecimateOptions, MetricBucket } from './rollups.ts';
import { sampleRun, temporaryFolder } from './samples.ts';

let folder: ReturnType<typeof temporaryFolder>;
let store: Store;

beforeEach(() => {
  folder = temporaryFolder();
  store = openStore(join(folder.path, 'plumbline.db'));
});
afterEach(() => {
  store.close();
  folder.remove();
});

/** Park and Miller's generator, so that a failure comes again. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

/** What a bucket must say of the values at its steps. */
function summary(points: readonly (readonly [step: number, value: number])[]) {
  const values = points.map(([, value]) => value);
  const finite = values.filter(Number.isFinite);
  const none = finite.length === 0;
  return {
    firstStep: points[0]![0],
    lastStep: points.at(-1)![0],
    points: points.length,
    min: none ? NaN : Math.min(...finite),
    max: none ? NaN : Math.max(...finite),
    last: values.at(-1)!,
    finite: finite.length === values.length,
    mean: none ? NaN : finite.reduce((sum, value) => sum + value, 0) / finite.length,
  };
}

/** Every value asked for lies in exactly one bucket, in order, and every bucket says what holds of its own. */
function check(buckets: readonly MetricBucket[], all: ReadonlyMap<number, number>, options: DecimateOptions) {
  const { from = -Infinity, to = Infinity, points } = options;
  const asked = [...all].filter(([step]) => step >= from && step <= to).sort(([a], [b]) => a - b);
  expect(buckets.length).toBeLessThanOrEqual(points);
  let place = 0;
  const expected = buckets.map(({ points: count, mean }) => {
    const own = summary(asked.slice(place, place + count));
    place += count;
    // The order of adding moves the last bits.
    const near = Math.abs(mean - own.mean) <= 1e-12 * Math.max(1, Math.abs(own.mean));
    return near ? { ...own, mean } : own;
  });
  expect(place).toBe(asked.length);
  expect(buckets).toEqual(expected);
}

describe('decimated series', () => {
  it('equal what the values themselves say, for random data written in any order and rewritten', () => {
    for (let round = 0; round < 6; round += 1) {
      const random = randomNumbers(round + 1);
      const run = store.runs.add(sampleRun).id;
      const stride = [1, 1, 3, 50, 1, 700][round]!;
      const count = [40, 4000, 2000, 400, 9000, 1500][round]!;
      const all = new Map<number, number>();
      const value = (): number => {
        const kind = random();
        if (kind < 0.002) return NaN;
        if (kind < 0.003) return Infinity;
        if (kind < 0.004) return -Infinity;
        return kind < 0.01 ? 1e9 * random() : 2 * random() - 1;
      };
      const write = (steps: readonly number[]): void => {
        const points = steps.map((step) => ({ step, loss: value() }));
        for (const { step, loss } of points) all.set(step, loss);
        store.metrics.append(run, points);
      };
      const steps = Array.from({ length: count }, (_, place) => stride * place + (round % 2));
      for (let place = 0; place < count;) {
        const size = 1 + Math.floor(random() * 400);
        write(steps.slice(place, place + size));
        place += size;
        // As after a resume: the last steps again, with other values.
        if (random() < 0.3) write(steps.slice(Math.max(0, place - 150), Math.max(0, place - 20)));
      }
      write([...steps].filter(() => random() < 0.01).reverse());
      if (round > 2) {
        // As when a run goes on from an earlier checkpoint.
        const kept = steps[Math.floor(count * (0.5 + 0.4 * random()))]!;
        store.metrics.truncateAfter(run, kept);
        for (const step of steps) if (step > kept) all.delete(step);
        check(store.metrics.decimated(run, 'loss', { points: 9 }), all, { points: 9 });
        write(steps.filter((step) => step > kept + 5 * stride));
      }
      const last = steps.at(-1)!;
      for (const points of [1, 2, 7, 100, 1000, 1_000_000]) {
        check(store.metrics.decimated(run, 'loss', { points }), all, { points });
        const from = Math.floor(random() * last);
        const to = from + Math.floor(random() * (last - from));
        for (const options of [
          { from, to, points },
          { from, points },
          { to, points },
        ])
          check(store.metrics.decimated(run, 'loss', options), all, options);
      }
    }
  });

  it('give every value of a short series as it is', () => {
    const run = store.runs.add(sampleRun).id;
    const values = [0.5, NaN, -0, Infinity, 3];
    store.metrics.append(
      run,
      values.map((loss, place) => ({ step: place + 1, loss })),
    );
    const buckets = store.metrics.decimated(run, 'loss', { points: 5 });
    expect(buckets.map(({ last }) => last)).toEqual(values);
    expect(buckets.map(({ finite }) => finite)).toEqual([true, false, true, false, true]);
  });

  it('are empty where there is nothing, and know other runs and metrics apart', () => {
    const [one, other] = [store.runs.add(sampleRun).id, store.runs.add(sampleRun).id];
    store.metrics.append(one, [{ step: 1, loss: 1, grad_norm: 5 }]);
    store.metrics.append(other, [{ step: 1, loss: 2 }]);
    expect(store.metrics.decimated(one, 'nothing', { points: 10 })).toEqual([]);
    expect(store.metrics.decimated(other, 'grad_norm', { points: 10 })).toEqual([]);
    expect(store.metrics.decimated(one, 'loss', { from: 2, points: 10 })).toEqual([]);
    expect(store.metrics.decimated(other, 'loss', { points: 10 })).toMatchObject([{ min: 2, max: 2 }]);
    store.runs.remove(other);
    expect(store.metrics.decimated(other, 'loss', { points: 10 })).toEqual([]);
  });

  it('are made for what an earlier version has kept', () => {
    const file = join(folder.path, 'earlier.db');
    const earlier = new Sqlite(file);
    for (const { apply } of migrations.slice(0, 3)) apply(earlier);
    earlier.pragma('user_version = 3');
    earlier.pragma(`application_id = ${0x504c4d42}`);
    earlier.exec(`INSERT INTO runs (loss, seed, order_seed, learning_rate, config_json, base_hash, data_hash, status, created_at)
      VALUES ('dpo', 0, 0, 1, '{}', 'b', 'd', 'finished', 0);
      INSERT INTO metric_names (name) VALUES ('loss')`);
    const insert = earlier.prepare('INSERT INTO metrics VALUES (1, 1, ?, ?)');
    const random = randomNumbers(9);
    const all = new Map<number, number>();
    earlier.exec('BEGIN');
    for (let step = 1; step <= 3000; step += 1) {
      const value = random() < 0.01 ? NaN : random();
      all.set(step, value);
      insert.run(step, value);
    }
    earlier.exec('COMMIT');
    earlier.close();
    const carried = openStore(file);
    for (const points of [1, 20, 150])
      check(carried.metrics.decimated(1, 'loss', { points }), all, { points });
    const rows = (path: string): unknown[] => {
      const database = new Sqlite(path, { readonly: true });
      const all = database
        .prepare(
          'SELECT level, bucket, first_step, last_step, points, finite_points, minimum, maximum, last_value FROM metric_rollups WHERE (bucket + 1) * (16 << (2 * level)) - 1 <= 3000 ORDER BY level, bucket',
        )
        .all();
      database.close();
      return all;
    };
    carried.close();
    const fresh = store.runs.add(sampleRun).id;
    store.metrics.append(
      fresh,
      [...all].map(([step, loss]) => ({ step, loss })),
    );
    expect(rows(file)).toEqual(rows(store.file));
  });
});
