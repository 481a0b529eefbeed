import { describe, expect, it } from 'vitest';
import { smooth } from './smooth.ts';

const ones = (length: number): number[] => Array.from({ length }, () => 1);
const wave = Array.from({ length: 300 }, (_, step) => Math.sin(step / 7) + 0.01 * step);

/** The definition, term by term. */
function average(values: readonly number[], window: number): number {
  const keep = 1 - 1 / window;
  const weights = values.map((_, place) => keep ** (values.length - 1 - place));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return values.reduce((sum, value, place) => sum + value * weights[place]!, 0) / total;
}

describe('smoothing', () => {
  it('is the weighted mean that defines it', () => {
    for (const window of [2, 10, 150]) {
      const smoothed = smooth(wave, ones(wave.length), window);
      for (const end of [1, 2, 17, 300])
        expect(smoothed[end - 1]).toBeCloseTo(average(wave.slice(0, end), window), 10);
    }
  });

  it('is not drawn to zero at the start', () => {
    expect(smooth([5, 5, 5], [1, 1, 1], 1000)).toEqual([5, 5, 5].map((five) => expect.closeTo(five, 10)));
    expect(smooth([1, 3], [1, 1], 2)[1]).toBeCloseTo((0.5 * 1 + 3) / 1.5, 12);
  });

  it('changes nothing with a window of one step', () => {
    expect(smooth(wave, ones(wave.length), 1)).toEqual(wave);
  });

  it('counts a bucket as often as it has values', () => {
    const [apart, together] = [smooth([2, 2, 2, 8], [1, 1, 1, 1], 5), smooth([2, 8], [3, 1], 5)];
    expect(together[0]).toBeCloseTo(apart[2]!, 12);
    expect(together[1]).toBeCloseTo(apart[3]!, 12);
  });

  it('leaves out what is not finite, and goes on after it as if it had not been', () => {
    const broken = smooth([1, NaN, Infinity, 3], [1, 4, 1, 1], 4);
    expect(broken.slice(1, 3)).toEqual([NaN, NaN]);
    expect(broken[3]).toBeCloseTo(average([1, 3], 4), 12);
  });
});
