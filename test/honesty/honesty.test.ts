import { describe, expect, it } from 'vitest';
import { verdict } from '../../src/shared/verdict.ts';
import { measured, normalGenerator, simulate, simulatedNoise } from './experiments.ts';
import { coverage, falseClaims, powerOf } from './figures.ts';

/** Three standard errors of a share of `experiments` around `share`. */
const leeway = (share: number, experiments: number): number =>
  3 * Math.sqrt((share * (1 - share)) / experiments);

describe('simulated comparisons', () => {
  it('have the noise that was measured', () => {
    const found = simulatedNoise(200, normalGenerator(7));
    expect(Math.abs(found.accuracy - measured.accuracy)).toBeLessThan(0.005);
    for (const name of ['accuracyDeviation', 'differenceDeviation', 'marginDifferenceDeviation'] as const)
      expect(Math.abs(found[name] / measured[name] - 1), name).toBeLessThan(0.1);
  });

  it('claim something false, of any measure, in at most the share of them that is allowed', () => {
    const experiments = 300;
    for (const seeds of [3, 5]) {
      const { any } = falseClaims(seeds, experiments, 20 + seeds);
      expect(any, `${seeds} seeds`).toBeLessThan(0.05 + leeway(0.05, experiments));
    }
  });

  it('would claim too much without the correction over learning rates', () => {
    const normal = normalGenerator(31);
    let claims = 0;
    for (let experiment = 0; experiment < 300; experiment++) {
      const verdicts = verdict(simulate({ seeds: 5, learningRates: 3 }, normal));
      // c and r are free of steps, so their differences are as normal as can be.
      claims += Number(verdicts.some(({ measure, pValue }) => measure === 'margin' && pValue! < 0.05));
    }
    // 1 − 0.95³ = 0.143.
    expect(claims / 300).toBeGreaterThan(0.05 + leeway(0.05, 300));
  });

  it('find a planted difference as often as predicted', () => {
    const experiments = 300;
    for (const [place, effects] of [[0.05], [0.02]].entries()) {
      const design = { seeds: 5, learningRates: 1, effects };
      const { found, predicted, difference } = powerOf(design, experiments, 40 + place);
      expect(difference).toBeCloseTo(effects[0]!, 2);
      expect(Math.abs(found - predicted)).toBeLessThan(0.01 + leeway(predicted, experiments));
    }
  });

  it('are covered by t intervals, and new questions by resampling seeds and questions', () => {
    const experiments = 150;
    const of = coverage(5, experiments, 50);
    const least = 0.95 - leeway(0.95, experiments);
    expect(of.student).toBeGreaterThan(least);
    expect(of.crossedOnNew).toBeGreaterThan(least);
    // Why bootstraps over so few seeds never decide, and why the t interval is only about the questions asked.
    expect(of.percentile).toBeLessThan(of.student);
    expect(of.studentOnNew).toBeLessThan(of.crossedOnNew);
  });
});
