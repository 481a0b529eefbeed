import { mean } from './statistics/descriptive.ts';

/** How far held-out preferences go by length alone: a policy that likes the longer answer is right where chosen is longer. */
export interface LengthBias {
  /** Pearson correlation of c − r with |chosen| − |rejected| in tokens; absent where either does not vary. */
  readonly correlation?: number;
  /** Pairs whose chosen answer is shorter, and the share of them with c > r, strictly; absent where there are none. */
  readonly shorter: { readonly pairs: number; readonly accuracy?: number };
  /** The same of those whose chosen answer is longer. */
  readonly longer: { readonly pairs: number; readonly accuracy?: number };
}

/**
 * @param pairs log-ratios in nats, as `evaluatePairs` gives them
 * @param lengths tokens of both answers of each pair, in the same order
 * @throws RangeError where the lists differ in length
 */
export function lengthBias(
  pairs: readonly { readonly c: number; readonly r: number }[],
  lengths: readonly { readonly chosen: number; readonly rejected: number }[],
): LengthBias {
  if (pairs.length !== lengths.length)
    throw new RangeError(`${pairs.length} pairs, but lengths of ${lengths.length}`);
  const differences = lengths.map(({ chosen, rejected }) => chosen - rejected);
  const found = correlation(
    pairs.map(({ c, r }) => c - r),
    differences,
  );
  const side = (belongs: (difference: number) => boolean): LengthBias['shorter'] => {
    const of = pairs.filter((_, place) => belongs(differences[place]!));
    if (of.length === 0) return { pairs: 0 };
    return { pairs: of.length, accuracy: of.filter(({ c, r }) => c > r).length / of.length };
  };
  return {
    ...(found === undefined ? {} : { correlation: found }),
    shorter: side((difference) => difference < 0),
    longer: side((difference) => difference > 0),
  };
}

/** Pearson's coefficient of two lists of one length; undefined where either does not vary. */
export function correlation(first: readonly number[], second: readonly number[]): number | undefined {
  const [a, b] = [mean(first), mean(second)];
  let products = 0;
  let squares = 0;
  let otherSquares = 0;
  for (const [place, value] of first.entries()) {
    const [left, right] = [value - a, second[place]! - b];
    products += left * right;
    squares += left * left;
    otherSquares += right * right;
  }
  const size = Math.sqrt(squares) * Math.sqrt(otherSquares);
  return size > 0 ? Math.min(1, Math.max(-1, products / size)) : undefined;
}
