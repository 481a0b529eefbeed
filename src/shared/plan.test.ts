import { describe, expect, it } from 'vitest';
import { describeOutcome, describePlan, fits, lowerMemory, planError, type Plan } from './plan.ts';

const plan: Plan = {
  memory: {
    peak: 3e9,
    parts: [
      { name: 'model and sessions', amount: 1e9 },
      { name: 'longest sequence', amount: 2e9 },
    ],
    available: 4e9,
    alternatives: [
      { change: 'lower the max length to 384 tokens', peak: 2.2e9 },
      { change: 'lower the max length to 256 tokens', peak: 1.8e9 },
    ],
  },
  disk: [{ folder: '/home', bytes: 2e8, parts: [{ name: 'checkpoints', amount: 2e8 }], free: 1e9 }],
  time: { total: 100, parts: [{ name: 'training', amount: 100 }] },
};
const narrow = (available: number): Plan => ({ ...plan, memory: { ...plan.memory, available } });

describe('fits', () => {
  it('is so where all there is suffices', () => {
    expect(fits(plan)).toEqual({ fits: true, reasons: [] });
  });

  it('names the mildest change that is enough', () => {
    const { fits: does, reasons } = fits(narrow(2.3e9));
    expect(does).toBe(false);
    expect(reasons).toEqual([
      'needs about 3.0 GB of memory, 2.3 GB can be had; lower the max length to 384 tokens (about 2.2 GB)',
    ]);
    expect(fits(narrow(2e9)).reasons[0]).toContain('to 256 tokens (about 1.8 GB)');
  });

  it('says how much is to be freed where no change is enough', () => {
    expect(lowerMemory({ ...plan.memory }, 1e9)).toBe(
      'lower the max length to 256 tokens (about 1.8 GB) and free 800 MB of memory, or take a smaller model',
    );
    expect(lowerMemory({ ...plan.memory, alternatives: [] }, 1e9)).toBe(
      'free 2.0 GB of memory or take a smaller model',
    );
  });

  it('refuses a full disk by itself', () => {
    const full: Plan = { ...plan, disk: [{ ...plan.disk[0]!, free: 1e8 }] };
    expect(fits(full).reasons).toEqual([
      'needs about 200 MB of disk in /home, 100 MB are free; keep fewer checkpoints or free some space',
    ]);
  });
});

describe('planError', () => {
  it('is the share by which the plan was above what was taken', () => {
    const error = planError(plan, { seconds: 125, peakMemory: 2.5e9, disk: 4e8 });
    expect(error.memory).toBeCloseTo(0.2, 9);
    expect(error.time).toBeCloseTo(-0.2, 9);
    expect(error.disk).toBeCloseTo(-0.5, 9);
  });

  it('has no time where none was planned', () => {
    expect(planError({ memory: plan.memory, disk: [] }, { seconds: 1, peakMemory: 3e9 })).toEqual({
      memory: 0,
    });
  });
});

describe('lines', () => {
  it('show each estimate with its parts', () => {
    expect(describePlan(plan)).toEqual([
      'memory  about 3.0 GB of 4.0 GB (model and sessions 1.0 GB, longest sequence 2.0 GB)',
      'disk    at most 200 MB of 1.0 GB free in /home (checkpoints 200 MB)',
      'time    about 1:40 (training 1:40)',
    ]);
  });

  it('show a plan beside its outcome', () => {
    expect(describeOutcome(plan, { seconds: 125, peakMemory: 2.5e9 })).toEqual([
      'memory  3.0 GB planned, 2.5 GB taken (+20 %)',
      'time    1:40 planned, 2:05 taken (−20 %)',
    ]);
  });
});
