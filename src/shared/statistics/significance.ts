import { logGamma, normalUpperTail } from './special.ts';

/** Outcome of McNemar's test on two arms' right and wrong answers to the same items. */
export interface McNemar {
  /** Items only the first arm got right. */
  readonly onlyFirst: number;
  /** Items only the second arm got right. */
  readonly onlySecond: number;
  /** Two-sided p-value of the exact binomial test: use this one where the two counts together are small. */
  readonly exact: number;
  /** Two-sided mid-p-value: the exact one less the half of what was seen, since that is needlessly cautious. */
  readonly midP: number;
  /** Two-sided p-value of the χ² test with Edwards' continuity correction. */
  readonly continuity: number;
}

/**
 * McNemar's test of paired accuracies: only the items on which the arms disagree say anything about the difference.
 * @throws RangeError if the lists differ in length
 */
export function mcNemar(first: readonly boolean[], second: readonly boolean[]): McNemar {
  if (first.length !== second.length) {
    throw new RangeError(`paired lists differ in length: ${first.length} and ${second.length}`);
  }
  let onlyFirst = 0;
  let onlySecond = 0;
  for (let item = 0; item < first.length; item++) {
    if (first[item] && !second[item]) onlyFirst++;
    if (!first[item] && second[item]) onlySecond++;
  }
  return mcNemarOfCounts(onlyFirst, onlySecond);
}

/** McNemar's test of the two discordant counts. */
export function mcNemarOfCounts(onlyFirst: number, onlySecond: number): McNemar {
  const total = onlyFirst + onlySecond;
  if (total === 0) return { onlyFirst, onlySecond, exact: 1, midP: 1, continuity: 1 };
  const fewer = Math.min(onlyFirst, onlySecond);
  const { tail, term } = fairBinomialLowerTail(fewer, total);
  const exact = Math.min(1, 2 * tail);
  const midP = Math.min(1, 2 * tail - term);
  const distance = Math.max(0, Math.abs(onlyFirst - onlySecond) - 1);
  // χ² with one degree of freedom is a squared standard normal.
  const continuity = Math.min(1, 2 * normalUpperTail(distance / Math.sqrt(total)));
  return { onlyFirst, onlySecond, exact, midP, continuity };
}

/** P(X ≤ successes) for X ~ Binomial(trials, ½), summed from the largest term down, and that term, P(X = successes). */
function fairBinomialLowerTail(
  successes: number,
  trials: number,
): { readonly tail: number; readonly term: number } {
  const logLargest =
    logGamma(trials + 1) - logGamma(successes + 1) - logGamma(trials - successes + 1) - trials * Math.LN2;
  let term = 1;
  let sum = 1;
  for (let k = successes; k > 0 && term > 1e-17 * sum; k--) {
    term *= k / (trials - k + 1);
    sum += term;
  }
  const largest = Math.exp(logLargest);
  return { tail: largest * sum, term: largest };
}

/** One hypothesis after Holm's step-down procedure. */
export interface HolmStep {
  /** Adjusted p-value: claim a difference where it is below the family's error rate. */
  readonly adjusted: number;
  readonly rejected: boolean;
  /**
   * The error rate this hypothesis was held against. An interval of coverage 1 − this rate excludes 0 exactly where
   * the hypothesis is rejected, so that interval and claim never contradict each other.
   */
  readonly errorRate: number;
}

/** Holm's step-down correction (Holm 1979): keeps the chance of any false claim in the family at `errorRate`. */
export function holm(pValues: readonly number[], errorRate = 0.05): HolmStep[] {
  const order = pValues.map((_, index) => index).sort((a, b) => pValues[a]! - pValues[b]!);
  const steps = new Array<HolmStep>(pValues.length);
  let adjusted = 0;
  let rejecting = true;
  let heldAgainst = errorRate;
  order.forEach((index, rank) => {
    const remaining = pValues.length - rank;
    adjusted = Math.max(adjusted, Math.min(1, remaining * pValues[index]!));
    // After the first hypothesis that stands, the rest stand at that one's error rate.
    if (rejecting) heldAgainst = errorRate / remaining;
    rejecting &&= adjusted < errorRate;
    steps[index] = { adjusted, rejected: rejecting, errorRate: heldAgainst };
  });
  return steps;
}
