import type { Measure } from '../measures.ts';
import { errorRate } from '../error-rates.ts';

/** Of a report's number; empty where it has none that is known. */
export type NumberUnit = Measure['unit'] | 'probability' | 'count' | 'seconds' | '';

/** A number in what statistics found. */
export interface FoundNumber {
  /** Where it stands, in words joined by dashes; of a seed's numbers the seed comes first: `s0`, `difference`. */
  readonly path: readonly string[];
  readonly seed?: number;
  readonly value: number;
  /** Absent: that of the measure. */
  readonly unit?: NumberUnit;
}

/** Places of a comparison, which ids hold already. */
const places = new Set(['learningRate', 'beta', 'seed']);

/** `adjusted-p-value` for `adjustedPValue`. */
export const dashed = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const units: Readonly<Record<string, NumberUnit>> = {
  ...{ 'p-value': 'probability', 'adjusted-p-value': 'probability', level: 'probability' },
  ...{ exact: 'probability', 'mid-p': 'probability' },
  ...{ items: 'count', prompts: 'count', 'only-arm': 'count', 'only-against': 'count' },
};

/**
 * Every finite number within, whatever fields there are. Lists with an entry for each seed are told apart by the seeds; lists of
 * bare numbers (seeds that diverged) are not numbers of a report.
 */
export function numbersIn(found: object, path: readonly string[] = [], seed?: number): FoundNumber[] {
  return Object.entries(found).flatMap(([key, value]: [string, unknown]): FoundNumber[] => {
    if (places.has(key)) return [];
    const name = dashed(key);
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) return [];
      const unit = units[name];
      return [
        {
          path: [...path, name],
          value,
          ...(unit === undefined ? {} : { unit }),
          ...(seed === undefined ? {} : { seed }),
        },
      ];
    }
    if (Array.isArray(value))
      return value.flatMap((entry: unknown, place) => {
        if (typeof entry !== 'object' || entry === null) return [];
        const own = (entry as { readonly seed?: unknown }).seed;
        return typeof own === 'number'
          ? numbersIn(entry, [...path, `s${own}`], own)
          : numbersIn(entry, [...path, name, String(place)], seed);
      });
    return typeof value === 'object' && value !== null ? numbersIn(value, [...path, name], seed) : [];
  });
}

const ways: Readonly<Record<string, string>> = {
  difference: 'the arm’s value less the first arm’s, of the same seed',
  'mean-difference': 'mean of the differences',
  'half-width': 'half the width of Student’s t interval over the differences, at `level`',
  level: 'coverage that Holm’s procedure decided at',
  'p-value': 'paired t test over the differences',
  detectable: 'smallest difference found with 80 % power, from the spread of the differences',
  'only-arm': 'items that the arm’s model alone has right',
  'only-against': 'items that the first arm’s model alone has right',
  exact: 'McNemar’s exact test of both counts',
  'mid-p': 'McNemar’s mid-p of both counts',
  items: 'items counted',
  prompts: 'different prompts among them',
  validation: 'mean over seeds on the half that settings were chosen on',
  test: 'mean over seeds on the other half',
};

/** What Holm's correction is over, and its part of the error rate. */
export interface Family {
  readonly over: string;
  readonly rate: number;
}

/** How a statistic is had, in words. @param family of a verdict's */
export function wayTo(path: readonly string[], family?: Family): string {
  const last = path.at(-1)!;
  if (family && last === 'adjusted-p-value')
    return `the same after Holm’s correction over ${family.over}, times ${errorRate} over their part of it, ${Number(family.rate.toFixed(6))}`;
  if (path.includes('bootstrap')) return `${last} of the bootstrap over the differences (seed 0)`;
  if (path.includes('interval')) return `${last} of the bootstrap over seeds and items (seed 0)`;
  return ways[last] ?? `${last.replaceAll('-', ' ')}, as the statistics define it`;
}
