import { describePoint, gridPoints, runsOf } from './comparison.ts';
import { measures } from './measures.ts';
import type {
  ComparisonResult,
  EvaluationOnTheWay,
  Evaluation,
  GridPoint,
  RunResult,
  TaskEvaluation,
} from './comparison.ts';
import { usesBeta } from './losses.ts';
import { wilsonInterval } from './statistics/intervals.ts';

/**
 * KL to the reference per token, in nats, above which a policy counts as broken. Policies that preference losses leave whole
 * stay at tenths of a nat; at 1 the reference finds each token that the policy writes e times less likely on average,
 * about as far as the whole uncertainty that a language model has about its next token.
 */
export const klLimit = 1;

/** Share of repeating answers above which a policy counts as broken: more than half, where the base's are not. */
export const repeatingLimit = 0.5;

/** Coverage of the base's interval: below it a policy has lost what the base could do, beyond the chance of the items. */
export const baseLevel = 0.95;

/** By what a run counts as collapsed. */
export type CollapseRule = 'accuracy' | 'kl' | 'repetition' | 'non-finite';

/** One rule that a run broke, to its end. */
export interface Collapse {
  readonly rule: CollapseRule;
  /** The first step evaluated from which on it was broken at every evaluation; the end, where only that was evaluated. */
  readonly since: number;
  /** Whether that is the run's end: it may have begun before, unseen. */
  readonly atEnd: boolean;
  /** "task accuracy below the base's interval" */
  readonly words: string;
}

/** One rule, held against one evaluation. What it says depends on nothing but what it is given. */
export interface CheckedRule {
  readonly rule: CollapseRule;
  readonly words: string;
  /** Undefined where the evaluation cannot tell. */
  readonly isBroken: (
    evaluation: Evaluation,
    samples: Pick<EvaluationOnTheWay, 'repeatingShare'>,
    base: Evaluation,
  ) => boolean | undefined;
}

/** What the base has right of the first so many questions: on the way only those are asked. */
function correctOf({ questions, correct, perQuestion }: TaskEvaluation, asked: number): number {
  return asked === questions ? correct : perQuestion.slice(0, asked).filter(Boolean).length;
}

/** The rules that evaluations are held against, by what was measured of the base. */
export function collapseRules(base: Evaluation): readonly CheckedRule[] {
  const lowest = (correct: number, of: number): number => wilsonInterval(correct, of, baseLevel).low;
  const accuracy: CheckedRule =
    base.task && base.task.questions > 0
      ? {
          rule: 'accuracy',
          words: "task accuracy below the base's interval",
          isBroken: ({ task: own }, _samples, { task }) =>
            own && own.correct / own.questions < lowest(correctOf(task!, own.questions), own.questions),
        }
      : {
          rule: 'accuracy',
          words: "preference accuracy without a reference below the base's interval",
          isBroken: ({ preferenceAccuracyRaw: own }, _samples, { preferenceAccuracyRaw, pairs }) =>
            own < lowest(Math.round(preferenceAccuracyRaw * pairs), pairs),
        };
  return [
    accuracy,
    {
      rule: 'kl',
      words: `KL to the reference above ${klLimit} nat per token`,
      isBroken: ({ klToReference }) => klToReference && klToReference.perToken > klLimit,
    },
    {
      rule: 'repetition',
      words: 'most answers repeat themselves',
      isBroken: ({ generation: own }, { repeatingShare }, { generation }) => {
        // The base's own answers, where they are known, would not be the training's doing.
        if (generation && generation.repeatingShare > repeatingLimit) return false;
        const share = own?.repeatingShare ?? repeatingShare;
        return share === undefined ? undefined : share > repeatingLimit;
      },
    },
  ];
}

/** A run's evaluations from its first to its end. */
export function courseOf(run: RunResult): readonly EvaluationOnTheWay[] {
  const { evaluation, evaluationRow } = run;
  const end = { ...(evaluationRow === undefined ? {} : { evaluationRow }) };
  return [...(run.evaluations ?? []), ...(evaluation ? [{ step: lastStepOf(run), evaluation, ...end }] : [])];
}

