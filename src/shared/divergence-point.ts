import { courseOf } from './collapse.ts';
import { gridPoints, runsOf } from './comparison.ts';
import { measures } from './measures.ts';
import type {
  ComparisonResult,
  EvaluationOnTheWay,
  GridPoint,
  PromptSample,
  RunResult,
} from './comparison.ts';
import type { Measure } from './measures.ts';
import { plural } from './format.ts';
import { studentInterval } from './statistics/intervals.ts';
import { fewestSeeds, signedAmount, amount } from './verdict.ts';
import type { Verdict } from './verdict.ts';

/** Measures that are taken at every evaluation on the way. */
export type CourseMeasure = Extract<Measure['name'], 'preference' | 'margin'>;
const courseMeasures: readonly CourseMeasure[] = ['preference', 'margin'];

/** Coverage of the interval that is looked at at each step. */
export const divergenceLevel = 0.95;

/** Where two arms part. */
export interface DivergencePoint extends GridPoint {
  readonly measure: CourseMeasure;
  readonly arm: string;
  readonly against: string;
  /** The first evaluation from which on the interval leaves 0 out, on the same side, to the end. */
  readonly step: number;
  /** Arm less the other at that step, mean over seeds, with half the width of its t interval. */
  readonly difference: number;
  readonly halfWidth: number;
  readonly seeds: readonly number[];
  /** Seed by seed at that step. */
  readonly differences: readonly { readonly seed: number; readonly difference: number }[];
  /** Whether the verdict claims a difference there; without, the arms only seem to part. */
  readonly isClaimed: boolean;
  /** "minor-dpo and dpo part in raw margin c − r at step 20 …" */
  readonly words: string;
}

/**
 * The first evaluation at which the paired difference over seeds leaves seed noise (a 95 % t interval without 0), and from which
 * on it stays out on the same side. Each step is looked at by itself, without a correction for looking often or at many places:
 * whether there is a difference at all is for the verdict to say, and the words say what it says.
 * @param verdicts of the whole comparison
 * @returns undefined where they never part, below three seeds that both finished, or without evaluations on the way
 */
export function divergencePoint(
  result: ComparisonResult,
  arm: string,
  point: GridPoint,
  measure: CourseMeasure,
  verdicts: readonly Verdict[],
): DivergencePoint | undefined {
  const definition = measures.find(({ name }) => name === measure)!;
  const against = result.arms[0]!;
  const others = runsOf(result, against, point.learningRate, point.beta);
  const pairs = runsOf(result, arm, point.learningRate, point.beta).flatMap((run) => {
    const other = others.find(({ seed }) => seed === run.seed);
    return run.status === 'finished' && other?.status === 'finished' && run.evaluations && other.evaluations
      ? [{ seed: run.seed, run: byStep(run), other: byStep(other) }]
      : [];
  });
  if (arm === against || pairs.length < fewestSeeds) return undefined;
  let found: Omit<DivergencePoint, 'words' | 'isClaimed' | keyof GridPoint> | undefined;
  for (const step of [...pairs[0]!.run.keys()].sort((a, b) => a - b)) {
    let resolution = 0;
    const differences = pairs.flatMap(({ run, other }) => {
      const [own, theirs] = [run.get(step), other.get(step)];
      const [after, before] = [own && definition.of(own), theirs && definition.of(theirs)];
      if (after === undefined || before === undefined) return [];
      resolution = Math.max(resolution, definition.resolution(own!));
      return [after - before];
    });
    // Before the first step c and r are 0, and there is no accuracy.
    if (differences.length < pairs.length) continue;
    const { estimate, low, high, halfWidth } = studentInterval(differences, divergenceLevel, resolution);
    if (low <= 0 && high >= 0) {
      found = undefined;
    } else if (!found || Math.sign(found.difference) !== Math.sign(estimate)) {
      const seeds = pairs.map(({ seed }) => seed);
      found = {
        ...{ measure, arm, against, step, difference: estimate, halfWidth, seeds },
        differences: seeds.map((seed, place) => ({ seed, difference: differences[place]! })),
      };
    }
  }
  if (!found) return undefined;
  const { unit, label } = definition;
  const [number = '', ...noun] = signedAmount(found.difference, unit).split(' ');
  const size = [number, '±', amount(found.halfWidth, unit).split(' ')[0], ...noun].join(' ');
  const seen = `${arm} − ${against}: ${size}; 95 % interval over ${plural(pairs.length, 'seed')}`;
  const isClaimed = verdicts.some(
    (each) =>
      each.measure === measure &&
      each.arm === arm &&
      each.learningRate === point.learningRate &&
      // Two arms that ignore β have one verdict for every β.
      (each.beta === undefined || each.beta === point.beta) &&
      (each.outcome === 'higher' || each.outcome === 'lower'),
  );
  const words = isClaimed
    ? `${arm} and ${against} part in ${label} at step ${found.step}, and stay apart (${seen})`
    : `${arm} and ${against} seem to part in ${label} at step ${found.step} (${seen}, of this step alone): no finding, for the verdict claims no difference`;
  return { ...point, ...found, isClaimed, words };
}

/** A run's evaluations by step, the last one among them. */
function byStep(run: RunResult): Map<number, EvaluationOnTheWay['evaluation']> {
  return new Map(courseOf(run).map(({ step, evaluation }) => [step, evaluation]));
}

/**
 * Every point of the grid at which an arm parts from the first one, by each measure that is taken at every evaluation.
 * @param verdicts of the result
 */
export function divergencePoints(result: ComparisonResult, verdicts: readonly Verdict[]): DivergencePoint[] {
  return gridPoints(result).flatMap((point) =>
    result.arms
      .slice(1)
      .flatMap((arm) =>
        courseMeasures.flatMap((measure) => divergencePoint(result, arm, point, measure, verdicts) ?? []),
      ),
  );
}

/** The runs that a divergence point shows the answers of: both arms', of one seed, since answers of different seeds are no comparison. */
export function shownAtParting(
  result: ComparisonResult,
  { arm, against, learningRate, beta, seeds }: DivergencePoint,
): { readonly seed: number; readonly runs: readonly RunResult[] } {
  const seed = seeds[0]!;
  const runs = [against, arm].flatMap(
    (loss) => runsOf(result, loss, learningRate, beta).find((run) => run.seed === seed) ?? [],
  );
  return { seed, runs };
}

/** What both arms answered where they part, prompt by prompt: the first arm's answer, then the other's. */
export interface PartingAnswers {
  readonly seed: number;
  readonly prompts: readonly { readonly prompt: string; readonly outputs: readonly string[] }[];
}

/** @returns undefined where no samples were taken, or the result does not hold them */
export function answersAtParting(
  result: ComparisonResult,
  parting: DivergencePoint,
): PartingAnswers | undefined {
  const { seed, runs } = shownAtParting(result, parting);
  const sides = runs.map((run): readonly PromptSample[] => {
    const at = courseOf(run).find(({ step }) => step === parting.step);
    // The last evaluation has its samples among its measures.
    return at?.samples ?? (at?.evaluation as Partial<RunResult['evaluation']>)?.samples ?? [];
  });
  const prompts = (sides[0] ?? []).map(({ prompt }) => ({
    prompt,
    outputs: sides.map((samples) => samples.find((each) => each.prompt === prompt)?.output ?? ''),
  }));
  return prompts.length === 0 ? undefined : { seed, prompts };
}
