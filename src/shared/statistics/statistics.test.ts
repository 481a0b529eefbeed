import { describe, expect, it } from 'vitest';
import fixtures from '../../../test/parity/fixtures/statistics.json' with { type: 'json' };
import { crossedBootstrapInterval, pairedBootstrapIntervals } from './bootstrap.ts';
import { mean, pairedDifferences, quantileOfSorted, sampleStandardDeviation } from './descriptive.ts';
import { clopperPearsonInterval, studentInterval, wilsonInterval } from './intervals.ts';
import { detectableDifference, noncentralStudentCdf, pairedPower } from './power.ts';
import { randomGenerator, xoshiro128StarStar } from './random.ts';
import { holm, mcNemar, mcNemarOfCounts } from './significance.ts';
import {
  normalQuantile,
  normalUpperTail,
  regularisedIncompleteBeta,
  studentQuantile,
  studentUpperTail,
} from './special.ts';

/** Equal to 1e-9 relative; only an exact 0 equals 0. */
function expectEqual(actual: number, expected: number, what: string): void {
  const error = Math.abs(actual - expected);
  expect(error <= 1e-9 * Math.abs(expected), `${what}: ${actual} is not ${expected}`).toBe(true);
}

describe('against SciPy and statsmodels', () => {
  it('quantiles and tails of Student t', () => {
    for (const { df, p, t } of fixtures.student_quantile) {
      expectEqual(studentQuantile(p, df), t, `quantile ${p} at ${df} degrees of freedom`);
    }
    for (const { df, t, p } of fixtures.student_upper_tail) {
      expectEqual(studentUpperTail(t, df), p, `tail beyond ${t} at ${df} degrees of freedom`);
    }
  });

  it('regularised incomplete beta', () => {
    for (const { x, a, b, value } of fixtures.incomplete_beta) {
      expectEqual(regularisedIncompleteBeta(x, a, b), value, `I_${x}(${a}, ${b})`);
    }
  });

  it('quantiles and tails of the normal distribution', () => {
    for (const { p, z } of fixtures.normal_quantile) expectEqual(normalQuantile(p), z, `quantile ${p}`);
    for (const { z, p } of fixtures.normal_upper_tail) expectEqual(normalUpperTail(z), p, `tail beyond ${z}`);
  });

  it('mean, standard deviation, t interval and p-value', () => {
    for (const { values, level, ...expected } of fixtures.student_interval) {
      const interval = studentInterval(values, level);
      expectEqual(mean(values), expected.mean, 'mean');
      expectEqual(sampleStandardDeviation(values), expected.sd, 'standard deviation');
      expectEqual(interval.low, expected.low, `low of ${values.join()}`);
      expectEqual(interval.high, expected.high, `high of ${values.join()}`);
      expectEqual(interval.pValue, expected.p, `p of ${values.join()}`);
    }
  });

  it('Wilson intervals', () => {
    for (const { successes, trials, level, low, high } of fixtures.wilson) {
      const interval = wilsonInterval(successes, trials, level);
      expectEqual(interval.low, low, `low of ${successes}/${trials}`);
      expectEqual(interval.high, high, `high of ${successes}/${trials}`);
    }
  });

  it('Clopper–Pearson intervals', () => {
    for (const { successes, trials, level, low, high } of fixtures.clopper_pearson) {
      const interval = clopperPearsonInterval(successes, trials, level);
      expectEqual(interval.low, low, `low of ${successes}/${trials}`);
      expectEqual(interval.high, high, `high of ${successes}/${trials}`);
    }
  });

  it('McNemar, exact, mid-p and with continuity correction', () => {
    for (const { only_first, only_second, exact, mid_p, continuity } of fixtures.mcnemar) {
      const test = mcNemarOfCounts(only_first, only_second);
      expectEqual(test.exact, exact, `exact ${only_first} and ${only_second}`);
      expectEqual(test.midP, mid_p, `mid-p ${only_first} and ${only_second}`);
      expectEqual(test.continuity, continuity, `continuity ${only_first} and ${only_second}`);
    }
  });

  it('the bootstrap, enumerated for small samples and resampled by SciPy for a larger one', () => {
    for (const { values, level, low, high, sd } of fixtures.bootstrap) {
      const { percentile } = pairedBootstrapIntervals(values, { seed: 1, level, resamples: 100_000 });
      // A quantile of 100,000 resamples has a Monte-Carlo error of about 0.01 standard errors.
      expect(Math.abs(percentile.low - low)).toBeLessThan(0.05 * sd);
      expect(Math.abs(percentile.high - high)).toBeLessThan(0.05 * sd);
    }
    for (const { values, level, low, high, sd } of fixtures.bias_corrected_bootstrap) {
      const { biasCorrected } = pairedBootstrapIntervals(values, { seed: 1, level, resamples: 100_000 });
      expect(Math.abs(biasCorrected.low - low)).toBeLessThan(0.05 * sd);
      expect(Math.abs(biasCorrected.high - high)).toBeLessThan(0.05 * sd);
    }
  });

  it('the bootstrap over items and seeds, enumerated', () => {
    for (const { differences, level, low, high, sd } of fixtures.crossed_bootstrap) {
      const interval = crossedBootstrapInterval(differences, { seed: 1, level, resamples: 100_000 });
      expect(Math.abs(interval.low - low)).toBeLessThan(0.05 * sd);
      expect(Math.abs(interval.high - high)).toBeLessThan(0.05 * sd);
    }
  });

  it('the noncentral t distribution', () => {
    for (const { t, df, noncentrality, p } of fixtures.noncentral_student) {
      const found = noncentralStudentCdf(t, df, noncentrality);
      expect(
        Math.abs(found - p),
        `P(T ≤ ${t}) at ${df} and ${noncentrality}: ${found}, not ${p}`,
      ).toBeLessThan(1e-10);
    }
  });

  it('power and detectable difference of the paired t test', () => {
    for (const { effect, n, error_rate, power } of fixtures.paired_power) {
      const found = pairedPower(-3 * effect, 3, n, error_rate);
      expect(Math.abs(found - power), `${effect} with ${n} at ${error_rate}`).toBeLessThan(1e-9);
    }
    for (const { n, error_rate, power, effect } of fixtures.detectable) {
      const found = detectableDifference(2, n, error_rate, power) / 2;
      expect(Math.abs(found / effect - 1), `${n} at ${error_rate}`).toBeLessThan(1e-6);
    }
  });

  it('the random numbers, word for word', () => {
    const { state, values } = fixtures.xoshiro128_star_star;
    const words = Uint32Array.from(state);
    expect(values.map(() => xoshiro128StarStar(words))).toEqual(values);
  });
});

