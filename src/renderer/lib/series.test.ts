import { describe, expect, it } from 'vitest';
import { acrossSeeds, lastFinite, thinned, withDetail, type Buckets } from './series.ts';

/** Steps 1 to `last` cut into buckets of one width; a step's value is the step. */
function cut(last: number, width: number, from = 1): Buckets {
  const buckets = {
    steps: [] as number[],
    mean: [] as number[],
    min: [] as number[],
    max: [] as number[],
    count: [] as number[],
  };
  for (let first = from; first <= last; first += width) {
    const end = Math.min(last, first + width - 1);
    buckets.steps.push(end);
    buckets.mean.push((first + end) / 2);
    buckets.min.push(first);
    buckets.max.push(end);
    buckets.count.push(end - first + 1);
  }
  return buckets;
}
const total = ({ count }: Buckets): number => count.reduce((sum, each) => sum + each, 0);

describe('a finer part of a series', () => {
  it.each([
    [31, 60],
    [35, 52],
    [1, 7],
    [94, 100],
    [1, 100],
  ])('takes the place of steps %i to %i and leaves every step in once', (from, to) => {
    const joined = withDetail(cut(100, 10), cut(to, 1, from), from, to);
    expect(total(joined)).toBe(100);
    expect(joined.steps).toEqual([...joined.steps].sort((a, b) => a - b));
    expect(new Set(joined.steps).size).toBe(joined.steps.length);
    const inside = joined.steps.flatMap((step, place) => (step >= from && step <= to ? [place] : []));
    expect(inside.map((place) => joined.mean[place])).toEqual(cut(to, 1, from).mean);
  });

  it('may be empty, where the series has no value there', () => {
    const sparse: Buckets = { steps: [50, 100], mean: [1, 2], min: [1, 2], max: [1, 2], count: [1, 1] };
    const joined = withDetail(sparse, cut(0, 1), 60, 90);
    expect(joined.steps[0]).toBe(50);
    expect(joined.steps.at(-1)).toBe(100);
  });
});

describe('several seeds', () => {
  const seeds = [
    { steps: [1, 2, 3, 4], values: [1, 2, 3, NaN] },
    { steps: [1, 3, 4, 5], values: [3, 5, 1, 1] },
    { steps: [1, 2, 3, 4, 5], values: [5, 9, 10, 1, 1] },
  ];

  it('count at the steps that all have, with the sample deviation', () => {
    const band = acrossSeeds(seeds, 'sd');
    expect(band.steps).toEqual([1, 3]);
    expect(band.mean).toEqual([3, 6]);
    // Deviations of 1, 3, 5 and of 3, 5, 10.
    expect(band.high).toEqual([5, 6 + Math.sqrt(13)].map((value) => expect.closeTo(value, 12)));
    expect(band.low).toEqual([1, 6 - Math.sqrt(13)].map((value) => expect.closeTo(value, 12)));
    expect(band.seeds).toBe(3);
  });

  it('show least and largest', () => {
    const band = acrossSeeds(seeds, 'range');
    expect([band.low, band.high]).toEqual([
      [1, 3],
      [5, 10],
    ]);
  });

  it('have no spread where there is one', () => {
    expect(acrossSeeds([{ steps: [7], values: [2] }], 'sd')).toMatchObject({ low: [2], high: [2], seeds: 1 });
    expect(acrossSeeds([], 'sd').steps).toEqual([]);
  });
});

describe('a series that broke', () => {
  it('is marked at its last finite value', () => {
    expect(lastFinite([1, 2, 3, 4], [5, 6, NaN, NaN], 3)).toBe(1);
    // A bucket that holds finite values before the broken one.
    expect(lastFinite([10, 20, 30], [5, 6, NaN], 15)).toBe(1);
    // Values that are finite again later are not what is meant.
    expect(lastFinite([1, 2, 3], [5, NaN, 7], 2)).toBe(0);
    expect(lastFinite([1], [NaN], 1)).toBe(-1);
  });
});

describe('thinning', () => {
  it('keeps at most so many places, the last among them', () => {
    for (const [length, most] of [
      [1000, 300],
      [7, 7],
      [8, 7],
      [1, 1],
    ] as const) {
      const places = thinned(length, most);
      expect(places.length).toBeLessThanOrEqual(most);
      expect(places.length).toBeGreaterThanOrEqual(Math.floor(most / 2));
      expect(places.at(-1)).toBe(length - 1);
    }
    expect(thinned(0, 5)).toEqual([]);
  });
});
