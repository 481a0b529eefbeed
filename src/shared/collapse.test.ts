import { describe, expect, it } from 'vitest';
import { syntheticComparison } from '../../test/fixtures/synthetic-comparison.ts';
import { collapses, collapsesOf } from './collapse.ts';
import type { ComparisonResult, Evaluation, RunResult } from './comparison.ts';
import { heatMaps } from './heat-map.ts';

/** 40 of 100 right: Wilson's 95 % interval begins at 0.3094, by its formula. */
const base: Evaluation = {
  pairs: 100,
  preferenceAccuracyRaw: 0.4,
  ties: 100,
  meanChosenLogRatio: 0,
  meanRejectedLogRatio: 0,
  meanMargin: 0,
};
const evaluation = (accuracy: number, more: Partial<Evaluation> = {}): Evaluation => ({
  ...base,
  preferenceAccuracyRaw: accuracy,
  ...more,
});
function run(course: readonly number[], more: Partial<RunResult> = {}): RunResult {
  const [final = 0.4] = course.slice(-1);
  return {
    id: '1',
    loss: 'dpo',
    learningRate: 1e-2,
    seed: 0,
    orderHash: '',
    adapterStartHash: '',
    status: 'finished',
    metrics: [],
    steps: 10 * (course.length - 1),
    evaluation: evaluation(final),
    evaluations: course
      .slice(0, -1)
      .map((accuracy, place) => ({ step: 10 * place, evaluation: evaluation(accuracy) })),
    seconds: 1,
    ...more,
  };
}
const found = (of: RunResult, by: Evaluation = base) =>
  collapsesOf(of, by).map(({ rule, since }) => [rule, since]);
const answers = (repeatingShare: number): NonNullable<Evaluation['generation']> => ({
  answers: 20,
  decoding: 'greedy',
  meanTokens: 9,
  cutShare: 0,
  meanRepetition: 0,
  repeatingShare,
});

describe('a run counts as collapsed', () => {
  it('by accuracy below the base’s interval, since the first step from which it stayed there', () => {
    expect(found(run([0.4, 0.3, 0.35, 0.3, 0.2]))).toEqual([['accuracy', 30]]);
    expect(found(run([0.4, 0.2, 0.32]))).toEqual([]);
    expect(found(run([0.4, 0.31]))).toEqual([]);
    expect(found(run([0.4, 0.309]))).toEqual([['accuracy', 10]]);
  });

  it('by the task where there is one, which is measured at the end alone', () => {
    const task = (correct: number): Pick<Evaluation, 'task'> => ({
      task: { questions: 100, correct, perQuestion: [] },
    });
    const broken = run([0.4, 0.1, 0.1], { evaluation: evaluation(0.1, task(30)) });
    expect(found(broken, { ...base, ...task(40) })).toEqual([['accuracy', 20]]);
    const whole = run([0.4, 0.1, 0.1], { evaluation: evaluation(0.1, task(31)) });
    expect(found(whole, { ...base, ...task(40) })).toEqual([]);
  });

  it('by the questions asked on the way against the base’s answers to the same ones', () => {
    const task = (questions: number, correct: number): NonNullable<Evaluation['task']> => ({
      ...{ questions, correct },
      // The base has every second one of the first 20 right, and 30 of the others.
      perQuestion: Array.from({ length: questions }, (_, place) =>
        place < 20 ? place % 2 === 0 : place < 50,
      ),
    });
    const asked = { ...base, task: task(100, 40) };
    const course = (...correct: readonly number[]): RunResult =>
      run([0.4], {
        steps: 10 * correct.length,
        evaluation: evaluation(0.4, { task: task(100, 10) }),
        evaluations: correct.map((right, place) => ({
          step: 10 * place,
          evaluation: evaluation(0.4, { task: task(20, right) }),
        })),
      });
    // Wilson's 95 % interval of 10 in 20 begins at 0.2993, by its formula: 6 of 20 are within, 5 are not.
    expect(found(course(10, 6, 5), asked)).toEqual([['accuracy', 20]]);
    expect(found(course(10, 5, 5), asked)).toEqual([['accuracy', 10]]);
    expect(found(course(10, 5, 6), asked)).toEqual([['accuracy', 30]]);
  });

  it('by a KL above one nat per token', () => {
    const at = (perToken: number): RunResult =>
      run([0.4, 0.4], {
        evaluation: evaluation(0.4, { klToReference: { samples: 2, tokens: 9, perToken } }),
      });
    expect(found(at(1))).toEqual([]);
    expect(found(at(1.01))).toEqual([['kl', 10]]);
  });

  it('by answers that repeat themselves, unless the base’s do', () => {
    const looping = run([0.4, 0.4, 0.4], {
      evaluation: evaluation(0.4, { generation: answers(0.6) }),
      evaluations: [
        { step: 0, evaluation: base, repeatingShare: 0 },
        { step: 10, evaluation: base, repeatingShare: 1 },
      ],
    });
    expect(found(looping)).toEqual([['repetition', 10]]);
    expect(found(looping, { ...base, generation: answers(0.7) })).toEqual([]);
    expect(found(looping, { ...base, generation: answers(0.5) })).toEqual([['repetition', 10]]);
  });

  it('where it diverged, at that step', () => {
    expect(found(run([0.4, 0.4], { status: 'diverged', divergedAt: 7 }))).toEqual([['non-finite', 7]]);
  });
});

