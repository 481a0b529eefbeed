import { describe, expect, it } from 'vitest';
import { syntheticComparison } from '../../test/fixtures/synthetic-comparison.ts';
import { itemComparisons, itemLine, itemsOf } from './comparison-items.ts';
import { renderTable } from './comparison-table.ts';
import type { ComparisonResult, RunResult } from './comparison.ts';
import { select, selectionLines } from './selection.ts';

/** Letters sort before the others: the first half of the prompts is validation. */
const halves = (each: number): string[] => [
  ...Array.from({ length: each }, (_, item) => `test ${String(item).padStart(3, '0')}`),
  ...Array.from({ length: each }, (_, item) => `a ${String(item).padStart(3, '0')}`),
];

/**
 * A comparison of which only right and wrong answers to questions matter: the first half of them is test.
 * @param share of right answers by loss, learning rate and seed on validation and on test
 */
function comparison(
  share: (loss: string, learningRate: number, seed: number) => readonly [validation: number, test: number],
  { each = 50, prompts = halves(each), arms = ['dpo', 'minor-dpo'], seeds = [0, 1, 2] } = {},
): ComparisonResult {
  const made = syntheticComparison({ arms, seeds, steps: 2, pairs: 4, questions: 2 * each, diverge: false });
  const runs = made.runs.map((run): RunResult => {
    const [validation, test] = share(run.loss, run.learningRate, run.seed);
    const right = (of: number): boolean[] => Array.from({ length: each }, (_, item) => item < of * each);
    const perQuestion = [...right(test), ...right(validation)];
    const correct = perQuestion.filter(Boolean).length;
    const task = { questions: 2 * each, correct, perQuestion };
    return { ...run, evaluation: { ...run.evaluation!, task } };
  });
  const task = { ...made.base.task!, promptHashes: prompts };
  return { ...made, runs, base: { ...made.base, task } };
}

const [low, high] = [5e-6, 5e-5];

