/** Arithmetic mean; NaN of an empty list. */
export function mean(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Sample standard deviation (divisor n − 1), in two passes; NaN below two values. */
export function sampleStandardDeviation(values: readonly number[]): number {
  if (values.length < 2) return Number.NaN;
  const centre = mean(values);
  let squares = 0;
  for (const value of values) squares += (value - centre) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

/**
 * Element-wise `after − before`.
 * @throws RangeError if the lists differ in length: unpaired values must never be paired by accident.
 */
export function pairedDifferences(after: readonly number[], before: readonly number[]): number[] {
  if (after.length !== before.length) {
    throw new RangeError(`paired lists differ in length: ${after.length} and ${before.length}`);
  }
  return after.map((value, index) => value - before[index]!);
}

/** Quantile by linear interpolation between order statistics (NumPy's default, Hyndman & Fan type 7). */
export function quantileOfSorted(sorted: ArrayLike<number>, probability: number): number {
  const position = probability * (sorted.length - 1);
  const below = Math.floor(position);
  const lower = sorted[below];
  if (lower === undefined) return Number.NaN;
  const upper = sorted[below + 1] ?? lower;
  return lower + (position - below) * (upper - lower);
}
