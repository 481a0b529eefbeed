import { mean, sampleStandardDeviation } from './descriptive.ts';
import { betaQuantile, normalQuantile, studentQuantile, studentUpperTail } from './special.ts';

/** A confidence interval; `level` is its coverage, 0.95 for 95 %. */
export interface Interval {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
  readonly level: number;
}

/** Student's t interval of a mean, with the test of "the mean is 0". */
export interface StudentInterval extends Interval {
  readonly halfWidth: number;
  readonly standardDeviation: number;
  /** Two-sided p-value; 1 where every value is 0. */
  readonly pValue: number;
}

/**
 * Student's t interval of the mean of `values`; for a paired comparison give the differences.
 * @param leastStandardDeviation the resolution below which the spread is not believed: accuracies over few items can
 *   come out equal on every seed by chance, and a spread of 0 would make any difference certain.
 * @throws RangeError below two values
 */
export function studentInterval(
  values: readonly number[],
  level = 0.95,
  leastStandardDeviation = 0,
): StudentInterval {
  if (values.length < 2) throw new RangeError('a t interval needs at least two values');
  const estimate = mean(values);
  const standardDeviation = Math.max(sampleStandardDeviation(values), leastStandardDeviation);
  const standardError = standardDeviation / Math.sqrt(values.length);
  const degreesOfFreedom = values.length - 1;
  const halfWidth = studentQuantile((1 + level) / 2, degreesOfFreedom) * standardError;
  const pValue =
    estimate === 0 ? 1 : 2 * studentUpperTail(Math.abs(estimate) / standardError, degreesOfFreedom);
  return {
    estimate,
    low: estimate - halfWidth,
    high: estimate + halfWidth,
    level,
    halfWidth,
    standardDeviation,
    pValue,
  };
}

/**
 * Wilson's score interval of a share, without continuity correction.
 * @throws RangeError unless 0 ≤ successes ≤ trials and trials > 0
 */
export function wilsonInterval(successes: number, trials: number, level = 0.95): Interval {
  if (!(trials > 0 && successes >= 0 && successes <= trials)) {
    throw new RangeError(`no share: ${successes} of ${trials}`);
  }
  const z = normalQuantile((1 + level) / 2);
  const share = successes / trials;
  const denominator = 1 + (z * z) / trials;
  const centre = (share + (z * z) / (2 * trials)) / denominator;
  const halfWidth =
    (z / denominator) * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  return {
    estimate: share,
    low: successes === 0 ? 0 : centre - halfWidth,
    high: successes === trials ? 1 : centre + halfWidth,
    level,
  };
}

/**
 * Clopper and Pearson's exact interval of a share: it covers the true share at least as often as it says, and the more
 * trials the closer to that.
 * @throws RangeError unless 0 ≤ successes ≤ trials and trials > 0
 */
export function clopperPearsonInterval(successes: number, trials: number, level = 0.95): Interval {
  if (!(trials > 0 && successes >= 0 && successes <= trials)) {
    throw new RangeError(`no share: ${successes} of ${trials}`);
  }
  const tail = (1 - level) / 2;
  const failures = trials - successes;
  return {
    estimate: successes / trials,
    low: successes === 0 ? 0 : betaQuantile(tail, successes, failures + 1),
    // As one less the lower bound of the failures, which keeps its digits near 1.
    high: failures === 0 ? 1 : 1 - betaQuantile(tail, failures, successes + 1),
    level,
  };
}
