import { describe, expect, it } from 'vitest';
import { around, axisOf, formatPlace, hasLogWords, scaleEnds, tickDigits } from './axis.ts';

const buckets = (steps: number[], mean: number[], count: number[], max = mean) => ({
  steps,
  mean,
  min: mean,
  max,
  count,
});

describe('axes', () => {
  it('of steps leave steps as they are', () => {
    const axis = axisOf('step', undefined)!;
    expect([axis.at(7), axis.stepAt(7)]).toEqual([7, 7]);
  });

  it('of tokens pass through what had been counted at the end of each bucket', () => {
    // 100 tokens a step, cut into buckets of 4 and then 2 steps.
    const axis = axisOf('tokens', buckets([4, 8, 10], [250, 650, 950], [4, 4, 2], [400, 800, 1000]))!;
    for (const step of [1, 3, 4, 7, 8, 10, 12]) expect(axis.at(step)).toBeCloseTo(100 * step, 9);
    for (const step of [1, 5, 10]) expect(axis.stepAt(axis.at(step))).toBeCloseTo(step, 9);
  });

  it('of time sum up seconds over steps, not over buckets', () => {
    const axis = axisOf('time', buckets([4, 6], [2, 5], [4, 2]))!;
    expect([axis.at(4), axis.at(6), axis.at(2), axis.at(5)]).toEqual([8, 18, 4, 13]);
  });

  it('step over what is not finite, and are missing where nothing was measured', () => {
    const axis = axisOf('tokens', buckets([1, 2, 3], [10, NaN, 30], [1, 1, 1]))!;
    expect(axis.at(2)).toBeCloseTo(20, 9);
    expect(axisOf('tokens', undefined)).toBeUndefined();
    expect(axisOf('time', buckets([1], [NaN], [1]))).toBeUndefined();
  });

  it('are told in the words of their kind', () => {
    expect([formatPlace('step', 12_345), formatPlace('tokens', 2_400_000), formatPlace('time', 75)]).toEqual([
      '12,345',
      '2.4M',
      '1:15',
    ]);
  });
});

describe('ends of a scale', () => {
  it('leave room on both sides', () => {
    expect(scaleEnds(0, 1, false)).toEqual({ min: -0.05, max: 1.05 });
    const { min, max } = scaleEnds(1, 100, true);
    expect(min * max).toBeCloseTo(100, 9);
    expect(min).toBeLessThan(1);
    expect(min).toBeGreaterThan(0);
  });

  it('make no course of what rounding leaves of one value', () => {
    const { min, max } = scaleEnds(Math.fround(Math.LN2), Math.LN2, false);
    expect(max - min).toBeGreaterThan(0.05);
    // Nearly the same is not the same.
    expect(scaleEnds(1, 1.001, false).max).toBeLessThan(1.01);
  });

  it('do not go below 0 where nothing but 0 is to be seen', () => {
    expect(scaleEnds(0, 0, false)).toEqual({ min: 0, max: 0.5 });
  });

  it('are on both sides of a single place', () => {
    expect(around({ from: 1, to: 1 }, false)).toEqual({ from: 0, to: 2 });
    expect(around({ from: 8, to: 8 }, true)).toEqual({ from: 4, to: 16 });
    expect(around({ from: 1, to: 9 }, false)).toEqual({ from: 1, to: 9 });
  });

  it('begin or end at 0 where it is shown and nothing lies beyond', () => {
    expect(scaleEnds(0.5, 2, false, true)).toEqual({ min: 0, max: 2.1 });
    expect(scaleEnds(-2, -1, false, true)).toEqual({ min: -2.1, max: 0 });
    const { min, max } = scaleEnds(-1, 1, false, true);
    expect([min, max]).toEqual([-1.1, 1.1]);
    expect(scaleEnds(0, 0, false, true)).toEqual({ min: 0, max: 0.5 });
  });

  it('are a range also around a single value, and where there is none', () => {
    for (const [low, high] of [
      [3, 3],
      [0, 0],
      [Infinity, -Infinity],
    ] as const) {
      const { min, max } = scaleEnds(low, high, false);
      expect(max).toBeGreaterThan(min);
    }
    expect(scaleEnds(Infinity, -Infinity, true).min).toBeGreaterThan(0);
  });
});

describe('ticks', () => {
  it('of a narrow range have the digits that tell them apart', () => {
    for (const ticks of [
      [0.69312, 0.69313, 0.69314],
      [0, 0.5, 1],
      [1200, 1200.5, 1201],
    ]) {
      const told = ticks.map((tick) => Number(tick.toPrecision(tickDigits(ticks))));
      expect(told).toEqual(ticks);
    }
  });

  it('of short times are told apart', () => {
    expect([1, 1.5, 2].map((place) => formatPlace('time', place, 4))).toEqual(['1.0 s', '1.5 s', '2.0 s']);
    expect(formatPlace('time', 0.25, 0.5)).toBe('0.25 s');
    expect(formatPlace('time', 75, 300)).toBe('1:15');
  });

  it('of a logarithmic scale are told at 1, 2 and 5, and not at the ends it marks by itself', () => {
    const wide = { from: 0.001, to: 1 };
    const told = [0.001, 0.002, 0.003, 0.005, 0.01, 0.5469, 0.5, 1].filter((value) =>
      hasLogWords(value, wide),
    );
    expect(told).toEqual([0.001, 0.002, 0.005, 0.01, 0.5, 1]);
    // Within a power of ten those alone would be one or none.
    const narrow = { from: 0.4867, to: 0.71 };
    expect([0.4867, 0.5, 0.55, 0.6, 0.7].filter((value) => hasLogWords(value, narrow))).toEqual([
      0.5, 0.55, 0.6, 0.7,
    ]);
  });
});
