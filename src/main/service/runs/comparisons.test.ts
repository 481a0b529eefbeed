import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ComparisonResult } from '../../../shared/comparison.ts';
import { finalMetric, summariseCells } from '../../../shared/comparison-table.ts';
import { openTestHome, recordComparison, type TestHome } from '../testing.ts';

let home: TestHome;
beforeAll(async () => {
  home = await openTestHome();
});
afterAll(() => home.close());

/** Losses that fall with the step; the gate of each run is open at every fourth step. */
function* points(place: number, steps: number, brokenAt = Infinity) {
  for (let step = 1; step <= steps; step += 1) {
    const loss = step === brokenAt ? NaN : 1 + place + 1 / step;
    yield { step, loss, 'gate/open': step % 4 === 0 ? 1 : 0, 'not of a step': 5 };
  }
}
const meanLoss = (place: number, from: number, to: number): number => {
  let sum = 0;
  for (let step = from; step <= to; step += 1) sum += 1 + place + 1 / step;
  return sum / (to - from + 1);
};

describe('a comparison', () => {
  const steps = 20_000;
  let comparison: number;
  let runs: readonly number[];
  beforeAll(() => {
    ({ comparison, runs } = recordComparison(
      home.store,
      [0, 1, 2],
      (place) => (place === 5 ? [] : points(place, steps)),
      1,
    ));
  });

  it('is shown with the final values of the runs that have ended, and few numbers', async () => {
    const shown = await home.services.showComparison({ comparison });
    expect(shown).toMatchObject({
      id: comparison,
      // No process is at work on it.
      status: 'interrupted',
      model: 'small',
      data: 'pairs.jsonl',
      arms: ['dpo', 'minor-dpo'],
      seeds: [0, 1, 2],
      runs: { done: 5, total: 6 },
      verdicts: [],
    });
    expect(shown.members.map(({ id }) => id)).toEqual(runs);
    const { result, verdictList } = shown;
    expect(result!.runs.map(({ id }) => Number(id))).toEqual(runs.slice(0, 5));
    for (const [place, run] of result!.runs.entries()) {
      expect(run.metrics).toHaveLength(1);
      expect(run.steps).toBe(steps);
      expect(finalMetric(run, 'loss')).toBeCloseTo(meanLoss(place, 0.9 * steps + 1, steps), 9);
      expect(finalMetric(run, 'gate/open')).toBeCloseTo(0.25, 12);
    }
    // The second arm has ended on two seeds.
    const [first, second] = summariseCells(result!);
    expect([first!.finished, second!.finished]).toEqual([3, 2]);
    expect(second!.finalGateOpen.mean).toBeCloseTo(0.25, 12);
    expect(verdictList[0]).toMatchObject({ primary: true, outcome: 'too-few-seeds' });
    expect(verdictList[0]!.differences.map(({ seed }) => seed)).toEqual([0, 1]);
  });

  it('is listed with its project’s, and is refused where it is not there', async () => {
    const other = home.store.projects.add('other').name;
    const { comparisons } = await home.services.listComparisons({});
    expect(comparisons.map(({ id }) => id)).toContain(comparison);
    expect(await home.services.listComparisons({ project: other })).toEqual({ comparisons: [] });
    await expect(home.services.listComparisons({ project: 'none' })).rejects.toThrow('no project none');
    await expect(home.services.showComparison({ comparison: 99 })).rejects.toThrow('no comparison 99');
  });

  const embedded = (file: string): ComparisonResult =>
    JSON.parse(
      /<script type="application\/json" id="result">([^<]*)/.exec(readFileSync(file, 'utf8'))![1]!,
    ) as ComparisonResult;

  it('is reported by its number, long runs as means over neighbouring steps', async () => {
    const report = join(home.path, 'long.html');
    expect(await home.services.report({ comparison, report })).toEqual({ report, runs: 5, missing: 1 });
    const result = embedded(report);
    const { metrics } = result.runs[1]!;
    expect(metrics).toHaveLength(2000);
    expect(metrics.map(({ step }) => step)).toEqual(Array.from({ length: 2000 }, (_, at) => 10 * (at + 1)));
    for (const place of [0, 777, 1999])
      expect(metrics[place]!.loss).toBeCloseTo(meanLoss(1, 10 * place + 1, 10 * place + 10), 9);
    expect(readFileSync(report, 'utf8')).toContain('means over 10 steps');
    const { comparison: young } = recordComparison(home.store, [0], () => [], 2);
    await expect(home.services.report({ comparison: young, report })).rejects.toThrow('no run of this');
  });

  it('is reported step by step where runs are short, and alike at the borders where lengths differ', async () => {
    const short = recordComparison(home.store, [0], (place) => points(place, 40));
    const report = join(home.path, 'short.html');
    await home.services.report({ comparison: short.comparison, report });
    expect(embedded(report).runs[1]!.metrics.map(({ loss }) => loss)).toEqual(
      [...points(1, 40)].map(({ loss }) => loss),
    );
    expect(readFileSync(report, 'utf8')).toContain('every seed, as logged,');
    const uneven = recordComparison(home.store, [0], (place) =>
      points(place, place === 0 ? 4000 : 2503, place === 0 ? 333 : Infinity),
    );
    await home.services.report({ comparison: uneven.comparison, report });
    const [whole, part] = embedded(report).runs.map(({ metrics }) => metrics);
    expect(part!.map(({ step }) => step)).toEqual([...whole!.slice(0, 1251).map(({ step }) => step), 2503]);
    // Null is what JSON makes of a value that is not finite.
    expect(whole!.filter(({ loss }) => loss === null).map(({ step }) => step)).toEqual([334]);
  });
});
