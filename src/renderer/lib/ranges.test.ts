import { describe, expect, it } from 'vitest';
import { countIn, isIn, rangesOf, without, withRange, type Ranges } from './ranges.ts';

describe('ranges', () => {
  it('hold what a set would, kept apart and in order', () => {
    let state = 3;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let ranges: Ranges = [];
    const held = new Set<number>();
    for (let trial = 0; trial < 400; trial += 1) {
      const [one, other] = [random(40), random(40)];
      if (trial % 3 === 0 && Math.abs(one - other) < 8) {
        ranges = withRange(ranges, one, other);
        for (let value = Math.min(one, other); value <= Math.max(one, other); value += 1) held.add(value);
      } else {
        ranges = without(ranges, one);
        held.delete(one);
      }
      expect(countIn(ranges)).toBe(held.size);
      for (let value = 0; value < 40; value += 1) expect(isIn(ranges, value)).toBe(held.has(value));
      ranges.forEach(([first, last], place) => {
        expect(first).toBeLessThanOrEqual(last);
        if (place > 0) expect(first).toBeGreaterThan(ranges[place - 1]![1] + 1);
      });
      expect(ranges).toEqual(rangesOf([...held].sort((a, b) => a - b)));
    }
  });
});
