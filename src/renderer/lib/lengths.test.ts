import { describe, expect, it } from 'vitest';
import { atLeast } from './lengths.ts';

describe('lengths beyond a limit', () => {
  const bins = [
    { from: 0, to: 10, count: 5 },
    { from: 10, to: 20, count: 3 },
    { from: 20, to: 30, count: 2 },
  ];

  it('are counted, and bounded where a bin lies across the limit', () => {
    expect(atLeast(bins, 0)).toEqual({ least: 10, most: 10 });
    expect(atLeast(bins, 10)).toEqual({ least: 5, most: 5 });
    expect(atLeast(bins, 11)).toEqual({ least: 2, most: 5 });
    expect(atLeast(bins, 19)).toEqual({ least: 2, most: 5 });
    expect(atLeast(bins, 20)).toEqual({ least: 2, most: 2 });
    expect(atLeast(bins, 30)).toEqual({ least: 0, most: 0 });
  });
});
