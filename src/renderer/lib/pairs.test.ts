import { describe, expect, it } from 'vitest';
import type { ComparisonResult, PairLogRatios } from '../../shared/comparison.ts';
import {
  disagreements,
  pairCourse,
  pairPoints,
  stepWindows,
  strength,
  tokenDifferences,
  windowAt,
} from './pairs.ts';

describe('windows of steps', () => {
  it('are the evaluations of any run, each by itself', () => {
    const runs = [
      { run: 1, eval: [0, 10, 20] },
      { run: 2, eval: [0, 15] },
    ];
    expect(stepWindows(runs, 'eval').map(({ from, to }) => [from, to])).toEqual([
      [0, 0],
      [10, 10],
      [15, 15],
      [20, 20],
    ]);
    expect(stepWindows(runs, 'train')).toEqual([]);
  });

  it('cover every training step once, in stretches that do not grow without end', () => {
    const cover = (first: number, last: number): number[] => {
      const windows = stepWindows([{ run: 1, train: { first, last }, eval: [] }], 'train');
      expect(windows[0]!.from).toBe(first);
      expect(windows.at(-1)!.to).toBe(last);
      windows.slice(1).forEach(({ from }, place) => expect(from).toBe(windows[place]!.to + 1));
      return windows.map(({ from, to }) => to - from + 1);
    };
    expect(cover(1, 7)).toEqual(Array.from({ length: 7 }, () => 1));
    expect(cover(1, 81)).toEqual([...Array.from({ length: 27 }, () => 3)]);
    expect(Math.max(...cover(5, 1_000_000))).toBe(100);
  });

  it('are found by a step that lies in them', () => {
    const windows = [
      { from: 1, to: 3 },
      { from: 4, to: 6 },
      { from: 7, to: 7 },
    ];
    expect([5, 1, 99, undefined].map((step) => windowAt(windows, step))).toEqual([1, 0, 2, 2]);
    expect(windowAt([], 1)).toBeUndefined();
  });
});

describe('points of pairs', () => {
  const arms = [
    {
      loss: 'dpo',
      runs: [
        { id: 1, seed: 0 },
        { id: 2, seed: 1 },
      ],
    },
    { loss: 'minor-sft', runs: [{ id: 3, seed: 0 }] },
  ];
  const found = [
    { run: 1, pairs: [{ row: 7, steps: [2, 5], c: [1, 2], r: [3, 4], gate: [] }] },
    { run: 2, pairs: [{ row: 7, steps: [2, 5], c: [1, NaN], r: [3, 4], gate: [] }] },
    { run: 3, pairs: [{ row: 7, steps: [2], c: [1], gate: [] }] },
  ];

  it('are where each pair was last seen', () => {
    expect(pairPoints(arms, found)).toEqual([
      { label: 'dpo', loss: 'dpo', points: [{ x: 2, y: 4, key: 7, label: 'row 7, seed 0' }] },
      { label: 'minor-sft', loss: 'minor-sft', points: [] },
    ]);
  });

  it('are a course over the steps of one pair', () => {
    expect(pairCourse(arms, found, 'c').map(({ points }) => points.map(({ x, y }) => [x, y]))).toEqual([
      [
        [2, 1],
        [5, 2],
        [2, 1],
      ],
      [[2, 1]],
    ]);
    expect(pairCourse(arms, found, 'r')[1]!.points).toEqual([]);
  });
});

describe('pairs on which two arms disagree', () => {
  const run = (
    loss: string,
    seed: number,
    right: readonly boolean[],
    status: 'finished' | 'diverged' = 'finished',
  ) => ({
    ...{ loss, seed, learningRate: 1e-5, status },
    evaluation: {
      perPair: right.map((isRight, place): PairLogRatios => ({
        index: 10 + place,
        c: Number(isRight),
        r: 0,
      })),
    },
  });
  const result = {
    ...{ seeds: [0, 1, 2], learningRates: [1e-5], arms: ['dpo', 'minor-dpo'] },
    runs: [
      run('dpo', 0, [true, true, false, true]),
      run('dpo', 1, [true, true, true, false]),
      run('dpo', 2, [true, true, true, true], 'diverged'),
      run('minor-dpo', 0, [true, false, false, false]),
      run('minor-dpo', 1, [true, false, true, true]),
      run('minor-dpo', 2, [false, false, false, false]),
    ],
  } as unknown as ComparisonResult;
  const point = { learningRate: 1e-5 };

  it('are counted over the seeds on which both have finished', () => {
    expect(disagreements(result, point, 'dpo', 'minor-dpo')).toEqual([
      { row: 11, right: 2, otherRight: 0, seeds: 2 },
    ]);
    // Row 13 is right once under either: neither arm has more.
    expect(disagreements(result, point, 'minor-dpo', 'dpo')).toEqual([]);
  });

  it('take a tie of c and r for wrong', () => {
    const tied = {
      ...result,
      seeds: [0],
      runs: [run('dpo', 0, [true]), run('minor-dpo', 0, [false])],
    } as unknown as ComparisonResult;
    expect(disagreements(tied, point, 'dpo', 'minor-dpo')).toEqual([
      { row: 10, right: 1, otherRight: 0, seeds: 1 },
    ]);
  });
});

describe('differences of tokens', () => {
  const scored = (...logProbs: number[]) => ({
    tokens: logProbs.map((logProb, id) => ({ id, text: `t${id}`, logProb })),
  });

  it('are to the reference, policy by policy', () => {
    expect(tokenDifferences(scored(-1, -2), [scored(-0.5, -2), scored(-3, -1)])).toEqual([
      { text: 't0', reference: -1, differences: [0.5, -2] },
      { text: 't1', reference: -2, differences: [0, 1] },
    ]);
    expect(() => tokenDifferences(scored(-1), [scored(-1, -1)])).toThrow('not the same');
  });

  it('are coloured by their size up to a limit', () => {
    expect([0, 1, -1, 2, -9, NaN].map(strength)).toEqual([0, 0.5, 0.5, 1, 1, 0]);
  });
});
