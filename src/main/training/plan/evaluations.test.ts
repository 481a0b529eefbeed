import { describe, expect, it } from 'vitest';
import { evaluationCounts } from './evaluations.ts';

describe('evaluationCounts', () => {
  it('is the last evaluation of each run where nothing is asked for', () => {
    expect(evaluationCounts({}, 100, 6)).toEqual({
      scorings: 6,
      samplings: 0,
      driftings: 0,
      questionings: 0,
      perRun: 1,
    });
  });

  // Steps 0, 30, 60, 90, 100: the first is known from the reference, its samples are answered once for all runs.
  const every = { evalEvery: 30, samplePrompts: 3, evalKlPrompts: 4 };
  it('leaves out what is known at the start, and answers there once', () => {
    expect(evaluationCounts(every, 100, 1)).toEqual({
      scorings: 4,
      samplings: 5,
      driftings: 5,
      questionings: 5,
      perRun: 5,
    });
    expect(evaluationCounts(every, 100, 6)).toEqual({
      scorings: 24,
      samplings: 25,
      driftings: 25,
      questionings: 25,
      perRun: 5,
    });
  });

  it('scores the start as well where it is measured against another policy', () => {
    expect(evaluationCounts({ ...every, reference: 'base' }, 100, 6)).toMatchObject({ scorings: 30 });
  });

  it('takes a share of the steps, and no samples where none are asked for', () => {
    // A quarter of 10 steps, rounded up: 0, 3, 6, 9, 10.
    expect(evaluationCounts({ evalEvery: 0.25, samplePrompts: 0, evalKlPrompts: 0 }, 10, 2)).toEqual({
      scorings: 8,
      samplings: 0,
      driftings: 0,
      questionings: 9,
      perRun: 5,
    });
  });

  it('does not count the last step twice', () => {
    expect(evaluationCounts({ evalEvery: 50, samplePrompts: 1 }, 100, 1)).toMatchObject({ perRun: 3 });
    expect(evaluationCounts({ evalEvery: 500, samplePrompts: 1 }, 100, 1)).toMatchObject({ perRun: 2 });
  });
});
