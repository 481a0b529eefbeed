import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from './database.ts';
import { migrations } from './migrations/index.ts';
import type { MetricPoint } from './metrics.ts';
import { sampleRun, temporaryFolder } from './samples.ts';

let folder: ReturnType<typeof temporaryFolder>;
let store: Store;
let run: number;

beforeEach(() => {
  folder = temporaryFolder();
  store = openStore(join(folder.path, 'plumbline.db'));
  run = store.runs.add(sampleRun).id;
});
afterEach(() => {
  store.close();
  folder.remove();
});

/** A small generator of its own (mulberry32), so that a failure can be repeated. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function randomValue(next: () => number): number {
  const kind = next();
  if (kind < 0.02) return NaN;
  if (kind < 0.03) return Infinity;
  if (kind < 0.04) return -Infinity;
  if (kind < 0.05) return (next() - 0.5) * 1e30;
  return next() * 4 - 2;
}

/** Checks `decimated` against the points themselves. */
function expectRight(truth: ReadonlyMap<number, number>, from: number, to: number, points: number): void {
  const buckets = store.metrics.decimated(run, 'loss', { from, to, points });
  const steps = [...truth.keys()].filter((step) => step >= from && step <= to).sort((a, b) => a - b);
  expect(buckets.length).toBeLessThanOrEqual(points);
  let place = 0;
  for (const bucket of buckets) {
    const values: number[] = [];
    expect(bucket.from).toBe(steps[place]);
    while (place < steps.length && steps[place]! <= bucket.to) values.push(truth.get(steps[place++]!)!);
    expect(bucket.to).toBe(steps[place - 1]);
    const finite = values.filter(Number.isFinite);
    expect(bucket).toMatchObject({
      finite: finite.length,
      min: finite.length === 0 ? NaN : Math.min(...finite),
      max: finite.length === 0 ? NaN : Math.max(...finite),
      last: values.at(-1),
      nans: values.filter(Number.isNaN).length,
      positiveInfinities: values.filter((value) => value === Infinity).length,
      negativeInfinities: values.filter((value) => value === -Infinity).length,
    });
    if (finite.length === 0) expect(bucket.mean).toBeNaN();
    else {
      const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length;
      const size = Math.max(...finite.map(Math.abs));
      expect(Math.abs(bucket.mean - mean)).toBeLessThanOrEqual(1e-12 * size);
    }
  }
  // Every point is in a bucket.
  expect(place).toBe(steps.length);
}

/** A bucket's row exists exactly where it holds a point and is complete. */
function expectRowsAsPromised(truth: ReadonlyMap<number, number>): void {
  const last = Math.max(...truth.keys());
  const expected: string[] = [];
  for (let level = 1, width = 8; width <= last + 1; level += 1, width *= 8) {
    const held = new Set([...truth.keys()].map((step) => Math.floor(step / width)));
    for (const bucket of [...held].sort((a, b) => a - b)) {
      if ((bucket + 1) * width <= last + 1) expected.push(`${level}:${bucket}`);
    }
  }
  const database = new Sqlite(store.file, { readonly: true });
  const rows = database
    .prepare(
      `SELECT level || ':' || bucket FROM metric_rollups JOIN metric_names ON metric_names.id = metric_id
       WHERE run_id = ? AND name = 'loss' ORDER BY level, bucket`,
    )
    .pluck()
    .all(run);
  database.close();
  expect(rows).toEqual(expected);
}

