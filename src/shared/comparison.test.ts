import { describe, expect, it } from 'vitest';
import { syntheticComparison } from '../../test/fixtures/synthetic-comparison.ts';
import { finalMetric, renderTable, summariseCells } from './comparison-table.ts';
import { describePairing, evaluatePairs, gridPoints, pairingProofs, runsOf } from './comparison.ts';
import type { ComparisonResult } from './comparison.ts';
import { formatLearningRate, formatMeasured, wrapText } from './format.ts';

describe('evaluatePairs', () => {
  const reference = [
    { index: 0, chosen: -10, rejected: -8 },
    { index: 2, chosen: -5, rejected: -6 },
    { index: 3, chosen: -4, rejected: -4 },
  ];

  it('measures log-ratios to the reference; a tie counts as wrong', () => {
    const policy = [
      { index: 0, chosen: -9, rejected: -9 },
      { index: 2, chosen: -7, rejected: -6 },
      { index: 3, chosen: -2, rejected: -2 },
    ];
    // c = 1, −2, 2 and r = −1, 0, 2.
    const evaluation = evaluatePairs(policy, reference);
    expect(evaluation).toMatchObject({
      pairs: 3,
      ties: 1,
      preferenceAccuracy: 1 / 3,
      preferenceAccuracyRaw: 0,
    });
    expect(evaluation.meanChosenLogRatio).toBeCloseTo(1 / 3, 12);
    expect(evaluation.meanRejectedLogRatio).toBeCloseTo(1 / 3, 12);
    expect(evaluation.meanMargin).toBeCloseTo(0, 12);
    expect(evaluation.perPair).toEqual([
      { index: 0, c: 1, r: -1 },
      { index: 2, c: -2, r: 0 },
      { index: 3, c: 2, r: 2 },
    ]);
  });

  it('gives the base no preference accuracy', () => {
    const base = evaluatePairs(reference);
    expect(base.preferenceAccuracy).toBeUndefined();
    expect(base).toMatchObject({ ties: 3, preferenceAccuracyRaw: 1 / 3, meanMargin: 0 });
  });

  it('refuses lists that are not of the same pairs', () => {
    expect(() => evaluatePairs(reference, reference.slice(1))).toThrow(RangeError);
    expect(() => evaluatePairs(reference, reference.toReversed())).toThrow('pair 0 meets');
  });
});

describe('pairing', () => {
  const result = syntheticComparison({ steps: 5 });

  it('is proven by one order and one start per seed', () => {
    expect(pairingProofs(result).every(({ paired }) => paired)).toBe(true);
    expect(describePairing(result)).toMatch(/^Only the loss differs/);
  });

  it('says so where an arm saw another order, or differs in more than the loss', () => {
    const runs = result.runs.map((run, place) => (place === 1 ? { ...run, orderHash: 'other' } : run));
    expect(describePairing({ ...result, runs })).toBe(
      'Not a paired comparison: batch order or start weights differ between arms at seed 0.',
    );
    expect(describePairing({ ...result, onlyDiffers: ['loss', 'beta'] })).toBe(
      'Besides the loss, the arms differ in: beta.',
    );
  });
});

describe('summaries', () => {
  it('never average a diverged run in', () => {
    const result = syntheticComparison({ seeds: [0, 1, 2], diverge: true });
    const cell = summariseCells(result).find(
      ({ loss, learningRate }) => loss === 'dpo' && learningRate === 5e-5,
    )!;
    expect([cell.finished, cell.runs.length, cell.measures.task.seeds, cell.finalLoss.seeds]).toEqual([
      2, 3, 2, 2,
    ]);
    const correct = runsOf(result, 'dpo', 5e-5)
      .filter(({ status }) => status === 'finished')
      .map(({ evaluation }) => evaluation!.task!.correct / 50);
    expect(cell.measures.task.mean).toBeCloseTo((correct[0]! + correct[1]!) / 2, 12);
    expect(cell.measures.task.standardDeviation).toBeCloseTo(
      Math.abs(correct[0]! - correct[1]!) / Math.SQRT2,
      12,
    );
  });

  it('hold one cell per β, and one of a loss that ignores it', () => {
    const result = syntheticComparison({
      arms: ['dpo', 'sft'],
      learningRates: [1e-5],
      betas: [0.05, 0.2],
      steps: 4,
    });
    expect(result.runs).toHaveLength(3 * 3);
    expect(gridPoints(result)).toEqual([
      { learningRate: 1e-5, beta: 0.05 },
      { learningRate: 1e-5, beta: 0.2 },
    ]);
    const cells = summariseCells(result);
    expect(cells.map(({ loss, beta, runs }) => [loss, beta, runs.map((run) => run.beta)])).toEqual([
      ['sft', undefined, [undefined, undefined, undefined]],
      ['dpo', 0.05, [0.05, 0.05, 0.05]],
      ['dpo', 0.2, [0.2, 0.2, 0.2]],
    ]);
    for (const beta of [0.05, 0.2]) expect(runsOf(result, 'sft', 1e-5, beta)).toEqual(cells[0]!.runs);
    const row = renderTable(result)
      .split('\n')
      .filter((line) => line.startsWith('1e-5'));
    expect(row.map((line) => line.split(/ +/).slice(0, 3))).toEqual([
      ['1e-5', '–', 'sft'],
      ['1e-5', '0.05', 'dpo'],
      ['1e-5', '0.2', 'dpo'],
    ]);
  });

  it('of results that know no β list are as they were', () => {
    const result = syntheticComparison({ steps: 4 });
    const { betas, ...old } = { ...result, betas: [0.1] };
    expect(betas).toEqual([0.1]);
    expect(gridPoints(old)).toEqual([{ learningRate: 5e-6 }, { learningRate: 5e-5 }]);
    expect(renderTable({ ...old, betas })).toBe(renderTable(old));
  });

  it('take the last tenth of the steps, and skip what is not finite or has become null', () => {
    const run = syntheticComparison({ steps: 1 }).runs[0]!;
    const losses = [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 1, 3];
    const metrics = losses.map((loss, place) => ({ step: place + 1, loss }));
    expect(finalMetric({ ...run, metrics }, 'loss')).toBe(2);
    metrics[19] = { step: 20, loss: null as unknown as number };
    expect(finalMetric({ ...run, metrics }, 'loss')).toBe(1);
    expect(finalMetric({ ...run, metrics: [] }, 'loss')).toBeUndefined();
  });
});

