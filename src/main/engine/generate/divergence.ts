import { NonFiniteLogitsError } from './sampling.ts';

/**
 * KL(p ‖ q) in nats of the distributions that two rows of logits stand for: Σ p·(log p − log q) over the whole vocabulary,
 * in float64. Exactly 0 for equal rows, and never below 0.
 * @throws NonFiniteLogitsError where that is not a number
 */
export function divergenceOf(logits: Float32Array, others: Float32Array): number {
  const [largest, largestOther] = [largestOf(logits), largestOf(others)];
  let sum = 0;
  let sumOther = 0;
  // Σ exp(a − max)·((a − max) − (b − max b)): the two logs of sums are taken off at the end, once.
  let difference = 0;
  for (let at = 0; at < logits.length; at++) {
    const shifted = logits[at]! - largest;
    const shiftedOther = others[at]! - largestOther;
    const weight = Math.exp(shifted);
    sum += weight;
    sumOther += Math.exp(shiftedOther);
    // What has no probability adds nothing, however unlikely it is to the other.
    if (weight > 0) difference += weight * (shifted - shiftedOther);
  }
  const divergence = difference / sum - Math.log(sum) + Math.log(sumOther);
  if (Number.isNaN(divergence)) throw new NonFiniteLogitsError();
  // Rounding may leave a little less than nothing.
  return Math.max(0, divergence);
}

/** By index: an iterator takes twice as long over a vocabulary. */
function largestOf(logits: Float32Array): number {
  let largest = -Infinity;
  for (let at = 0; at < logits.length; at++) if (logits[at]! > largest) largest = logits[at]!;
  return largest;
}
