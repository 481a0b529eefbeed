import { describe, expect, it } from 'vitest';
import type { RunSummary } from '../../shared/contract.ts';
import { armLines } from './arm-lines.ts';

const comparison = { arms: ['dpo', 'sft'], seeds: [0, 1] };
let last = 0;
const run = (loss: RunSummary['loss'], learningRate: number, beta: number, seed: number): RunSummary => ({
  id: ++last,
  project: 'default',
  loss,
  learningRate,
  beta,
  seed,
  status: 'finished',
  step: 5,
  model: 'm',
  data: 'd',
  seconds: 1,
  createdAt: '2026-01-01T00:00:00.000Z',
});
const runs = [0, 1].flatMap((seed) => [
  run('dpo', 1e-5, 0.1, seed),
  run('dpo', 1e-5, 0.5, seed),
  run('sft', 1e-5, 0.1, seed),
  run('dpo', 1e-4, 0.1, seed),
]);

describe('lines of a comparison', () => {
  it('take the seeds of an arm together, a loss without β at every β', () => {
    const lines = armLines(comparison, runs, { learningRate: 1e-5, beta: 0.5 }, ['loss'], true);
    expect(lines.map(({ loss, runs }) => [loss, runs])).toEqual([
      ['dpo', [2, 6]],
      ['sft', [3, 7]],
    ]);
  });

  it('do not name the seed where there is but one', () => {
    const one = { ...comparison, seeds: [1] };
    const lines = armLines(one, runs, { learningRate: 1e-4 }, ['loss'], false);
    expect(lines.map(({ runs, label }) => [...runs, label])).toEqual([[8, '']]);
  });

  it('are one for each seed and metric where that is asked, no two drawn alike', () => {
    const point = { learningRate: 1e-4 };
    const lines = armLines(comparison, runs, point, ['rewards/chosen', 'rewards/rejected'], false);
    expect(lines.map(({ runs, label }) => [...runs, label])).toEqual([
      [4, 'chosen, seed 0'],
      [4, 'rejected, seed 0'],
      [8, 'chosen, seed 1'],
      [8, 'rejected, seed 1'],
    ]);
    expect(new Set(lines.map(({ place }) => place)).size).toBe(4);
  });
});