const lastStepOf = (run: RunResult): number => run.steps ?? run.metrics.at(-1)?.step ?? 0;

/** What a run broke at its end, each rule with the step since when; empty for one that stayed whole. */
export function collapsesOf(run: RunResult, base: Evaluation): Collapse[] {
  const end = lastStepOf(run);
  const course = courseOf(run);
  const found = collapseRules(base).flatMap(({ rule, words, isBroken }): Collapse[] => {
    let since: number | undefined;
    for (const at of course) {
      const { step, evaluation } = at;
      const broken = isBroken(evaluation, at, base);
      if (broken === undefined) continue;
      since = broken ? (since ?? step) : undefined;
    }
    return since === undefined ? [] : [{ rule, since, atEnd: since === end, words }];
  });
  if (run.status !== 'diverged') return found;
  return [
    ...found,
    {
      rule: 'non-finite',
      since: run.divergedAt ?? end,
      atEnd: false,
      words: 'numbers that are not finite',
    },
  ];
}

/** One arm at one grid point of which at least one run collapsed. */
export interface ArmCollapse {
  readonly arm: string;
  readonly learningRate: number;
  readonly beta?: number;
  /** Those that collapsed. */
  readonly runs: readonly { readonly seed: number; readonly collapses: readonly Collapse[] }[];
  /** Of so many that have come to their end. */
  readonly of: number;
  /** "dpo collapsed at lr 1e-2 in 3 of 3 seeds: task accuracy below the base's interval since step 20" */
  readonly words: string;
}

/** Every arm at every grid point where it collapsed, in the grid's order; an arm that ignores β once a learning rate. */
export function collapses(result: ComparisonResult): ArmCollapse[] {
  return gridPoints(result).flatMap((point) =>
    result.arms.flatMap((arm): ArmCollapse[] => {
      const isSaidBefore = point.beta !== undefined && !usesBeta(arm) && point.beta !== result.betas![0];
      if (isSaidBefore) return [];
      const at: GridPoint = usesBeta(arm) ? point : { learningRate: point.learningRate };
      const all = runsOf(result, arm, point.learningRate, point.beta);
      const runs = all
        .map((run) => ({ seed: run.seed, collapses: collapsesOf(run, result.base) }))
        .filter((run) => run.collapses.length > 0);
      if (runs.length === 0) return [];
      const seeds = `${runs.length} of ${all.length} ${all.length === 1 ? 'seed' : 'seeds'}`;
      return [
        {
          arm,
          ...at,
          runs,
          of: all.length,
          words: `${arm} collapsed at ${describePoint(at)} in ${seeds}: ${reasons(runs)}`,
        },
      ];
    }),
  );
}

/** Each rule that was broken, with the earliest step, and how many of the collapsed runs broke it where not all did. */
function reasons(runs: ArmCollapse['runs']): string {
  const byWords = new Map<string, Collapse[]>();
  for (const { collapses: own } of runs)
    for (const each of own) byWords.set(each.words, [...(byWords.get(each.words) ?? []), each]);
  return [...byWords]
    .map(([words, broken]) => {
      const steps = broken.map(({ since }) => since);
      const earliest = Math.min(...steps);
      const since = broken.every(({ atEnd }) => atEnd)
        ? 'at the end'
        : earliest === Math.max(...steps)
          ? `since step ${earliest}`
          : `since step ${earliest} at the earliest`;
      return `${words} ${since}${steps.length < runs.length ? ` (${steps.length} of them)` : ''}`;
    })
    .join('; ');
}

/** The measure that leads: task accuracy where there is a task, else preference accuracy. */
export function leadingMeasure({ base }: ComparisonResult): (typeof measures)[number] {
  return measures.find(({ name }) => name === (base.task ? 'task' : 'preference'))!;
}
