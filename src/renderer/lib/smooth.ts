/**
 * Exponential moving averages over buckets of steps. A bucket counts as many times as it has values, so that smoothing
 * does not depend on how finely a series was cut.
 */

/** Windows that are offered, in steps; 1 leaves the values as they are. */
export const smoothingWindows = [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000] as const;

/**
 * The debiased average y = Σ aᴺ⁻ⁱ·xᵢ / Σ aᴺ⁻ⁱ with a = 1 − 1/window, at the end of each bucket; every value of a
 * bucket is taken to be its mean. A bucket whose mean is not finite has no average and leaves the next ones untouched.
 * @param window the mean age of what is averaged, in steps, 1 or more
 */
export function smooth(mean: readonly number[], count: readonly number[], window: number): number[] {
  const keep = 1 - 1 / Math.max(1, window);
  let sum = 0;
  let weight = 0;
  return mean.map((value, place) => {
    if (!Number.isFinite(value)) return NaN;
    const old = keep ** (count[place] ?? 1);
    sum = old * sum + (1 - old) * value;
    weight = old * weight + (1 - old);
    return sum / weight;
  });
}
