import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sampleRun } from '../../store/samples.ts';
import { RotatingLog } from '../../training/log.ts';
import { openTestHome, type TestHome } from '../testing.ts';

let home: TestHome;
beforeEach(async () => {
  home = await openTestHome();
});
afterEach(() => home.close());

function addRun(values: readonly (readonly [step: number, loss: number, rate?: number])[]): number {
  const { id } = home.store.runs.add(sampleRun);
  home.store.metrics.append(
    id,
    values.map(([step, loss, rate]) => ({ step, loss, 'throughput/pairs_per_s': rate })),
  );
  return id;
}

describe('series of several runs', () => {
  it('come as asked for, run by run, with nothing of what has no values', async () => {
    const first = addRun([
      [1, 4, 10],
      [2, 2, 30],
      [3, 1, 20],
      [4, 3, 40],
    ]);
    const second = addRun([[1, 0.5]]);
    const { series } = await home.services.runSeries({
      runs: [second, first, 999, first],
      metrics: ['throughput/pairs_per_s', 'loss', 'no such metric'],
      points: 2,
    });
    expect(series).toEqual([
      { run: second, metric: 'loss', steps: [1], mean: [0.5], min: [0.5], max: [0.5], count: [1] },
      {
        run: first,
        metric: 'throughput/pairs_per_s',
        steps: [2, 4],
        mean: [20, 30],
        min: [10, 20],
        max: [30, 40],
        count: [2, 2],
      },
      { run: first, metric: 'loss', steps: [2, 4], mean: [3, 2], min: [2, 1], max: [4, 3], count: [2, 2] },
    ]);
    const part = await home.services.runSeries({
      runs: [first],
      metrics: ['loss'],
      from: 2,
      to: 3,
      points: 9,
    });
    expect(part.series.map(({ steps, mean }) => [steps, mean])).toEqual([
      [
        [2, 3],
        [2, 1],
      ],
    ]);
  });

  it.each([
    ['a value that is not a number', NaN],
    ['an infinite one', -Infinity],
  ])('name the first step with %s, however long the run', async (_what, value) => {
    const broken = 77_777;
    const run = addRun(
      Array.from({ length: 100_000 }, (_, place) => {
        const step = place + 1;
        return [step, step === broken || step > 90_000 ? value : 1] as const;
      }),
    );
    const ask = async (range: { from?: number; to?: number }, points: number) =>
      (await home.services.runSeries({ runs: [run], metrics: ['loss'], ...range, points })).series[0]!;
    for (const points of [1, 3, 800, 4000]) expect((await ask({}, points)).brokenAt).toBe(broken);
    expect((await ask({ to: broken - 1 }, 800)).brokenAt).toBeUndefined();
    const later = await ask({ from: broken + 1 }, 1);
    expect(later.brokenAt).toBe(90_001);
    // What is finite still counts.
    expect([later.mean[0], later.min[0], later.max[0], later.count[0]]).toEqual([1, 1, 1, 100_000 - broken]);
    const last = await ask({ from: 90_001 }, 1);
    expect([last.mean[0], last.count[0]]).toEqual([NaN, 10_000]);
  });

  it('name the step at which the run diverged, which left no values', async () => {
    const run = addRun([
      [1, 0.7],
      [2, 0.6],
    ]);
    const { runs } = home.store;
    runs.start(run, { adapterStartHash: 'a', orderHash: 'b', totalSteps: 9 });
    runs.diverge(run, 3, 'the loss is not finite');
    const ask = async (range: { from?: number; to?: number }) =>
      (await home.services.runSeries({ runs: [run], metrics: ['loss'], ...range, points: 9 })).series[0]!;
    expect((await ask({})).brokenAt).toBe(3);
    expect((await ask({ to: 2 })).brokenAt).toBeUndefined();
  });

  it('end where the caller goes away', async () => {
    const runs = Array.from({ length: 40 }, () =>
      addRun(Array.from({ length: 400 }, (_, place) => [place + 1, place] as const)),
    );
    const abort = new AbortController();
    const metrics = ['loss', ...Array.from({ length: 4000 }, (_, place) => `other ${place}`)];
    const asked = home.services.runSeries({ runs, metrics, points: 400 }, { signal: abort.signal });
    setImmediate(() => abort.abort(new Error('gone')));
    await expect(asked).rejects.toThrow('gone');
  });

  it('know the metrics of several runs: the usual ones in their order, then others', async () => {
    const [a, b] = [home.store.runs.add(sampleRun).id, home.store.runs.add(sampleRun).id];
    home.store.metrics.append(a, [{ step: 1, 'a custom one': 1, 'memory/rss': 1, grad_norm: 1 }]);
    home.store.metrics.append(b, [{ step: 1, loss: 1, grad_norm: 2 }]);
    const { metrics } = await home.services.runMetrics({ runs: [a, b] });
    expect(metrics).toEqual(['loss', 'grad_norm', 'memory/rss', 'a custom one']);
    expect(await home.services.runMetrics({ runs: [] })).toEqual({ metrics: [] });
  });
});

describe("the end of a run's log", () => {
  function addLoggedRun(): { run: number; file: string } {
    const job = home.store.jobs.add({ kind: 'train', request: {} });
    const run = home.store.runs.add({ ...sampleRun, jobId: job.id }).id;
    mkdirSync(join(home.path, 'logs'), { recursive: true });
    return { run, file: join(home.path, 'logs', `job-${job.id}.log`) };
  }
  const read = async (run: number, lines: number) => (await home.services.runLog({ run, lines })).lines;

  it('is empty before it begins, and names a run that is not there', async () => {
    const { run } = addLoggedRun();
    expect(await read(run, 10)).toEqual([]);
    await expect(read(run + 1, 10)).rejects.toThrow(`there is no run ${run + 1}`);
  });

  it('is its last lines, also across the files it turned over into', async () => {
    const { run, file } = addLoggedRun();
    const log = new RotatingLog(file);
    const filler = 'ä'.repeat(2000);
    // Some 5 MiB: the log turns over once.
    for (let line = 1; line <= 1200; line += 1) log.write(`line ${line} ${filler} end ${line}`);
    for (let line = 1201; line <= 1210; line += 1) log.write(`line ${line} end ${line}`);
    const numbers = (lines: readonly string[]) => lines.map((line) => Number(/ end (\d+)$/.exec(line)![1]));
    const upTo = (count: number) => Array.from({ length: count }, (_, place) => 1211 - count + place);
    expect(numbers(await read(run, 1))).toEqual([1210]);
    expect(numbers(await read(run, 10))).toEqual(upTo(10));
    expect(numbers(await read(run, 100))).toEqual(upTo(100));
    // No more than a mebibyte, and no line without its beginning.
    const most = await read(run, 2000);
    expect(numbers(most)).toEqual(upTo(most.length));
    expect(most.every((line) => /^\d{4}-\d\d-\d\dT\S+ line \d+ /.test(line))).toBe(true);
    expect(Buffer.byteLength(most.join('\n'))).toBeGreaterThan((1 << 20) - 2 * 4100);
    expect(Buffer.byteLength(most.join('\n'))).toBeLessThanOrEqual(1 << 20);
    // A log that just turned over: the lines before are in the other file.
    const { run: other, file: turned } = addLoggedRun();
    appendFileSync(`${turned}.1`, 'one\ntwo\nthree\n');
    appendFileSync(turned, 'four\nfive');
    expect(await read(other, 3)).toEqual(['three', 'four', 'five']);
    expect(await read(other, 30)).toEqual(['one', 'two', 'three', 'four', 'five']);
  });
});