describe('selection', () => {
  it('chooses on validation and judges on test', () => {
    // On test each arm would do better at the other learning rate: that must not be looked at.
    const result = comparison((loss, learningRate, seed) =>
      loss === 'dpo'
        ? learningRate === low
          ? [0.6, 0.4]
          : [0.5, 0.9]
        : learningRate === high
          ? [0.7, 0.5 + 0.02 * seed]
          : [0.6, 0.8],
    );
    const { verdicts, ...found } = select(result)!;
    expect(found).toMatchObject({
      measure: 'task',
      validation: { items: 50, prompts: 50 },
      test: { items: 50, prompts: 50 },
    });
    const [first] = verdicts;
    expect(first!.chosen).toEqual({
      against: { learningRate: low, validation: 0.6, test: 0.4 },
      arm: { learningRate: high, validation: 0.7, test: 0.52 },
    });
    // Differences 10, 12, 14 points: mean 12, sd 2; of 5 % the choice of settings has 1: t(0.995, 2) = 9.924843 (SciPy), so
    // ± 9.924843 · 2 / √3 = 11.4602. p = 0.0091326, times 5 for that part.
    expect(first!.differences.map(({ seed }) => seed)).toEqual([0, 1, 2]);
    expect(first!.meanDifference).toBeCloseTo(0.12, 12);
    expect(first!.halfWidth).toBeCloseTo(0.114602, 6);
    expect(first!.pValue).toBeCloseTo(0.0091326114, 8);
    expect(first!.adjustedPValue).toBeCloseTo(5 * 0.0091326114, 8);
    expect(first!.outcome).toBe('higher');
    expect(selectionLines(select(result)!)).toEqual([
      'Each arm with the settings it does best with on 50 validation questions, compared on the 50 others: minor-dpo better in task accuracy by 12.0 ± 11.5 points (99 % interval over 3 seeds); dpo at lr 5e-6: 40.0 % on test, minor-dpo at lr 5e-5: 52.0 % on test',
    ]);
    expect(renderTable(result).replace(/\s+/g, ' ')).toContain(selectionLines(select(result)!)[0]);
  });

  it('takes the first of settings that do equally well', () => {
    const [first] = select(comparison(() => [0.5, 0.5]))!.verdicts;
    expect(first!.chosen.arm!.learningRate).toBe(low);
    expect(first).toMatchObject({ outcome: 'no-difference', meanDifference: 0, pValue: 1 });
  });

  it('never has a prompt on both sides, and splits alike in any order', () => {
    const prompts = Array.from({ length: 120 }, (_, item) => `prompt ${item % 60}`);
    const share = (): readonly [number, number] => [0.5, 0.5];
    const found = select(comparison(share, { each: 60, prompts }))!;
    expect(found.validation).toEqual({ items: 60, prompts: 30 });
    expect(found.test).toEqual({ items: 60, prompts: 30 });
    const result = comparison(share, { each: 60, prompts });
    const turn = <T>(list: readonly T[]): T[] => list.toReversed();
    const task = { ...result.base.task!, promptHashes: turn(prompts) };
    const runs = result.runs.map((run) => {
      const own = run.evaluation!.task!;
      const turned = { ...own, perQuestion: turn(own.perQuestion) };
      return { ...run, evaluation: { ...run.evaluation!, task: turned } };
    });
    expect(select({ ...result, runs, base: { ...result.base, task } })).toEqual(found);
  });

  it('says so where there are too few items', () => {
    const found = select(comparison(() => [0.5, 0.5], { each: 24 }))!;
    expect(found.verdicts).toEqual([]);
    expect(selectionLines(found)).toEqual([
      "Too few questions to choose each arm's settings on one half and judge on the other (48 different prompts; 50 are needed).",
    ]);
    expect(select(comparison(() => [0.5, 0.5], { each: 25 }))!.verdicts).toHaveLength(1);
  });

  it('claims nothing below three seeds', () => {
    const result = comparison((loss) => [0.5, loss === 'dpo' ? 0.2 : 0.8], { seeds: [0, 1] });
    const [first] = select(result)!.verdicts;
    expect(first).toMatchObject({ outcome: 'too-few-seeds' });
    expect(first!.words).toContain(
      'observed minor-dpo − dpo: +60.0 points over 2 seeds; seed noise not assessed',
    );
    expect(first!.pValue).toBeUndefined();
  });

  it('chooses no settings at which a run diverged, and none where all have one', () => {
    const result = comparison((_, learningRate) => [learningRate === high ? 0.9 : 0.5, 0.5]);
    const diverge = (at: readonly number[]): ComparisonResult => ({
      ...result,
      runs: result.runs.map((run) =>
        run.loss === 'dpo' && run.seed === 1 && at.includes(run.learningRate)
          ? { ...run, status: 'diverged' as const }
          : run,
      ),
    });
    const [one] = select(diverge([high]))!.verdicts;
    expect(one!.chosen.against!.learningRate).toBe(low);
    expect(one!.chosen.arm!.learningRate).toBe(high);
    const [none] = select(diverge([low, high]))!.verdicts;
    expect(none).toMatchObject({ outcome: 'no-choice', differences: [] });
    expect(none!.words).toBe('no settings to choose for dpo: a run diverged or is missing at each of them');
  });

  it('corrects for several arms', () => {
    const onTest = { dpo: [0.4, 0.4, 0.4], 'minor-dpo': [0.6, 0.62, 0.64], sft: [0.5, 0.58, 0.62] };
    const found = select(
      comparison((loss, _, seed) => [0.5, onTest[loss as keyof typeof onTest][seed]!], {
        arms: ['dpo', 'minor-dpo', 'sft'],
      }),
    )!;
    // Differences 20, 22, 24 and 10, 18, 22 points: p = 0.002743489 and 0.041997918 (SciPy). Holm makes them 2 p and p, and the part
    // of 1 % in 5 % five times that; 0.01 / 2 and 0.01 are what they are held against.
    expect(found.verdicts.map(({ arm, outcome }) => [arm, outcome])).toEqual([
      ['minor-dpo', 'higher'],
      ['sft', 'no-difference'],
    ]);
    expect(found.verdicts.map(({ level }) => level)).toEqual([0.995, 0.99]);
    const [first, second] = found.verdicts;
    expect(first!.adjustedPValue).toBeCloseTo(5 * 2 * 0.002743489, 7);
    expect(second!.adjustedPValue).toBeCloseTo(5 * 0.041997918, 7);
    expect(second!.words).toContain('corrected for 2 comparisons');
  });

  it('is absent where there is nothing to choose, or no prompt on record', () => {
    const share = (): readonly [number, number] => [0.5, 0.5];
    const result = comparison(share);
    expect(select({ ...result, learningRates: [low] })).toBeUndefined();
    expect(select({ ...result, arms: ['dpo'] })).toBeUndefined();
    const { questions, correct, perQuestion } = result.base.task!;
    const base = { ...result.base, task: { questions, correct, perQuestion } };
    expect(select({ ...result, base })).toBeUndefined();
  });

  it('goes by the preference where there is no task', () => {
    const result = syntheticComparison({ questions: 0, pairs: 60, diverge: false, steps: 2 });
    expect(select(result)).toMatchObject({ measure: 'preference', validation: { items: 30 } });
  });
});

