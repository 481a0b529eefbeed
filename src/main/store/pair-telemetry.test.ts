import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PairStep } from '../../shared/pair-telemetry.ts';
import { openStore, type Store } from './database.ts';
import { packPairs, stepsOfPairs, unpackPairs } from './pair-blocks.ts';
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

/** A step of so many pairs, whose numbers tell step, place and writing apart. */
function step(number: number, pairs = 3, written = 0): PairStep {
  const values = (sign: number): Float32Array =>
    Float32Array.from({ length: pairs }, (_, place) => sign * (number + place / 16 + written));
  return {
    step: number,
    rows: Uint32Array.from({ length: pairs }, (_, place) => 10 * number + place),
    c: values(1),
    r: values(-1),
  };
}
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, place) => from + place);
const kept = (from?: number, to?: number): PairStep[] => [
  ...store.pairTelemetry.steps(run, 'train', from, to),
];
const blocks = (): { first_step: number; last_step: number; pairs: number }[] => {
  const raw = new Sqlite(store.file);
  const rows = raw
    .prepare('SELECT first_step, last_step, pairs FROM pair_telemetry ORDER BY first_step')
    .all();
  raw.close();
  return rows as ReturnType<typeof blocks>;
};

describe('columns of pairs', () => {
  it('come back bit for bit, also from an odd place in memory', () => {
    const columns = {
      steps: Uint32Array.of(1, 1, 4_294_967_295),
      rows: Uint32Array.of(0, 7, 4_294_967_295),
      c: Float32Array.of(-0, Infinity, 1e-45),
      r: Float32Array.of(NaN, -Infinity, 3.4028234663852886e38),
    };
    const data = packPairs(columns);
    expect(data).toHaveLength(48);
    // Column by column, little-endian.
    expect(data.readUInt32LE(12 + 4)).toBe(7);
    expect(data.readUInt32LE(8)).toBe(4_294_967_295);
    expect(data.readFloatLE(24 + 8)).toBe(Math.fround(1e-45));
    const odd = Buffer.concat([Buffer.of(1), data]).subarray(1);
    expect(unpackPairs(odd)).toEqual(columns);
    expect(Object.is(unpackPairs(odd).c[0], -0)).toBe(true);
    expect(stepsOfPairs(columns).map(({ step: at, rows }) => [at, [...rows]])).toEqual([
      [1, [0, 7]],
      [4_294_967_295, [4_294_967_295]],
    ]);
    expect(() => unpackPairs(data.subarray(1))).toThrow(RangeError);
  });
});

describe('pairs of a run', () => {
  it('come back step by step, whatever pieces they were written in', () => {
    store.pairTelemetry.append(run, 'train', [step(1), step(2)]);
    store.pairTelemetry.append(run, 'train', [step(3)]);
    store.pairTelemetry.append(run, 'train', []);
    store.pairTelemetry.append(run, 'eval', [step(0, 2)]);
    const { file } = store;
    store.close();
    store = openStore(file);
    expect(kept()).toEqual([step(1), step(2), step(3)]);
    expect(kept(2, 2)).toEqual([step(2)]);
    expect(kept(4)).toEqual([]);
    expect([...store.pairTelemetry.steps(run, 'eval')]).toEqual([step(0, 2)]);
    expect(store.pairTelemetry.bounds(run, 'train')).toEqual({ first: 1, last: 3 });
    expect(store.pairTelemetry.bounds(run + 1, 'train')).toBeUndefined();
    expect(store.pairTelemetry.bytes(run, 'train')).toBe(9 * 16);
    expect(blocks().filter(({ first_step }) => first_step > 0)).toEqual([
      { first_step: 1, last_step: 3, pairs: 9 },
    ]);
  });

  it('lie in blocks of a bounded size that never cut a step', () => {
    for (const at of range(1, 300)) store.pairTelemetry.append(run, 'train', [step(at, 100)]);
    expect(kept()).toEqual(range(1, 300).map((at) => step(at, 100)));
    const all = blocks();
    expect(all).toHaveLength(Math.ceil(300 / 41));
    for (const { first_step, last_step, pairs } of all) {
      expect(pairs).toBe(100 * (last_step - first_step + 1));
      expect(pairs).toBeLessThan(4096 + 100);
    }
    store.pairTelemetry.append(run, 'train', [step(301, 9000)]);
    expect(kept(301)).toEqual([step(301, 9000)]);
    expect([...store.pairTelemetry.damaged()]).toEqual([]);
  });

  it('are replaced where steps are written again, and only there', () => {
    store.pairTelemetry.append(
      run,
      'train',
      range(1, 200).map((at) => step(at, 100)),
    );
    // As after a kill: from a checkpoint in the middle on, in pieces that fit no block.
    for (const from of [50, 57, 99])
      store.pairTelemetry.append(
        run,
        'train',
        range(from, from + 6).map((at) => step(at, 100, 1000)),
      );
    const again = new Set([...range(50, 63), ...range(99, 105)]);
    expect(kept()).toEqual(range(1, 200).map((at) => step(at, 100, again.has(at) ? 1000 : 0)));
    expect([...store.pairTelemetry.damaged()]).toEqual([]);
    // A step may have other pairs when it is written again.
    store.pairTelemetry.append(run, 'train', [step(3, 1)]);
    expect(kept(2, 4)).toEqual([step(2, 100), step(3, 1), step(4, 100)]);
  });

  it('take no more room than they may, and none at all at 0', () => {
    const most = 10 * 16;
    store.pairTelemetry.append(run, 'train', [step(1), step(2), step(3)], most);
    store.pairTelemetry.append(run, 'train', [step(4), step(5)], most);
    expect(kept().map(({ step: at }) => at)).toEqual([1, 2, 3]);
    store.pairTelemetry.append(run, 'train', [step(2, 3, 7)], most);
    expect(kept(2, 2)).toEqual([step(2, 3, 7)]);
    store.pairTelemetry.append(run, 'eval', [step(1)], 0);
    expect(store.pairTelemetry.bounds(run, 'eval')).toBeUndefined();
  });

  it('go with their run, and are of a run that there is', () => {
    store.pairTelemetry.append(run, 'train', [step(1)]);
    store.runs.remove(run);
    expect(blocks()).toEqual([]);
    expect(() => store.pairTelemetry.append(run, 'train', [step(1)])).toThrow(/FOREIGN KEY/);
  });

  it('are found damaged where a block is not what it is kept under', () => {
    store.pairTelemetry.append(run, 'train', [step(1), step(2)]);
    const raw = new Sqlite(store.file);
    raw.exec('UPDATE pair_telemetry SET last_step = 9');
    raw.close();
    expect([...store.pairTelemetry.damaged()]).toEqual([{ runId: run, side: 'train', firstStep: 1 }]);
  });
});
