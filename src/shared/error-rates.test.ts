import { describe, expect, it } from 'vitest';
import { syntheticComparison } from '../../test/fixtures/synthetic-comparison.ts';
import type { ComparisonResult } from './comparison.ts';
import { adjustedWithin, errorRate, errorRates, errorRateWords, judgedMeasures } from './error-rates.ts';
import { select } from './selection.ts';
import { verdict } from './verdict.ts';

const [one, several] = [[5e-6], [5e-6, 5e-5]];
const comparison = (questions: number, learningRates: readonly number[], pairs = 60): ComparisonResult =>
  syntheticComparison({ questions, learningRates, pairs, steps: 2, diverge: false });

describe('the parts of the error rate', () => {
  it('go to the leading measure but for a point each that others have a use for', () => {
    const rates = (...design: Parameters<typeof comparison>): number[] => {
      const { leading, selected, other } = errorRates(comparison(...design));
      return [leading, selected, other].map((rate) => Number(rate.toFixed(12)));
    };
    expect(rates(60, several)).toEqual([0.03, 0.01, 0.005]);
    expect(rates(60, one)).toEqual([0.04, 0, 0.005]);
    expect(rates(0, several)).toEqual([0.03, 0.01, 0.01]);
    expect(rates(0, one)).toEqual([0.04, 0, 0.01]);
    // Too few prompts for a half on which to choose and one on which to judge.
    expect(rates(49, several)).toEqual([0.04, 0, 0.005]);
    expect(rates(50, several)).toEqual([0.03, 0.01, 0.005]);
    expect(rates(0, several, 49)).toEqual([0.04, 0, 0.01]);
  });

  it('add up to 5 %, and are had by whatever is judged', () => {
    for (const questions of [0, 49, 50])
      for (const learningRates of [one, several]) {
        const result = comparison(questions, learningRates);
        const { leading, selected, other } = errorRates(result);
        expect(leading + selected + other * (judgedMeasures(result).length - 1)).toBeCloseTo(0.05, 12);
        expect(new Set(verdict(result).map(({ measure }) => measure)).size).toBe(
          judgedMeasures(result).length,
        );
        expect((select(result)?.verdicts.length ?? 0) > 0).toBe(selected > 0);
      }
  });

  it('follow from the design, whatever came out', () => {
    const result = comparison(60, several);
    const runs = result.runs.map((run) => ({ ...run, status: 'diverged' as const }));
    expect(errorRates({ ...result, runs })).toEqual(errorRates(result));
  });

  it('are what p-values and intervals of every verdict go by', () => {
    const result = comparison(60, several);
    const found = [
      ...verdict(result).map((each) => ({ ...each, rate: each.primary ? 0.03 : 0.005 })),
      ...select(result)!.verdicts.map((each) => ({ ...each, rate: 0.01 })),
    ];
    expect(found.length).toBe(7);
    for (const { outcome, adjustedPValue, meanDifference, halfWidth, level, rate } of found) {
      const isClaim = outcome === 'higher' || outcome === 'lower';
      expect(adjustedPValue! <= errorRate).toBe(isClaim);
      expect(Math.abs(meanDifference!) > halfWidth!).toBe(isClaim);
      // Holm's last step has the whole part, the first of two half of it.
      expect([rate, rate / 2].some((step) => Math.abs(1 - level! - step) < 1e-12)).toBe(true);
    }
  });

  it('are said in words', () => {
    expect(errorRateWords(comparison(60, several))).toBe(
      'Where no arm differs, at most 5 % of such comparisons claim anything, 3 of them for the leading measure, 1 for arms with their best settings, 1 for the other measures together; so intervals are wider than 95 %.',
    );
    expect(errorRateWords(comparison(0, one))).toContain(
      'claim anything, 4 of them for the leading measure, 1 for the other measures together;',
    );
  });

  it('turn a p-value that is just claimed into 5 %', () => {
    expect(adjustedWithin(0.03, 0.03)).toBeCloseTo(0.05, 12);
    expect(adjustedWithin(0.005, 0.0025)).toBeCloseTo(0.025, 12);
    expect(adjustedWithin(0.01, 0.5)).toBe(1);
  });
});