describe('statistics', () => {
  it('pairs only lists of one length', () => {
    expect(pairedDifferences([3, 5], [1, 7])).toEqual([2, -2]);
    expect(() => pairedDifferences([1, 2], [1])).toThrow(RangeError);
    expect(() => mcNemar([true], [])).toThrow(RangeError);
  });

  it('counts discordant items only', () => {
    const test = mcNemar([true, true, false, false, true], [true, false, true, false, false]);
    expect([test.onlyFirst, test.onlySecond]).toEqual([2, 1]);
  });

  it('gives shares at the edge the exact bound that algebra gives', () => {
    // Of no success in n, (1 − p)ⁿ = 0.025 at the upper bound.
    expect(clopperPearsonInterval(0, 12).high).toBeCloseTo(1 - 0.025 ** (1 / 12), 12);
    expect(clopperPearsonInterval(12, 12).low).toBeCloseTo(0.025 ** (1 / 12), 12);
    expect([clopperPearsonInterval(0, 12).low, clopperPearsonInterval(12, 12).high]).toEqual([0, 1]);
    expect(() => clopperPearsonInterval(0, 0)).toThrow(RangeError);
    expect(() => clopperPearsonInterval(4, 3)).toThrow(RangeError);
  });

  it('interpolates quantiles as NumPy does', () => {
    expect(quantileOfSorted([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantileOfSorted([1, 2, 3, 4], 1)).toBe(4);
    expect(quantileOfSorted([], 0.5)).toBeNaN();
  });

  it('does not believe a spread of 0 below the resolution it is told', () => {
    expect(studentInterval([0.1, 0.1, 0.1]).halfWidth).toBeLessThan(1e-15);
    // 4.302653 = t(0.975, 2 degrees of freedom), as printed in any table.
    expect(studentInterval([0.1, 0.1, 0.1], 0.95, 0.1).halfWidth).toBeCloseTo(
      (4.302653 * 0.1) / Math.sqrt(3),
      6,
    );
    expect(studentInterval([0, 0, 0]).pValue).toBe(1);
    expect(() => studentInterval([1])).toThrow(RangeError);
  });

  it('bootstraps the same interval from the same seed only', () => {
    const differences = [0.3, -0.1, 0.25, 0.7, 0.11];
    const first = pairedBootstrapIntervals(differences, { seed: 4, resamples: 500 });
    expect(pairedBootstrapIntervals(differences, { seed: 4, resamples: 500 })).toEqual(first);
    expect(pairedBootstrapIntervals(differences, { seed: 5, resamples: 500 })).not.toEqual(first);
    expect(() => pairedBootstrapIntervals([], { seed: 1 })).toThrow(RangeError);
    const same = pairedBootstrapIntervals([0.5, 0.5, 0.5], { seed: 1, resamples: 50 });
    expect(same.biasCorrected).toMatchObject({ low: 0.5, high: 0.5 });
  });

  it('resamples items and seeds: wider than either alone, and whole clusters at once', () => {
    const random = randomGenerator(8);
    const rows = Array.from({ length: 6 }, (_, replicate) =>
      Array.from({ length: 40 }, () => (random() < 0.3 + 0.05 * replicate ? 1 : random() < 0.2 ? -1 : 0)),
    );
    const width = ({ low, high }: { low: number; high: number }): number => high - low;
    const crossed = crossedBootstrapInterval(rows, { seed: 3 });
    expect(crossedBootstrapInterval(rows, { seed: 3 })).toEqual(crossed);
    expect(crossed.estimate).toBeCloseTo(mean(rows.flat()), 12);
    const ofSeeds = pairedBootstrapIntervals(rows.map(mean), { seed: 3 }).percentile;
    const ofItems = pairedBootstrapIntervals(
      rows[0]!.map((_, item) => mean(rows.map((row) => row[item]!))),
      { seed: 3 },
    ).percentile;
    expect(width(crossed)).toBeGreaterThan(Math.max(width(ofSeeds), width(ofItems)));
    // Each item twice, as a cluster: nothing new is known, so the interval is that of the single items.
    const doubled = crossedBootstrapInterval(
      rows.map((row) => [...row, ...row]),
      { seed: 3, clusters: [...rows[0]!, ...rows[0]!].map((_, item) => String(item % 40)) },
    );
    expect(width(doubled)).toBeCloseTo(width(crossed), 9);
    expect(() => crossedBootstrapInterval([[1, 0], [1]], { seed: 1 })).toThrow(RangeError);
    expect(() => crossedBootstrapInterval([], { seed: 1 })).toThrow(RangeError);
  });

  it('draws numbers in [0, 1) whose mean and variance are those of the uniform distribution', () => {
    const random = randomGenerator(0);
    const values = Array.from({ length: 100_000 }, random);
    expect(Math.min(...values.slice(0, 50_000))).toBeGreaterThanOrEqual(0);
    expect(values.every((value) => value < 1)).toBe(true);
    // Five standard errors: 0.2887 / √100,000 for the mean.
    expect(Math.abs(mean(values) - 0.5)).toBeLessThan(0.0046);
    expect(Math.abs(sampleStandardDeviation(values) ** 2 - 1 / 12)).toBeLessThan(0.0012);
  });
});

describe('Holm', () => {
  it("adjusts as R's p.adjust does", () => {
    // p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    const adjusted = holm([0.01, 0.04, 0.03, 0.005]).map((step) => step.adjusted);
    [0.03, 0.06, 0.06, 0.02].forEach((expected, index) => expect(adjusted[index]).toBeCloseTo(expected, 12));
  });

  it('holds what stands against the rate at which the procedure stopped', () => {
    const steps = holm([0.04, 0.001, 0.03], 0.05);
    expect(steps.map((step) => step.rejected)).toEqual([false, true, false]);
    // 0.001 against 0.05/3; 0.03 against 0.05/2 and stands; 0.04 therefore stands too, at the same rate.
    expect(steps.map((step) => step.errorRate)).toEqual([0.025, 0.05 / 3, 0.025]);
  });

  it('leaves one hypothesis as it is', () => {
    expect(holm([0.04])).toEqual([{ adjusted: 0.04, rejected: true, errorRate: 0.05 }]);
    expect(holm([])).toEqual([]);
  });
});

describe('Student interval', () => {
  it('covers the true mean as often as it says', () => {
    // Sums of twelve uniforms, centred: close to normal. 4,000 intervals at 95 %: standard error 0.35 points.
    const random = randomGenerator(99);
    const normal = (): number => {
      let sum = -6;
      for (let draw = 0; draw < 12; draw++) sum += random();
      return sum;
    };
    let covered = 0;
    for (let experiment = 0; experiment < 4000; experiment++) {
      const interval = studentInterval(Array.from({ length: 5 }, normal));
      if (interval.low <= 0 && interval.high >= 0) covered++;
    }
    expect(Math.abs(covered / 4000 - 0.95)).toBeLessThan(0.015);
  });
});
