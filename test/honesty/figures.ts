/** What the verdicts of simulated comparisons come to: false claims, power, and coverage of the intervals. */
import { itemComparisons } from '../../src/shared/comparison-items.ts';
import type { ComparisonResult } from '../../src/shared/comparison.ts';
import { select } from '../../src/shared/selection.ts';
import { pairedBootstrapIntervals } from '../../src/shared/statistics/bootstrap.ts';
import { mean, sampleStandardDeviation } from '../../src/shared/statistics/descriptive.ts';
import { studentInterval, type Interval } from '../../src/shared/statistics/intervals.ts';
import { pairedPower } from '../../src/shared/statistics/power.ts';
import { verdict, type Verdict } from '../../src/shared/verdict.ts';
import { normalGenerator, simulate, type Design } from './experiments.ts';

const isClaim = ({ outcome }: { readonly outcome: string }): boolean =>
  outcome === 'higher' || outcome === 'lower';

/** Shares of experiments without a difference in which something was claimed. */
export interface FalseClaims {
  /** Anywhere in the family of the leading measure, the task. */
  readonly leading: number;
  readonly preference: number;
  readonly margin: number;
  /** Of the arms with their own best settings. */
  readonly selected: number;
  /** Of any of these: what may be wrong in 5 %. */
  readonly any: number;
}

export function falseClaims(seeds: number, experiments: number, seed: number): FalseClaims {
  const normal = normalGenerator(seed);
  const counts = { leading: 0, preference: 0, margin: 0, selected: 0, any: 0 };
  for (let experiment = 0; experiment < experiments; experiment++) {
    const result = simulate({ seeds, learningRates: 3 }, normal);
    const verdicts = verdict(result);
    const claims = (measure: Verdict['measure']): boolean =>
      verdicts.some((each) => each.measure === measure && isClaim(each));
    const found = {
      leading: verdicts.some((each) => each.primary && isClaim(each)),
      preference: claims('preference'),
      margin: claims('margin'),
      selected: select(result)!.verdicts.some(isClaim),
    };
    for (const [name, isThere] of Object.entries(found))
      counts[name as keyof typeof found] += Number(isThere);
    counts.any += Number(Object.values(found).some(Boolean));
  }
  const share = (count: number): number => count / experiments;
  return {
    leading: share(counts.leading),
    preference: share(counts.preference),
    margin: share(counts.margin),
    selected: share(counts.selected),
    any: share(counts.any),
  };
}

export interface PowerFigure {
  /** Share of experiments that claimed the second arm better where it is. */
  readonly found: number;
  /** By the noncentral t distribution, from the true difference and spread, at the leading measure's rate in Holm's first step. */
  readonly predicted: number;
  /** Mean over experiments of the difference, and root of the mean variance over seeds. */
  readonly difference: number;
  readonly deviation: number;
}

/** Power where the second arm is better at the first of some learning rates. */
export function powerOf(
  design: Required<Pick<Design, 'seeds' | 'learningRates' | 'effects'>>,
  experiments: number,
  seed: number,
): PowerFigure {
  const normal = normalGenerator(seed);
  const means: number[] = [];
  const variances: number[] = [];
  let found = 0;
  for (let experiment = 0; experiment < experiments; experiment++) {
    const [first] = verdict(simulate(design, normal));
    if (first!.outcome === 'higher') found++;
    const differences = first!.differences.map(({ difference }) => difference);
    means.push(mean(differences));
    variances.push(sampleStandardDeviation(differences) ** 2);
  }
  const difference = mean(means);
  const deviation = Math.sqrt(mean(variances));
  // Of 5 % one each is for the choice of settings, where there is one, and for the other measures.
  const rate = design.learningRates > 1 ? 0.03 : 0.04;
  return {
    found: found / experiments,
    predicted: pairedPower(difference, deviation, design.seeds, rate / design.learningRates),
    difference,
    deviation,
  };
}

export interface Coverage {
  /** On the same questions, of the difference there. */
  readonly student: number;
  readonly percentile: number;
  readonly biasCorrected: number;
  /** On new questions each time, of the difference over all questions there are. */
  readonly studentOnNew: number;
  readonly crossedOnNew: number;
}

/** How often 95 % intervals have the truth, 0, inside. */
export function coverage(seeds: number, experiments: number, seed: number): Coverage {
  const normal = normalGenerator(seed);
  const covers = ({ low, high }: Interval): number => Number(low <= 0 && high >= 0);
  const counts = { student: 0, percentile: 0, biasCorrected: 0, studentOnNew: 0, crossedOnNew: 0 };
  for (let experiment = 0; experiment < experiments; experiment++) {
    const same = differencesOf(simulate({ seeds, learningRates: 1 }, normal));
    counts.student += covers(studentInterval(same));
    const bootstrap = pairedBootstrapIntervals(same, { seed: experiment, resamples: 2_000 });
    counts.percentile += covers(bootstrap.percentile);
    counts.biasCorrected += covers(bootstrap.biasCorrected);
    const fresh = simulate({ seeds, learningRates: 1, newQuestions: true }, normal);
    counts.studentOnNew += covers(studentInterval(differencesOf(fresh)));
    counts.crossedOnNew += covers(
      itemComparisons(fresh).find(({ measure }) => measure === 'task')!.interval!,
    );
  }
  const share = (count: number): number => count / experiments;
  return {
    student: share(counts.student),
    percentile: share(counts.percentile),
    biasCorrected: share(counts.biasCorrected),
    studentOnNew: share(counts.studentOnNew),
    crossedOnNew: share(counts.crossedOnNew),
  };
}

const differencesOf = (result: ComparisonResult): number[] =>
  verdict(result)[0]!.differences.map(({ difference }) => difference);
