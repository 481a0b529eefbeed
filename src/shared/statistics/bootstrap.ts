import { mean, quantileOfSorted } from './descriptive.ts';
import type { Interval } from './intervals.ts';
import { randomGenerator } from './random.ts';
import { normalQuantile, normalUpperTail } from './special.ts';

export interface BootstrapOptions {
  /** The same seed gives the same interval. */
  readonly seed: number;
  readonly level?: number;
  readonly resamples?: number;
}

/** Bootstrap intervals of one mean, from the same resamples. */
export interface BootstrapIntervals {
  /** Between quantiles of the resampled means. */
  readonly percentile: Interval;
  /** Quantiles corrected for bias and for a spread that moves with the mean (BCa, Efron 1987). */
  readonly biasCorrected: Interval;
}

/**
 * Below this many replicates nothing must be decided by a bootstrap: at 95 % it covers 82 to 88 % with three to five of them, and
 * some 90 % with eight to twelve (test/honesty.ts). Show it, and let the t interval decide.
 */
export const fewestForBootstrap = 8;

/**
 * Percentile and BCa intervals of a mean paired difference: whole differences are resampled, so the pairing is kept.
 * Where every value is the same both are that value.
 * @throws RangeError for an empty list
 */
export function pairedBootstrapIntervals(
  differences: readonly number[],
  { seed, level = 0.95, resamples = 10_000 }: BootstrapOptions,
): BootstrapIntervals {
  const size = differences.length;
  if (size === 0) throw new RangeError('a bootstrap needs at least one value');
  const random = randomGenerator(seed);
  const means = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    let sum = 0;
    for (let draw = 0; draw < size; draw++) sum += differences[Math.floor(random() * size)]!;
    means[resample] = sum / size;
  }
  means.sort();
  const estimate = mean(differences);
  const between = (low: number, high: number): Interval => ({
    estimate,
    low: quantileOfSorted(means, low),
    high: quantileOfSorted(means, high),
    level,
  });
  const tail = (1 - level) / 2;
  return {
    percentile: between(tail, 1 - tail),
    biasCorrected: between(...biasCorrectedTails(differences, means, tail)),
  };
}

/** Which quantiles of the resampled means BCa takes. @param means sorted */
function biasCorrectedTails(
  values: readonly number[],
  means: Float64Array,
  tail: number,
): readonly [low: number, high: number] {
  const centre = mean(values);
  if (values.every((value) => value === values[0])) return [tail, 1 - tail];
  // Resampled means that equal the centre count half; sums taken in another order differ from it in last bits.
  const closeness = 1e-12 * Math.max(...values.map((value) => Math.abs(value - centre)));
  let below = 0;
  for (const each of means) below += each < centre - closeness ? 1 : each <= centre + closeness ? 0.5 : 0;
  // With all resamples on one side the bias would be infinite.
  const share = Math.min(means.length - 0.5, Math.max(0.5, below)) / means.length;
  const bias = normalQuantile(share);
  // The acceleration, by leaving out one value after another: for a mean that is a sum of cubes over one of squares.
  let squares = 0;
  let cubes = 0;
  for (const value of values) {
    squares += (value - centre) ** 2;
    cubes += (value - centre) ** 3;
  }
  const acceleration = cubes / (6 * squares ** 1.5);
  const corrected = (probability: number): number => {
    const shifted = bias + normalQuantile(probability);
    return normalUpperTail(-(bias + shifted / (1 - acceleration * shifted)));
  };
  return [corrected(tail), corrected(1 - tail)];
}

/**
 * Percentile interval of the mean of differences that were measured on the same items with every replicate (the questions a
 * model is asked, and its training seeds): replicates are resampled, and items, each for all replicates at once since they
 * are the same ones. So it holds for new replicates and new items alike. It errs to the wide side, more the less items
 * differ (Owen 2007), and to the narrow one below about eight replicates.
 * @param differences one list for each replicate, with an entry for each item in the same order
 * @param clusters for each item what it belongs to: items of one cluster are resampled together
 * @throws RangeError where there is nothing, or lists differ in length
 */
export function crossedBootstrapInterval(
  differences: readonly (readonly number[])[],
  { seed, level = 0.95, resamples = 2_000, clusters }: BootstrapOptions & { clusters?: readonly string[] },
): Interval {
  const [first = []] = differences;
  const items = first.length;
  if (items === 0 || [...differences, clusters ?? first].some(({ length }) => length !== items)) {
    throw new RangeError('a crossed bootstrap needs the same items, one or more, with every replicate');
  }
  const replicates = differences.length;
  const { sums, sizes } = clusterSums(differences, clusters ?? first.map((_, item) => String(item)));
  const { patterns, patternOf } = distinctPatterns(sums);
  const clusterCount = sizes.length;

  const random = randomGenerator(seed);
  const weights = new Float64Array(replicates);
  const values = new Float64Array(patterns.length);
  const means = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    weights.fill(0);
    for (let draw = 0; draw < replicates; draw++)
      weights[Math.floor(random() * replicates)]! += 1 / replicates;
    patterns.forEach((pattern, place) => {
      let value = 0;
      for (let replicate = 0; replicate < replicates; replicate++)
        value += weights[replicate]! * pattern[replicate]!;
      values[place] = value;
    });
    let sum = 0;
    let size = 0;
    for (let draw = 0; draw < clusterCount; draw++) {
      const cluster = Math.floor(random() * clusterCount);
      sum += values[patternOf[cluster]!]!;
      size += sizes[cluster]!;
    }
    means[resample] = sum / size;
  }
  means.sort();
  return {
    estimate: mean(differences.map(mean)),
    low: quantileOfSorted(means, (1 - level) / 2),
    high: quantileOfSorted(means, (1 + level) / 2),
    level,
  };
}

/** For each cluster the sum of its items' differences with every replicate, and how many items it has. */
function clusterSums(
  differences: readonly (readonly number[])[],
  clusters: readonly string[],
): { readonly sums: number[][]; readonly sizes: number[] } {
  const places = new Map<string, number>();
  const sums: number[][] = [];
  const sizes: number[] = [];
  clusters.forEach((cluster, item) => {
    let place = places.get(cluster);
    if (place === undefined) {
      place = sums.length;
      places.set(cluster, place);
      sums.push(differences.map(() => 0));
      sizes.push(0);
    }
    sizes[place]! += 1;
    differences.forEach((ofReplicate, replicate) => (sums[place!]![replicate]! += ofReplicate[item]!));
  });
  return { sums, sizes };
}

/** Most items answer alike under both arms: each distinct row of differences is weighed once a resample. */
function distinctPatterns(rows: readonly (readonly number[])[]): {
  readonly patterns: readonly (readonly number[])[];
  readonly patternOf: Uint32Array;
} {
  const places = new Map<string, number>();
  const patterns: (readonly number[])[] = [];
  const patternOf = Uint32Array.from(rows, (row) => {
    const key = row.join();
    const known = places.get(key);
    if (known !== undefined) return known;
    places.set(key, patterns.length);
    return patterns.push(row) - 1;
  });
  return { patterns, patternOf };
}
