import { mean, sampleStandardDeviation } from './statistics/descriptive.ts';

/** Mean over seeds of one measure, with the spread between seeds. */
export interface SeedSummary {
  /** Finished runs that have the measure. */
  readonly seeds: number;
  readonly mean?: number;
  /** Sample standard deviation; absent below two seeds. */
  readonly standardDeviation?: number;
}

/** Of the values that are known. */
export function summarise(values: readonly (number | undefined)[]): SeedSummary {
  const known = values.filter((value) => value !== undefined);
  return {
    seeds: known.length,
    ...(known.length > 0 && { mean: mean(known) }),
    ...(known.length > 1 && { standardDeviation: sampleStandardDeviation(known) }),
  };
}
