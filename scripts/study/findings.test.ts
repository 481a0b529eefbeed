import { describe, expect, it } from 'vitest';
import type { ComparisonResult, RunResult } from '../../src/shared/comparison.ts';
import { verdict } from '../../src/shared/verdict.ts';
import { syntheticComparison } from '../../test/fixtures/synthetic-comparison.ts';
import { findings, higherRates, onClaim, robustness, robustnessWords, standing } from './findings.ts';

const questions = 200;

/** A comparison whose runs answer as many questions as `right` says; the untrained model answers 80. */
function answering(
  shape: Parameters<typeof syntheticComparison>[0],
  right: (run: RunResult) => number,
): ComparisonResult {
  const result = syntheticComparison({ questions, diverge: false, ...shape });
  const task = (correct: number) => ({
    questions,
    correct,
    perQuestion: Array.from({ length: questions }, (_, at) => at < correct),
  });
  return {
    ...result,
    base: { ...result.base, task: task(80) },
    runs: result.runs.map((run) => ({ ...run, evaluation: { ...run.evaluation!, task: task(right(run)) } })),
  };
}

const grid = {
  arms: ['dpo', 'minor-dpo'],
  learningRates: [1e-4, 1e-3, 1e-2, 1e-1],
  betas: [0.1, 0.5],
  seeds: [1, 2, 3, 4, 5],
};
/** Differs between seeds, alike for both arms, so that only what is planted tells them apart. */
const noise = ({ seed, loss }: RunResult): number => 3 * seed + (loss === 'dpo' ? seed % 2 : 0);

describe('how far an arm holds', () => {
  // dpo breaks at 1e-2 at β 0.1 and only at 1e-1 at β 0.5; minor-dpo breaks nowhere.
  const result = answering(grid, (run) => {
    const breaksAt = run.beta === 0.1 ? 1e-2 : 1e-1;
    return run.loss === 'dpo' && run.learningRate >= breaksAt ? 10 : 120;
  });
  const found = robustness(result);
  const of = (arm: string, beta: number) => found.find((each) => each.arm === arm && each.beta === beta)!;

  it('ends below the first rate at which half of the runs collapse', () => {
    expect(of('dpo', 0.1).holdsUpTo).toBe(1e-3);
    expect(of('dpo', 0.5).holdsUpTo).toBe(1e-2);
    expect(of('minor-dpo', 0.1).holdsUpTo).toBe(1e-1);
    expect(of('dpo', 0.1).rates.map(({ collapsed, of: runs }) => `${collapsed}/${runs}`)).toEqual([
      '0/5',
      '0/5',
      '5/5',
      '5/5',
    ]);
  });

  it('is said in words, with how many collapsed', () => {
    expect(robustnessWords(found)).toEqual([
      'dpo holds up to 1e-3 at β 0.1, up to 1e-2 at β 0.5; 15 of its 40 runs collapsed.',
      'minor-dpo holds at every rate (up to 0.1) at β 0.1, at every rate (up to 0.1) at β 0.5; 0 of its 40 runs collapsed.',
    ]);
  });

  it('is not claimed of rates without a run', () => {
    const part = { ...result, runs: result.runs.filter(({ learningRate }) => learningRate < 1e-3) };
    expect(robustness(part).map(({ holdsUpTo }) => holdsUpTo)).toEqual([1e-4, 1e-4, 1e-4, 1e-4]);
    expect(robustness({ ...result, runs: [] }).every(({ holdsUpTo }) => holdsUpTo === undefined)).toBe(true);
  });
});

describe('the higher learning rates', () => {
  it('are the upper half, the middle one included, in whatever order they were given', () => {
    expect(higherRates({ learningRates: [1e-1, 1e-4, 1e-2, 1e-3] })).toEqual([1e-2, 1e-1]);
    expect(higherRates({ learningRates: [1, 2, 3] })).toEqual([2, 3]);
    expect(higherRates({ learningRates: [1] })).toEqual([1]);
  });
});

describe('what is said of the claim', () => {
  const told = (planted: (run: RunResult) => number): readonly [string, string[]] => {
    const result = answering(grid, (run) => 100 + noise(run) + (run.loss === 'dpo' ? 0 : planted(run)));
    const verdicts = verdict(result);
    return [
      onClaim(standing(verdicts, 'minor-dpo', higherRates(result))),
      findings(result, verdicts, 'minor-dpo'),
    ];
  };

  it('is in line where minor-dpo is better at the higher rates, and names the places', () => {
    const [words, sentences] = told(({ learningRate }) => (learningRate === 1e-2 ? 60 : 0));
    expect(words).toMatch(/^This is in line with the claim/);
    expect(sentences[0]).toContain(
      'better than dpo in task accuracy at 2 (β 0.1: 1e-2; β 0.5: 1e-2), worse at 0',
    );
    expect(sentences[1]).toMatch(/^At the lower ones \(1e-4, 1e-3\): .* better .* at 0, worse at 0/);
  });
  it('is against it where minor-dpo is worse', () => {
    expect(told(({ learningRate }) => (learningRate === 1e-1 ? -60 : 0))[0]).toMatch(/^This is against/);
  });
  it('is mixed where it is both', () => {
    const [words] = told(({ learningRate }) => ({ 0.01: 60, 0.1: -60 })[learningRate] ?? 0);
    expect(words).toMatch(/^This is mixed/);
  });
  it('is neither where the difference is at the lower rates alone', () => {
    expect(told(({ learningRate }) => (learningRate < 1e-2 ? 60 : 0))[0]).toMatch(/^This neither supports/);
  });
  it('is nothing where seeds are too few', () => {
    const result = answering({ ...grid, seeds: [1, 2] }, noise);
    const found = standing(verdict(result), 'minor-dpo', higherRates(result));
    expect(found.open).toHaveLength(4);
    expect(onClaim(found)).toMatch(/^This says nothing/);
  });
});
