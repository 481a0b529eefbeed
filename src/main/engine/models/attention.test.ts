import { describe, expect, test } from 'vitest';
import { headGroupsOf } from './attention.ts';

describe('key heads whose products are one operation', () => {
  test('all, or each for itself', () => {
    expect(headGroupsOf(3, 'all')).toEqual([3]);
    expect(headGroupsOf(3, 'apart')).toEqual([1, 1, 1]);
  });

  test('are few operations that threads share evenly', () => {
    expect(headGroupsOf(3, { evenFor: 2 })).toEqual([2, 1]);
    expect(headGroupsOf(3, { evenFor: 8 })).toEqual([1, 1, 1]);
    expect(headGroupsOf(2, { evenFor: 8 })).toEqual([2]);
    expect(headGroupsOf(8, { evenFor: 4 })).toEqual([8]);
    expect(headGroupsOf(5, { evenFor: 3 })).toEqual([3, 1, 1]);
  });

  test('no thread waits for another, whatever there are of both', () => {
    for (let heads = 1; heads <= 12; heads++) {
      for (let threads = 1; threads <= 12; threads++) {
        const groups = headGroupsOf(heads, { evenFor: threads });
        expect(groups.reduce((sum, size) => sum + size)).toBe(heads);
        // The runtime cuts each product into as many equal parts as give every thread one at least, and deals them out.
        for (const size of groups) {
          const parts = size * Math.ceil(threads / size);
          expect(parts % threads, `${size} of ${heads} heads, ${threads} threads`).toBe(0);
        }
      }
    }
  });
});
