import { describe, expect, it } from 'vitest';
import { syntheticComparison } from '../../../test/fixtures/synthetic-comparison.ts';
import { measures } from '../measures.ts';
import { verdict } from '../verdict.ts';
import { reportNumbers } from './numbers.ts';
import { compareRepetition } from './repeat.ts';

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe('numbers of a report', () => {
  const result = { ...syntheticComparison({ steps: 20 }), comparison: 7 };
  const numbers = reportNumbers(result);
  const get = (id: string) => numbers.find((number) => number.id === id)!;

  it('have ids that say comparison, measure, arm, place and statistic, each once', () => {
    expect(new Set(numbers.map(({ id }) => id)).size).toBe(numbers.length);
    expect(numbers.every(({ id }) => id.startsWith('c7.'))).toBe(true);
    const { evaluation } = result.runs[0]!;
    const measured = measures.filter(({ of }) => of(evaluation!) !== undefined);
    expect(measured.length).toBeGreaterThanOrEqual(5);
    for (const { name } of measured) expect(get(`c7.${name}.minor-dpo.lr5e-6.mean`), name).toBeDefined();
    expect(get('c7.task.minor-dpo.lr5e-6.mean').label).toBe('task accuracy, minor-dpo, lr 5e-6, mean');
    const several = reportNumbers(
      syntheticComparison({
        ...{ arms: ['dpo', 'sft', 'kappa-dpo:kappa=0.25'], betas: [0.05, 0.2], steps: 4, diverge: false },
      }),
    ).map(({ id }) => id);
    expect(new Set(several).size).toBe(several.length);
    expect(several).toContain('c.task.kappa-dpo:kappa=0.25.lr5e-5.b0.05.s1');
    // A loss that ignores β stands once, and what is compared with it at each β is made of the same runs.
    expect(several).toContain('c.task.sft.lr5e-5.s1');
    expect(several).not.toContain('c.task.sft.lr5e-5.b0.05.s1');
  });

  it('say what they read, and give the value that arithmetic gives', () => {
    const runs = result.runs.filter(
      ({ loss, learningRate }) => loss === 'minor-dpo' && learningRate === 5e-6,
    );
    const shares = runs.map(({ evaluation }) => evaluation!.task!.correct / evaluation!.task!.questions);
    const task = get('c7.task.minor-dpo.lr5e-6.mean');
    expect(task.value).toBe(mean(shares));
    expect(task.from).toEqual([0, 1, 2].map((seed) => `c7.task.minor-dpo.lr5e-6.s${seed}`));
    const first = get('c7.task.minor-dpo.lr5e-6.s0');
    const { correct, questions } = runs[0]!.evaluation!.task!;
    expect(first.reads).toEqual([
      { kind: 'evaluation', run: runs[0]!.id, field: 'task.correct', value: correct },
      { kind: 'evaluation', run: runs[0]!.id, field: 'task.questions', value: questions },
    ]);
    const loss = get('c7.final-loss.minor-dpo.lr5e-6.s0');
    expect(loss.value).toBe(mean(runs[0]!.metrics.slice(-2).map((step) => step.loss!)));
    expect(loss.reads).toMatchObject([{ kind: 'metrics', name: 'loss', steps: [19, 20] }]);
  });

  it('hold every number that a verdict has, whatever statistics find', () => {
    const at = 'c7.task.minor-dpo-vs-dpo.lr5e-6';
    const found = verdict(result).find(
      ({ measure, learningRate }) => measure === 'task' && learningRate === 5e-6,
    )!;
    expect(get(`${at}.mean-difference`).value).toBe(found.meanDifference);
    expect(get(`${at}.bootstrap.bias-corrected.low`).value).toBe(found.bootstrap!.biasCorrected.low);
    expect(get(`${at}.s1.difference`).from).toEqual(['c7.task.minor-dpo.lr5e-6.s1', 'c7.task.dpo.lr5e-6.s1']);
    expect(get(`${at}.adjusted-p-value`).from).toContain(`${at}.p-value`);
    const novel = reportNumbers(result, {
      verdicts: [{ ...found, effect: { size: 0.5 } } as typeof found],
      itemComparisons: [],
    });
    expect(novel.find(({ id }) => id === `${at}.effect.size`)?.value).toBe(0.5);
  });

  it('are calculated from numbers that there are, down to something read', () => {
    const byId = new Map(numbers.map((number) => [number.id, number]));
    for (const { id, from, reads } of numbers) {
      for (const source of from) expect(byId.has(source), `${id} of ${source}`).toBe(true);
      expect(from.length + reads.length, id).toBeGreaterThan(0);
    }
  });
});

describe('a repetition', () => {
  const before = syntheticComparison({ steps: 6, diverge: false });
  const again = (): typeof before => structuredClone(before);

  it('is the same where all is, but for times and the comparison’s number', () => {
    const after = {
      ...again(),
      comparison: 9,
      createdAt: 'later',
      runs: before.runs.map((run) => ({
        ...run,
        id: `again ${run.id}`,
        seconds: 1,
        metrics: run.metrics.map((step) => ({ ...step, 'time/step_s': 3, 'memory/rss': 5 })),
      })),
    };
    const found = compareRepetition(before, after);
    expect(found).toMatchObject({ same: true, differing: 0, differences: [] });
    expect(found.compared).toBeGreaterThan(1000);
  });

  it('names a metric that differs in its last bit', () => {
    const after = again();
    const { metrics } = after.runs[0]!;
    const value = metrics[1]!.loss!;
    const next = value + Number.EPSILON * value;
    expect(next).not.toBe(value);
    (metrics as unknown as { loss: number }[])[1]!.loss = next;
    const { same, differences } = compareRepetition(before, after);
    expect(same).toBe(false);
    expect(differences).toEqual([
      {
        ...{ where: 'dpo, lr 5e-6, seed 0: step 2, loss', before: value, after: next },
        difference: next - value,
      },
    ]);
  });

  it('names the report’s numbers first, the largest differences before others', () => {
    const after = again();
    const task = after.runs[0]!.evaluation!.task as { correct: number };
    const old = task.correct;
    task.correct = old + 5;
    const { differences } = compareRepetition(before, after);
    expect(differences.map(({ where }) => where)).toContain('task.dpo.lr5e-6.s0');
    expect(differences.at(-1)).toEqual({
      ...{ where: 'dpo, lr 5e-6, seed 0: task.correct', before: old, after: old + 5, difference: 5 },
    });
  });
});
