import { describe, expect, it } from 'vitest';
import type { RunSummary } from '../../shared/contract.ts';
import { jobBar } from './progress.ts';

const run = (part: Partial<RunSummary>): RunSummary => ({
  id: 1,
  project: 'default',
  loss: 'dpo',
  learningRate: 1e-3,
  seed: 0,
  status: 'running',
  step: 0,
  model: 'example',
  data: 'pairs',
  seconds: 0,
  createdAt: '2026-01-01T00:00:00.000Z',
  ...part,
});

describe('how far a job is', () => {
  it('counts steps over its runs, those that have not begun as long as the others', () => {
    const runs = [
      run({ status: 'finished', step: 40, totalSteps: 50 }),
      run({ id: 2, step: 10, totalSteps: 50 }),
      run({ id: 3, status: 'queued' }),
    ];
    expect(jobBar(runs, undefined)).toEqual({ label: '3 runs, pairs', done: 60, total: 150 });
  });

  it('says what the process says while it prepares', () => {
    const event = {
      kind: 'progress',
      label: 'reference log-probs',
      done: 3,
      total: 9,
      unit: 'pairs',
    } as const;
    expect(jobBar([run({})], event)).toEqual({ label: 'reference log-probs', done: 3, total: 9 });
  });

  it('knows no total before the first run has begun', () => {
    expect(jobBar([run({ id: 7 })], undefined)).toEqual({ label: 'run 7, dpo', done: 0 });
  });
});
