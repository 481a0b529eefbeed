import { describePoint, gridPoints, runsOf } from './comparison.ts';
import { unitWords } from './measures.ts';
import type { ComparisonResult, GridPoint } from './comparison.ts';
import type { Measure } from './measures.ts';
import { adjustedWithin, errorRates, judgedMeasures } from './error-rates.ts';
import { formatMeasured, plural } from './format.ts';
import { usesBeta } from './losses.ts';
import { pairedBootstrapIntervals, type BootstrapIntervals } from './statistics/bootstrap.ts';
import { mean } from './statistics/descriptive.ts';
import { studentInterval, type StudentInterval } from './statistics/intervals.ts';
import { detectableDifference } from './statistics/power.ts';
import { holm } from './statistics/significance.ts';

/** Below this many paired seeds the noise between seeds is not assessed, and nothing is claimed. */
export const fewestSeeds = 3;

/** At which `Verdict.detectable` would have been found. */
export const detectablePower = 0.8;

export type VerdictOutcome =
  /** The arm's value is higher (for the accuracies: better) beyond seed noise. */
  | 'higher'
  | 'lower'
  | 'no-difference'
  /** Fewer than three paired seeds: a difference is shown, none is claimed. */
  | 'too-few-seeds'
  /** A run of either arm diverged. Leaving it out would flatter its arm, so nothing is claimed. */
  | 'diverged';

/** What the seeds say about one measure of one arm against the first arm, at one learning rate and β. */
export interface Verdict {
  readonly measure: Measure['name'];
  /** The first measure at hand: task accuracy if there is a task, else preference accuracy. Lead with this one. */
  readonly primary: boolean;
  readonly learningRate: number;
  /** Where the comparison has several and at least one of both arms uses it. */
  readonly beta?: number;
  readonly arm: string;
  readonly against: string;
  readonly outcome: VerdictOutcome;
  /** Arm minus the first arm, per seed on which both finished; shares as shares, log-ratios in nats. */
  readonly differences: readonly { readonly seed: number; readonly difference: number }[];
  readonly meanDifference?: number;
  /** Half the width of the t interval over seeds, of coverage `level`. */
  readonly halfWidth?: number;
  readonly level?: number;
  /**
   * p-value of the paired t test, and the same after Holm's correction over learning rates, β and arms and for the measure's part
   * of the error rate: at most 0.05 exactly where a difference is claimed.
   */
  readonly pValue?: number;
  readonly adjustedPValue?: number;
  /**
   * The smallest true difference that these seeds would have shown with a power of 80 %, from the spread measured, at the
   * error rate of Holm's first step within the measure's part.
   */
  readonly detectable?: number;
  /** Over seeds, at 95 %. Shown and never deciding: below eight seeds they are too narrow. */
  readonly bootstrap?: BootstrapIntervals;
  /** Seeds on which each arm's run diverged. */
  readonly diverged: { readonly arm: readonly number[]; readonly against: readonly number[] };
  /** The verdict in words, without learning rate and β. */
  readonly words: string;
}

interface Comparison {
  /** What the verdict passes on as it is. */
  readonly subject: Pick<
    Verdict,
    'measure' | 'primary' | 'learningRate' | 'beta' | 'arm' | 'against' | 'differences' | 'diverged'
  >;
  readonly definition: Measure;
  readonly resolution: number;
}

/** Pairs two arms' runs by seed for one measure at one learning rate and β. */
function compareArms(
  result: ComparisonResult,
  definition: Measure,
  point: GridPoint,
  arm: string,
  primary: boolean,
): Comparison {
  const against = result.arms[0]!;
  const runs = runsOf(result, arm, point.learningRate, point.beta);
  const others = runsOf(result, against, point.learningRate, point.beta);
  let resolution = 0;
  const differences = runs.flatMap((run) => {
    const other = others.find(({ seed }) => seed === run.seed);
    if (run.status !== 'finished' || other?.status !== 'finished') return [];
    const after = run.evaluation && definition.of(run.evaluation);
    const before = other.evaluation && definition.of(other.evaluation);
    if (after === undefined || before === undefined) return [];
    resolution = Math.max(resolution, definition.resolution(run.evaluation!));
    return [{ seed: run.seed, difference: after - before }];
  });
  const divergedSeeds = (of: typeof runs): number[] =>
    of.filter(({ status }) => status === 'diverged').map(({ seed }) => seed);
  const diverged = { arm: divergedSeeds(runs), against: divergedSeeds(others) };
  return {
    subject: { measure: definition.name, primary, ...point, arm, against, differences, diverged },
    definition,
    resolution,
  };
}

