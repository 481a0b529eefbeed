import { runsOf, type ComparisonResult, type GridPoint } from '../../shared/comparison.ts';
import type {
  PairHistory,
  PairStepsResult,
  PairTelemetryResult,
  RunDetails,
  ScoreTextResult,
} from '../../shared/contract.ts';
import type { PairSide } from '../../shared/pair-telemetry.ts';
import type { Points } from './measures.ts';

/** One arm with its runs, as a chart of pairs shows it. */
export interface PairArm {
  /** Its colour, mark and name. */
  readonly loss: string;
  readonly runs: readonly { readonly id: number; readonly seed: number }[];
}

/** The datasets that a run's pairs lie in, by name. */
export interface PairData {
  readonly train: string;
  readonly eval: string;
  /** Of the training data, as the run read it. */
  readonly revision?: number;
}

export function pairDataOf({
  data,
  config,
  revision,
}: Pick<RunDetails, 'data' | 'revision'> & {
  readonly config: Pick<RunDetails['config'], 'evalData'>;
}): PairData {
  return {
    train: data,
    eval: config.evalData ?? data,
    ...(revision === undefined ? {} : { revision }),
  };
}

/** A stretch of steps at which pairs are shown together, the ends included. */
export interface StepWindow {
  readonly from: number;
  readonly to: number;
}

/** Training steps are shown in about so many stretches, none of them longer than `longestWindow`. */
const usualWindows = 40;
const longestWindow = 100;

/** What a slider moves through: the evaluations of any of these runs, or stretches of the steps that are on record. */
export function stepWindows(runs: PairStepsResult['runs'], side: PairSide): StepWindow[] {
  if (side === 'eval') {
    const steps = new Set(runs.flatMap((run) => run.eval));
    return [...steps].sort((a, b) => a - b).map((step) => ({ from: step, to: step }));
  }
  const bounds = runs.flatMap(({ train }) => train ?? []);
  if (bounds.length === 0) return [];
  const first = Math.min(...bounds.map((each) => each.first));
  const last = Math.max(...bounds.map((each) => each.last));
  const length = Math.min(longestWindow, Math.ceil((last - first + 1) / usualWindows));
  return Array.from({ length: Math.ceil((last - first + 1) / length) }, (_, place) => ({
    from: first + place * length,
    to: Math.min(last, first + (place + 1) * length - 1),
  }));
}

/** The window that holds a step, or else the last one; undefined where there is none. */
export function windowAt(windows: readonly StepWindow[], step: number | undefined): number | undefined {
  if (windows.length === 0) return undefined;
  const place = windows.findIndex(({ from, to }) => step !== undefined && from <= step && step <= to);
  return place < 0 ? windows.length - 1 : place;
}

/** Pairs as points (c, r), each as it was last seen; those without an r are left out. `key` is the row. */
export function pairPoints(arms: readonly PairArm[], found: PairTelemetryResult['runs']): Points['groups'] {
  return arms.map(({ loss, runs }) => ({
    label: loss,
    loss,
    points: runs.flatMap(({ id, seed }) =>
      (found.find(({ run }) => run === id)?.pairs ?? []).flatMap(({ row, c, r }) => {
        const [x, y] = [c.at(-1), r?.at(-1)];
        return Number.isFinite(x) && Number.isFinite(y)
          ? [{ x: x!, y: y!, key: row, label: `row ${row}, seed ${seed}` }]
          : [];
      }),
    ),
  }));
}

/** c or r of one pair over steps, a group for each arm. */
export function pairCourse(
  arms: readonly PairArm[],
  found: PairTelemetryResult['runs'],
  quantity: 'c' | 'r',
): Points['groups'] {
  return arms.map(({ loss, runs }) => ({
    label: loss,
    loss,
    points: runs.flatMap(({ id, seed }) => {
      const pair: PairHistory | undefined = found.find(({ run }) => run === id)?.pairs[0];
      return (pair?.[quantity] ?? []).flatMap((y, place) =>
        Number.isFinite(y)
          ? [{ x: pair!.steps[place]!, y, label: `seed ${seed}, step ${pair!.steps[place]!}` }]
          : [],
      );
    }),
  }));
}

/** A held-out pair that one arm gets right in more seeds than another. */
export interface Disagreement {
  readonly row: number;
  /** Seeds in which each gets it right, of those on which both have finished. */
  readonly right: number;
  readonly otherRight: number;
  readonly seeds: number;
}

/** Held-out pairs that `arm` gets right (c > r) in more seeds than `other` does, the clearest first. */
export function disagreements(
  result: ComparisonResult,
  { learningRate, beta }: GridPoint,
  arm: string,
  other: string,
): Disagreement[] {
  const others = runsOf(result, other, learningRate, beta);
  const counts = new Map<number, { right: number; otherRight: number; seeds: number }>();
  for (const run of runsOf(result, arm, learningRate, beta)) {
    const against = others.find(({ seed }) => seed === run.seed);
    if (run.status !== 'finished' || against?.status !== 'finished') continue;
    const theirs = new Map((against.evaluation?.perPair ?? []).map((pair) => [pair.index, pair]));
    for (const { index, c, r } of run.evaluation?.perPair ?? []) {
      const their = theirs.get(index);
      if (!their) continue;
      const count = counts.get(index) ?? { right: 0, otherRight: 0, seeds: 0 };
      counts.set(index, {
        right: count.right + Number(c > r),
        otherRight: count.otherRight + Number(their.c > their.r),
        seeds: count.seeds + 1,
      });
    }
  }
  return [...counts]
    .flatMap(([row, count]) => (count.right > count.otherRight ? [{ row, ...count }] : []))
    .sort((a, b) => b.right - b.otherRight - (a.right - a.otherRight) || a.row - b.row);
}

/** One token of an answer under the reference and under several policies, in nats. */
export interface TokenDifference {
  readonly text: string;
  readonly reference: number;
  /** log π − log π_ref under each policy. */
  readonly differences: readonly number[];
}

/** @throws Error where the lists are not of the same tokens */
export function tokenDifferences(
  reference: ScoreTextResult,
  policies: readonly ScoreTextResult[],
): TokenDifference[] {
  for (const { tokens } of policies) {
    if (
      tokens.length !== reference.tokens.length ||
      tokens.some(({ id }, place) => id !== reference.tokens[place]!.id)
    )
      throw new Error('these are not the same tokens');
  }
  return reference.tokens.map(({ text, logProb }, place) => ({
    text,
    reference: logProb,
    differences: policies.map(({ tokens }) => tokens[place]!.logProb - logProb),
  }));
}

/** Difference at which a token is coloured fully, in nats. */
const strongest = 2;

/** How strongly a token is coloured, from 0 to 1. */
export function strength(difference: number): number {
  if (Number.isNaN(difference)) return 0;
  return Math.min(1, Math.abs(difference) / strongest);
}