function grid(change: (run: RunResult) => RunResult, betas?: readonly number[]): ComparisonResult {
  const made = syntheticComparison({
    diverge: false,
    questions: 0,
    learningRates: [1e-3, 1e-2],
    seeds: [0, 1, 2],
    arms: ['dpo', 'sft'],
    ...(betas ? { betas } : {}),
  });
  const whole = (each: RunResult): RunResult => ({
    ...each,
    steps: 60,
    evaluation: { ...each.evaluation!, preferenceAccuracyRaw: 0.5 },
  });
  return {
    ...made,
    base: { ...base, preferenceAccuracyRaw: 0.5 },
    runs: made.runs.map((each) => change(whole(each))),
  };
}
const broken = (each: RunResult, step = 60): RunResult => ({
  ...each,
  steps: step,
  evaluation: { ...each.evaluation!, preferenceAccuracyRaw: 0.1 },
});

describe('an arm collapses', () => {
  it('at a point of the grid, in so many seeds, in words', () => {
    const result = grid((each) => (each.loss === 'dpo' && each.learningRate === 1e-2 ? broken(each) : each));
    expect(collapses(result).map(({ words }) => words)).toEqual([
      "dpo collapsed at lr 1e-2 in 3 of 3 seeds: preference accuracy without a reference below the base's interval at the end",
    ]);
  });

  it('once where its loss ignores β, and says how many broke each rule', () => {
    const result = grid(
      (each) => {
        if (each.loss !== 'sft' || each.learningRate !== 1e-2 || each.seed === 0) return each;
        const one = broken(each, each.seed === 1 ? 20 : 40);
        return each.seed === 1 ? { ...one, status: 'diverged' as const, divergedAt: 21 } : one;
      },
      [0.1, 0.5],
    );
    const [only, ...others] = collapses(result);
    expect(others).toEqual([]);
    expect(only!.beta).toBeUndefined();
    expect(only!.words).toBe(
      "sft collapsed at lr 1e-2 in 2 of 3 seeds: preference accuracy without a reference below the base's interval at the end; numbers that are not finite since step 21 (1 of them)",
    );
  });
});

it('says the earliest of the steps since when its runs were broken', () => {
  const result = grid((each) => {
    if (each.loss !== 'dpo' || each.learningRate !== 1e-2) return each;
    const low = { ...base, preferenceAccuracyRaw: 0.1 };
    return { ...broken(each), evaluations: [{ step: 20 + 10 * each.seed, evaluation: low }] };
  });
  expect(collapses(result)[0]!.words).toMatch(/interval since step 20 at the earliest$/);
});

describe('the heat map', () => {
  it('has a map per loss on one scale, a row per β and a column per learning rate, with what collapsed', () => {
    const result = grid(
      (each) => {
        const accuracy = each.loss === 'sft' ? 0.2 : each.learningRate === 1e-2 ? 0.4 : 0.6;
        const set = { ...each, evaluation: { ...each.evaluation!, preferenceAccuracy: accuracy } };
        return each.loss === 'dpo' && each.learningRate === 1e-2 && each.beta === 0.5 ? broken(set) : set;
      },
      [0.1, 0.5],
    );
    const { measure, maps, range } = heatMaps(result);
    expect(measure.name).toBe('preference');
    expect(range![0]).toBeCloseTo(0.2, 12);
    expect(range![1]).toBeCloseTo(0.6, 12);
    expect(maps.map(({ arm, rows }) => [arm, rows.map(({ beta }) => beta)])).toEqual([
      ['dpo', [0.1, 0.5]],
      ['sft', [undefined]],
    ]);
    const [dpo, sft] = maps;
    expect(dpo!.rows[1]!.cells.map(({ learningRate, value }) => [learningRate, value])).toEqual([
      [1e-3, '60.0'],
      [1e-2, '40.0'],
    ]);
    expect(dpo!.rows[1]!.cells.map(({ shade }) => shade!.toFixed(6))).toEqual(['1.000000', '0.500000']);
    expect(sft!.rows[0]!.cells.map(({ shade }) => shade!.toFixed(6))).toEqual(['0.000000', '0.000000']);
    expect(
      maps.flatMap(({ rows }) => rows.flatMap(({ cells }) => cells.filter(({ collapse }) => collapse))),
    ).toEqual([dpo!.rows[1]!.cells[1]]);
    expect(dpo!.rows[1]!.cells[1]!.collapse!.runs).toHaveLength(3);
  });
});