/** In the order in which people want to know them: claims, then what diverged, then where nothing can be claimed. */
export function claimsFirst(verdicts: readonly Verdict[]): Verdict[] {
  const order: Readonly<Record<VerdictOutcome, number>> = {
    higher: 0,
    lower: 0,
    diverged: 1,
    'no-difference': 2,
    'too-few-seeds': 3,
  };
  return [...verdicts].sort((a, b) => order[a.outcome] - order[b.outcome]);
}

export const meanOf = (differences: Verdict['differences']): number =>
  mean(differences.map(({ difference }) => difference));

/** A size with its unit: shares become points. */
export function amount(value: number, unit: Measure['unit']): string {
  return unit === 'share'
    ? `${(value * 100).toFixed(1)} points`
    : `${formatMeasured(value)} ${unitWords[unit]}`;
}

export function signedAmount(value: number, unit: Measure['unit']): string {
  const size = amount(Math.abs(value), unit);
  return value > 0 ? `+${size}` : value < 0 ? `−${size}` : size;
}

function range(value: number, halfWidth: number, unit: Measure['unit']): string {
  const bare = amount(value, unit);
  const [number = '', noun = ''] = bare.split(' ');
  return `${number} ± ${amount(halfWidth, unit).split(' ')[0] ?? ''} ${noun}`;
}

/** The sentence for runs that are not enough to judge: what was seen, and why it is no claim. */
function observed(comparison: Comparison): string {
  const { differences, arm, against } = comparison.subject;
  if (differences.length === 0) return 'no seed on which both finished';
  return `observed ${arm} − ${against}: ${signedAmount(meanOf(differences), comparison.definition.unit)} over ${plural(differences.length, 'seed')}`;
}

function openVerdict(comparison: Comparison, seedCount: number): Verdict {
  const { subject, definition } = comparison;
  const { arm, against, differences, diverged } = subject;
  const meanDifference = differences.length === 0 ? {} : { meanDifference: meanOf(differences) };
  if (diverged.arm.length + diverged.against.length > 0) {
    const count = (loss: string, seeds: readonly number[]): string =>
      `${loss} diverged on ${seeds.length} of ${plural(seedCount, 'seed')}`;
    const words = `${count(against, diverged.against)}, ${count(arm, diverged.arm)}; no claim about ${definition.label} (${observed(comparison)})`;
    return { ...subject, ...meanDifference, outcome: 'diverged', words };
  }
  const words =
    differences.length === 0
      ? `${definition.label} was not measured for both arms`
      : `too few seeds to tell about ${definition.label} (${observed(comparison)}; seed noise not assessed)`;
  return { ...subject, ...meanDifference, outcome: 'too-few-seeds', words };
}

/**
 * Judges every arm against the first one, per measure, learning rate and β, from the paired differences over seeds.
 * A difference is claimed only if it survives Holm's correction over the learning rates, β and arms of its measure, at the
 * measure's part of the error rate (`errorRates`); the interval shown has the coverage at which Holm's procedure held it, so it
 * excludes 0 exactly where one is claimed.
 * Seeds are the replicates: the claim is about these held-out items, not about a population of items.
 */
export function verdict(result: ComparisonResult): Verdict[] {
  const rates = errorRates(result);
  return judgedMeasures(result).flatMap((measure, place) => {
    const rate = place === 0 ? rates.leading : rates.other;
    const comparisons = pointsOfArms(result).map(({ point, arm }) =>
      compareArms(result, measure, point, arm, place === 0),
    );
    const isJudged = ({ subject: { differences, diverged } }: Comparison): boolean =>
      differences.length >= fewestSeeds && diverged.arm.length + diverged.against.length === 0;
    const family = comparisons.filter(isJudged);
    const values = (comparison: Comparison): number[] =>
      comparison.subject.differences.map(({ difference }) => difference);
    const steps = holm(
      family.map((comparison) => studentInterval(values(comparison), 0.95, comparison.resolution).pValue),
      rate,
    );
    return comparisons.map((comparison) => {
      const step = steps[family.indexOf(comparison)];
      if (!step) return openVerdict(comparison, result.seeds.length);
      const interval = studentInterval(values(comparison), 1 - step.errorRate, comparison.resolution);
      const outcome = !step.rejected ? 'no-difference' : interval.estimate > 0 ? 'higher' : 'lower';
      return {
        ...comparison.subject,
        outcome,
        meanDifference: interval.estimate,
        halfWidth: interval.halfWidth,
        level: interval.level,
        pValue: interval.pValue,
        adjustedPValue: adjustedWithin(rate, step.adjusted),
        detectable: detectableIn(interval, comparison.subject.differences.length, rate / family.length),
        bootstrap: pairedBootstrapIntervals(values(comparison), { seed: 0, resamples: 2_000 }),
        words: judgedWords(comparison, outcome, interval, family.length, rate),
      };
    });
  });
}