describe('item by item', () => {
  it('counts the questions of which one arm alone has the right answer, per seed', () => {
    // Of 50 test questions dpo has 20 and minor-dpo 26, always the first ones; on validation 10 and 8.
    const result = comparison((loss) => (loss === 'dpo' ? [0.2, 0.4] : [0.16, 0.52]));
    const found = itemComparisons(result).filter(({ measure }) => measure === 'task');
    expect(found.map(({ learningRate, arm, against, items }) => [learningRate, arm, against, items])).toEqual(
      [
        [low, 'minor-dpo', 'dpo', 100],
        [high, 'minor-dpo', 'dpo', 100],
      ],
    );
    // 8 discordant, 2 of them against the arm: 2 · (1 + 8 + 28) / 256 exactly, less 28 / 256 for mid-p.
    for (const { onlyArm, onlyAgainst, exact, midP } of found[0]!.seeds) {
      expect([onlyArm, onlyAgainst]).toEqual([6, 2]);
      expect(exact).toBeCloseTo(74 / 256, 12);
      expect(midP).toBeCloseTo(46 / 256, 12);
    }
    // Seeds are all alike here, so only questions vary: 4 points ± 1.96 · √(8 − 16/100) / 100, give or take the bootstrap.
    const { interval } = found[0]!;
    expect(interval!.estimate).toBeCloseTo(0.04, 12);
    expect(Math.abs(interval!.low - (0.04 - 0.0549))).toBeLessThan(0.011);
    expect(Math.abs(interval!.high - (0.04 + 0.0549))).toBeLessThan(0.011);
    expect(itemLine(found[0]!)).toMatch(
      /^lr 5e-6: minor-dpo − dpo: \+4\.0 points, for new questions too [−+][\d.]+ to \+[\d.]+ \(95 % bootstrap interval over 100 questions and 3 seeds; with so few seeds it may be too narrow\)$/,
    );
  });

  it('gives no interval below three seeds or where a run diverged', () => {
    const two = itemComparisons(comparison(() => [0.5, 0.5], { seeds: [0, 1] }))[0]!;
    expect(two.interval).toBeUndefined();
    expect(two.words).toBe('no interval below 3 seeds: seed noise not assessed');
    expect(two.seeds).toHaveLength(2);
    const diverged = itemComparisons(syntheticComparison({ steps: 4, seeds: [0, 1, 2, 3] })).filter(
      ({ learningRate }) => learningRate === high,
    );
    expect(diverged.map(({ words }) => words)).toEqual(Array(2).fill('no interval, for a run diverged'));
  });

  it('takes pairs only where every run has the same ones', () => {
    const result = syntheticComparison({ steps: 2, pairs: 10, diverge: false });
    expect(itemsOf(result, 'preference')).toMatchObject({ items: 10, noun: 'pairs' });
    const [first, ...others] = result.runs;
    const perPair = first!.evaluation!.perPair!.toReversed();
    const turned = { ...first!, evaluation: { ...first!.evaluation!, perPair } };
    const found = itemComparisons({ ...result, runs: [...others, turned] });
    const preference = found.find(
      ({ measure, learningRate }) => measure === 'preference' && learningRate === low,
    );
    // The turned run's seed is left out: which of its pairs is which cannot be told.
    expect(preference!.seeds).toHaveLength(2);
  });
});
