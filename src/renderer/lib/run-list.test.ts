import { describe, expect, it } from 'vitest';
import type { RunSummary } from '../../shared/contract.ts';
import { filterRuns, sortRuns, valuesOf } from './run-list.ts';

const run = (id: number, more: Partial<RunSummary> = {}): RunSummary => ({
  id,
  project: 'first',
  loss: 'dpo',
  learningRate: 5e-6,
  seed: 0,
  status: 'finished',
  step: 10,
  model: 'small',
  data: 'pairs',
  seconds: 1,
  createdAt: '2026-01-01T00:00:00Z',
  ...more,
});
const runs = [
  run(1, { beta: 0.1 }),
  run(2, { loss: 'sft', project: 'second', status: 'failed', divergedAt: 3 }),
  run(3, { beta: 0.5, model: 'large', status: 'failed', error: 'Out of memory' }),
];
const ids = (found: readonly RunSummary[]): number[] => found.map(({ id }) => id);

describe('the list of runs', () => {
  it('is filtered by columns and by words', () => {
    expect(ids(filterRuns(runs, {}))).toEqual([1, 2, 3]);
    expect(ids(filterRuns(runs, { project: 'first', status: 'failed' }))).toEqual([3]);
    expect(ids(filterRuns(runs, { status: 'diverged' }))).toEqual([2]);
    expect(ids(filterRuns(runs, { loss: 'dpo', model: 'small' }))).toEqual([1]);
    expect(ids(filterRuns(runs, { search: 'MEMORY  large' }))).toEqual([3]);
    expect(ids(filterRuns(runs, { search: 'nothing' }))).toEqual([]);
  });

  it('is sorted by a column, missing values last either way', () => {
    expect(ids(sortRuns(runs, 'beta', false))).toEqual([1, 3, 2]);
    expect(ids(sortRuns(runs, 'beta', true))).toEqual([3, 1, 2]);
    expect(ids(sortRuns(runs, 'model', false))).toEqual([3, 1, 2]);
  });

  it('offers the values that there are', () => {
    expect(valuesOf(runs, 'project')).toEqual(['first', 'second']);
  });
});
