import { describe, expect, it } from 'vitest';
import type { Series } from '../../shared/contract.ts';
import { extentOf, firstAtLeast, plotLine, visiblePlaces, type Known, type PlotSettings } from './plotted.ts';

const plain: PlotSettings = { x: 'step', smoothing: 1, logX: false, logY: false, spread: 'sd' };
const line = { key: 'a', label: 'a', loss: 'dpo', runs: [1], metric: 'loss' };

function series(values: readonly number[], more: Partial<Series> = {}): Series {
  return {
    run: 1,
    metric: 'loss',
    steps: values.map((_, place) => place + 1),
    mean: values,
    min: values,
    max: values,
    count: values.map(() => 1),
    ...more,
  };
}
const of =
  (all: Readonly<Record<string, Series>>) =>
  (run: number, metric: string): Known | undefined => {
    const whole = all[`${run} ${metric}`];
    return whole && { whole };
  };

describe('a line', () => {
  it('keeps raw values beside smoothed ones', () => {
    const plotted = plotLine(line, of({ '1 loss': series([4, 2, 6]) }), { ...plain, smoothing: 2 })!;
    expect(plotted.raw).toEqual([4, 2, 6]);
    expect(plotted.value[1]).toBeCloseTo((0.5 * 4 + 2) / 1.5, 12);
    expect(plotted.low).toBeUndefined();
    expect(plotted.broken).toBeUndefined();
  });

  it('of evaluations is not smoothed', () => {
    const evaluations = of({ '1 eval_loss': series([4, 2, 6], { metric: 'eval_loss' }) });
    const plotted = plotLine({ ...line, metric: 'eval_loss' }, evaluations, { ...plain, smoothing: 100 })!;
    expect(plotted.value).toEqual([4, 2, 6]);
  });

  it('lies over tokens or time where its run counted them, else is not there', () => {
    const all = { '1 loss': series([4, 2]), '1 num_tokens': series([100, 300]) };
    expect(plotLine(line, of(all), { ...plain, x: 'tokens' })!.x).toEqual([100, 300]);
    expect(plotLine(line, of(all), { ...plain, x: 'time' })).toBeUndefined();
    expect(plotLine({ ...line, metric: 'other' }, of(all), plain)).toBeUndefined();
  });

  it('that broke carries a marker at its last finite value', () => {
    const plotted = plotLine(line, of({ '1 loss': series([4, 2, NaN, NaN], { brokenAt: 3 }) }), plain)!;
    expect(plotted.broken).toEqual({ x: 2, y: 2 });
    expect(plotted.diverged).toEqual([1]);
    expect(extentOf([plotted], undefined)).toEqual({ low: 2, high: 4 });
  });

  it('leaves out on a logarithmic axis what has no logarithm, and says how much', () => {
    const plotted = plotLine(line, of({ '1 loss': series([1, 0, -2, 8]) }), { ...plain, logY: true })!;
    expect(plotted.raw).toEqual([1, NaN, NaN, 8]);
    expect(plotted.leftOut).toBe(2);
    const early = plotLine(line, of({ '1 loss': series([1, 2], { steps: [0, 1] }) }), {
      ...plain,
      logX: true,
    })!;
    expect([early.x, early.value, early.leftOut]).toEqual([[1], [2], 1]);
  });

  it('is finer where finer values are known', () => {
    const whole = series([2, 4], { steps: [10, 20], count: [10, 10], min: [1, 3], max: [3, 5] });
    const detail = { series: series([7, 9], { steps: [19, 20] }), from: 19, to: 20 };
    const plotted = plotLine(line, () => ({ whole, detail }), plain)!;
    expect(plotted.x).toEqual([10, 18, 19, 20]);
    expect(plotted.raw).toEqual([2, 4, 7, 9]);
    expect(plotted.high).toEqual([3, 5, 7, 9]);
  });
});

describe('seeds of an arm', () => {
  const all = {
    '1 loss': series([1, 2, 3, 4]),
    '2 loss': series([3, 6, NaN], { run: 2, brokenAt: 3 }),
  };
  const arm = { ...line, runs: [1, 2] };

  it('are a mean with a band over the steps that all have', () => {
    const plotted = plotLine(arm, of(all), { ...plain, spread: 'range' })!;
    expect(plotted).toMatchObject({ steps: [1, 2], value: [2, 4], low: [1, 2], high: [3, 6] });
    expect(plotted.diverged).toEqual([2]);
    expect(plotted.broken).toEqual({ x: 2, y: 4 });
  });

  it('are not drawn before every one has values', () => {
    expect(plotLine({ ...arm, runs: [1, 2, 3] }, of(all), plain)).toBeUndefined();
  });
});

describe('what is in sight', () => {
  it('reaches one place past both borders', () => {
    const x = [1, 2, 4, 8, 16];
    expect(visiblePlaces(x, 3, 9)).toEqual([1, 5]);
    expect(visiblePlaces(x, 0, 100)).toEqual([0, 5]);
    expect(visiblePlaces(x, 20, 30)).toEqual([4, 5]);
    expect([0, 2, 3, 17].map((least) => firstAtLeast(x, least))).toEqual([0, 1, 2, 5]);
  });

  it('sets the ends of the values', () => {
    const plotted = plotLine(line, of({ '1 loss': series([9, 1, 2, 3, 50]) }), plain)!;
    expect(extentOf([plotted], { from: 2.5, to: 3.5 })).toEqual({ low: 1, high: 3 });
    expect(extentOf([], undefined).low).toBe(Infinity);
  });
});