describe('renderTable', () => {
  const cases: ComparisonResult[] = [
    syntheticComparison(),
    syntheticComparison({ seeds: [0], questions: 0 }),
    syntheticComparison({ arms: ['dpo', 'a-loss-with-a-very-long-name', 'sft'], seeds: [0, 1] }),
    syntheticComparison({ arms: ['dpo', 'minor-dpo', 'sft'], betas: [0.05, 0.125, 0.5] }),
    syntheticComparison({ arms: ['dpo', 'kappa-dpo:kappa=0.25', 'minor-dpo'], betas: [0.05, 0.125] }),
    JSON.parse(JSON.stringify(syntheticComparison({ learningRates: [1e-7, 2.5e-6, 0.0001, 0.01] }))),
  ];

  it('fits 100 columns', () => {
    for (const result of cases) {
      const longest = Math.max(
        ...renderTable(result)
          .split('\n')
          .map((line) => line.length),
      );
      expect(longest).toBeLessThanOrEqual(100);
    }
  });

  it('tells arms of one loss apart', () => {
    const arms = ['dpo', 'kappa-dpo:kappa=0.25', 'kappa-dpo:kappa=0.5'];
    const table = renderTable(syntheticComparison({ arms, learningRates: [1e-6] }));
    for (const arm of arms)
      expect(table.split('\n').filter((line) => line.includes(` ${arm} `))).not.toEqual([]);
    expect(table).not.toContain('…');
  });

  it('aligns its columns and puts the base first', () => {
    const lines = renderTable(syntheticComparison({ diverge: false })).split('\n');
    expect(lines[2]).toMatch(/^ +base +\d/);
    const rows = lines.slice(3, 7);
    const places = rows.map((line) => [...line.matchAll(/±/g)].map(({ index }) => index).join());
    expect(new Set(places).size).toBe(1);
    expect(places[0]!.split(',')).toHaveLength(5);
  });

  it('shows the mean and spread of the data', () => {
    const result = syntheticComparison({ diverge: false });
    const shares = runsOf(result, 'minor-dpo', 5e-6).map(
      ({ evaluation }) => (evaluation!.task!.correct / 50) * 100,
    );
    const mean = shares.reduce((sum, share) => sum + share) / 3;
    const spread = Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / 2);
    const row = renderTable(result)
      .split('\n')
      .find((line) => line.startsWith('5e-6  minor-dpo'))!;
    expect(row).toContain(` ${mean.toFixed(1)}±${spread.toFixed(1)}`);
  });

  it('names every diverged run and its step, also after a way through JSON', () => {
    const text = renderTable(JSON.parse(JSON.stringify(syntheticComparison({ steps: 50 }))));
    expect(text).toContain('Diverged: dpo at lr 5e-5, seed 2, step 30.');
    expect(text).not.toMatch(/NaN|null|undefined|Infinity/);
  });

  it('leads with the verdict', () => {
    expect(renderTable(cases[0]!)).toMatch(/^> lr 5e-6: /m);
    expect(renderTable(cases[1]!).replace(/\s+/g, ' ')).toContain('too few seeds to tell');
  });
});

describe('formats', () => {
  it('write learning rates as people do', () => {
    const rates = [5e-6, 0.00005, 1.5e-7, 0.001, 0.01, 0.000025, 1, 0];
    expect(rates.map(formatLearningRate)).toEqual([
      '5e-6',
      '5e-5',
      '1.5e-7',
      '1e-3',
      '1e-2',
      '2.5e-5',
      '1',
      '0',
    ]);
  });

  it('write numbers with three digits, a true minus and no negative zero', () => {
    const values = [-12.345, 0.12345, 1234.5, -0.0000001, 0, Number.NaN, undefined, 99999999];
    expect(values.map(formatMeasured)).toEqual([
      '−12.3',
      '0.123',
      '1235',
      '−1.0e−7',
      '0.000',
      '–',
      '–',
      '1.0e8',
    ]);
  });

  it('wrap at spaces only', () => {
    expect(wrapText('one two three four', 9, '> ', '  ')).toEqual(['> one two', '  three', '  four']);
    expect(wrapText('incomprehensibilities', 5)).toEqual(['incomprehensibilities']);
  });
});