/**
 * What one of a family's comparisons could have shown, from the spread of its differences over the seeds.
 * @param rate error rate of Holm's first step
 */
export function detectableIn(
  { standardDeviation }: { readonly standardDeviation: number },
  seeds: number,
  rate: number,
): number {
  return detectableDifference(standardDeviation, seeds, rate, detectablePower);
}

/** "a difference of 3.1 points or more would have been found with 80 % power" */
function detectableWords(detectable: number, unit: Measure['unit']): string {
  const power = `with ${detectablePower * 100} % power`;
  // Shares differ by 100 points at most.
  if (unit === 'share' && detectable >= 1) return `too noisy to find any difference ${power}`;
  return `a difference of ${amount(detectable, unit)} or more would have been found ${power}`;
}

/** What is compared with the first arm where. Of two arms that ignore β there is one comparison, whatever β: it counts once. */
export function pointsOfArms(
  result: ComparisonResult,
): { readonly point: GridPoint; readonly arm: string }[] {
  const [against = '', ...others] = result.arms;
  return gridPoints(result).flatMap((point) =>
    others.flatMap((arm) => {
      if (point.beta === undefined || usesBeta(arm) || usesBeta(against)) return [{ point, arm }];
      const { learningRate, beta } = point;
      return beta === result.betas![0] ? [{ point: { learningRate }, arm }] : [];
    }),
  );
}

/** "99.17 %": two digits of what is not covered, lest it be rounded to all. */
function coverageWords(level: number): string {
  const missing = Math.floor(Math.log10(100 * (1 - level)));
  return `${Number((100 * level).toFixed(Math.max(2, 1 - missing)))} %`;
}

/**
 * The verdict in words on differences that were enough to judge by.
 * @param family comparisons corrected for
 * @param rate the family's part of the error rate
 */
export function judgedWords(
  {
    definition,
    subject: { arm, against, differences },
  }: {
    readonly definition: Measure;
    readonly subject: Pick<Verdict, 'arm' | 'against' | 'differences'>;
  },
  outcome: 'higher' | 'lower' | 'no-difference',
  interval: Pick<StudentInterval, 'estimate' | 'halfWidth' | 'level' | 'standardDeviation'>,
  family: number,
  rate: number,
): string {
  const { estimate, halfWidth } = interval;
  const level = `${coverageWords(interval.level)} interval over ${plural(differences.length, 'seed')}`;
  const correction = family > 1 ? `, corrected for ${family} comparisons` : '';
  if (outcome === 'no-difference') {
    const size = range(Math.abs(estimate), halfWidth, definition.unit);
    const least = detectableIn(interval, differences.length, rate / family);
    const detectable = detectableWords(least, definition.unit);
    const sign = estimate < 0 ? '−' : estimate > 0 ? '+' : '';
    return `no detectable difference in ${definition.label} (${arm} − ${against}: ${sign}${size}; ${level}${correction}; ${detectable})`;
  }
  // A larger margin is not in itself better: DPO gains it by pushing the rejected answer down.
  const comparative =
    definition.unit === 'nats'
      ? { higher: 'larger', lower: 'smaller' }[outcome]
      : { higher: 'better', lower: 'worse' }[outcome];
  return `${arm} ${comparative} in ${definition.label} by ${range(Math.abs(estimate), halfWidth, definition.unit)} (${level}${correction})`;
}

/** A verdict as one line, with its learning rate (and β, where there are several) in front. */
export function verdictLine(verdict: Verdict): string {
  return `${describePoint(verdict)}: ${verdict.words}`;
}