describe('a decimated metric', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'is that of the points, whatever was written in which order (seed %i)',
    (seed) => {
      const next = numbers(seed);
      const truth = new Map<number, number>();
      const stride = seed === 3 ? 100 : seed === 4 ? 7 : 1;
      let step = seed % 2;
      for (let round = 0; round < 60; round += 1) {
        const kind = next();
        if (kind < 0.1 && step > 0) {
          // A resume: everything after some step goes.
          step = Math.floor((next() * step) / stride) * stride + (seed % 2);
          store.metrics.truncateAfter(run, step - 1);
          for (const each of [...truth.keys()]) if (each >= step) truth.delete(each);
        } else if (kind < 0.25 && truth.size > 0) {
          // Steps written again, in no order.
          const known = [...truth.keys()];
          const points = Array.from({ length: 5 }, (): MetricPoint => {
            return { step: known[Math.floor(next() * known.length)]!, loss: randomValue(next) };
          });
          for (const point of points) truth.set(point.step, point['loss']!);
          store.metrics.append(run, points);
        } else {
          const points: MetricPoint[] = [];
          for (let count = Math.ceil(next() * 150); count > 0; count -= 1) {
            // Now and then a step has no value.
            if (next() < 0.9) points.push({ step, loss: randomValue(next), other: 1 });
            step += stride;
          }
          for (const point of points) truth.set(point.step, point['loss']!);
          store.metrics.append(run, points);
        }
        if (truth.size === 0) continue;
        const end = Math.max(...truth.keys());
        expectRight(truth, 0, end, Math.ceil(next() * 80));
        const from = Math.floor(next() * end);
        expectRight(truth, from, from + Math.floor(next() * (end - from)), Math.ceil(next() * 80));
      }
      expectRowsAsPromised(truth);
      const { steps, values } = store.metrics.series(run, 'loss');
      expect(new Map(steps.map((each, place) => [each, values[place]]))).toEqual(
        new Map([...truth].sort(([a], [b]) => a - b)),
      );
    },
  );

  it('shows each value by itself where there are few, and only the steps asked for', () => {
    store.metrics.append(run, [
      { step: 0, loss: 3 },
      { step: 1, loss: 1 },
      { step: 500_000, loss: -0 },
      { step: 999_999, loss: Infinity },
    ]);
    const all = store.metrics.decimated(run, 'loss', { points: 4 });
    expect(all.map(({ from, to, last }) => [from, to, last])).toEqual([
      [0, 0, 3],
      [1, 1, 1],
      [500_000, 500_000, -0],
      [999_999, 999_999, Infinity],
    ]);
    expect(store.metrics.decimated(run, 'loss', { points: 1 })).toMatchObject([
      { from: 0, to: 999_999, min: 0, max: 3, finite: 3, positiveInfinities: 1 },
    ]);
    expect(store.metrics.decimated(run, 'loss', { from: 2, to: 499_999, points: 9 })).toEqual([]);
    expect(store.metrics.decimated(run, 'no such metric', { points: 9 })).toEqual([]);
    expect(store.metrics.decimated(run + 1, 'loss', { points: 9 })).toEqual([]);
  });

  it('goes with its run', () => {
    store.metrics.append(
      run,
      Array.from({ length: 100 }, (_, step) => ({ step, loss: step })),
    );
    store.runs.remove(run);
    const database = new Sqlite(store.file, { readonly: true });
    expect(database.prepare('SELECT count(*) FROM metric_rollups').pluck().get()).toBe(0);
    database.close();
  });

  it('is there for runs of an earlier version as well', () => {
    store.close();
    const next = numbers(9);
    const file = join(folder.path, 'earlier.db');
    const earlier = new Sqlite(file);
    for (const migration of migrations.slice(0, 3)) migration.apply(earlier);
    earlier.pragma('user_version = 3');
    earlier.pragma(`application_id = ${0x504c4d42}`);
    earlier.exec(`INSERT INTO runs (loss, seed, order_seed, learning_rate, config_json, base_hash, data_hash, status,
        created_at) VALUES ('dpo', 0, 0, 1e-6, '{}', 'b', 'd', 'finished', 0);
      INSERT INTO metric_names (name) VALUES ('loss')`);
    const insert = earlier.prepare(
      'INSERT INTO metrics (run_id, metric_id, step, value) VALUES (1, 1, ?, ?)',
    );
    const truth = new Map(Array.from({ length: 5000 }, (_, step) => [step + 3, randomValue(next)]));
    earlier.transaction(() => truth.forEach((value, step) => insert.run(step, value)))();
    earlier.close();
    store = openStore(file);
    run = 1;
    expectRowsAsPromised(truth);
    for (const points of [1, 7, 100, 1000]) expectRight(truth, 0, 6000, points);
    expectRight(truth, 100, 4321, 37);
  });
});
