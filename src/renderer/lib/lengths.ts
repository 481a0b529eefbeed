import type { LengthBin } from '../../shared/contract.ts';

/**
 * How many of the lengths in a histogram are `length` or more. A bin that lies across it says only how many it may be:
 * then `least` and `most` differ.
 */
export function atLeast(bins: readonly LengthBin[], length: number): { least: number; most: number } {
  let [least, most] = [0, 0];
  for (const { from, to, count } of bins) {
    if (from >= length) least += count;
    if (to > length) most += count;
  }
  return { least, most };
}
