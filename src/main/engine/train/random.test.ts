import { describe, expect, test } from 'vitest';
import { Random } from './random.ts';

const stream = (seed: number, purpose: string, count: number): number[] => {
  const random = new Random(seed, purpose);
  return Array.from({ length: count }, () => random.next());
};

/** Σ (observed − expected)² / expected over equally likely bins. */
function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** Quantiles of χ² with 63 degrees of freedom at 1e-6 and 1 − 1e-6, and with 23 at 1 − 1e-6 (scipy.stats.chi2). */
const [low63, high63, high23] = [23.16, 131.37, 70.55];

describe('a stream of random numbers', () => {
  test('is xoshiro128** seeded by SHA-256', () => {
    // By an independent implementation in Python with hashlib.
    expect(stream(7, 'order', 6)).toEqual([
      855790986, 3158377255, 3362790383, 2528318506, 2011614191, 11948587,
    ]);
    expect(stream(0, 'adapter', 3)).toEqual([300280554, 3650552647, 3157200139]);
  });

  test('depends on seed and purpose alone', () => {
    expect(stream(1, 'a', 20)).toEqual(stream(1, 'a', 20));
    expect(stream(1, 'a', 20)).not.toEqual(stream(2, 'a', 20));
    expect(stream(1, 'a', 20)).not.toEqual(stream(1, 'b', 20));
  });

  test.each([
    ['high bits', (random: Random) => random.next() >>> 26],
    ['low bits', (random: Random) => random.next() & 63],
    ['uniform', (random: Random) => Math.floor(random.uniform() * 64)],
    ['below', (random: Random) => random.below(64)],
  ] as const)('is uniform: %s', (_name, draw) => {
    const random = new Random(3, 'uniformity');
    const counts = new Array<number>(64).fill(0);
    for (let time = 0; time < 64_000; time++) counts[draw(random)]! += 1;
    expect(chiSquare(counts)).toBeGreaterThan(low63);
    expect(chiSquare(counts)).toBeLessThan(high63);
  });

  test('has normal numbers of mean 0, variance 1 and kurtosis 3', () => {
    const random = new Random(4, 'normality');
    const count = 100_000;
    const moments = [0, 0, 0, 0];
    for (let time = 0; time < count; time++) {
      const value = random.normal();
      for (let power = 0; power < 4; power++) moments[power]! += value ** (power + 1) / count;
    }
    // Five standard errors: √(1, 2, 15, 96) / √100,000.
    [0, 1, 0, 3].forEach((expected, power) => {
      const error = Math.sqrt([1, 2, 15, 96][power]! / count);
      expect(Math.abs(moments[power]! - expected)).toBeLessThan(5 * error);
    });
  });
});

describe('a permutation', () => {
  test.each([0, 1, 2, 100])('of %i holds each number once', (length) => {
    const order = new Random(5, 'order').permutation(length);
    expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length }, (_, place) => place));
  });

  test('takes each order equally often', () => {
    const random = new Random(6, 'order');
    const counts = new Map<string, number>();
    for (let time = 0; time < 24_000; time++) {
      const order = random.permutation(4).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    expect(chiSquare([...counts.values()])).toBeLessThan(high23);
  });
});
