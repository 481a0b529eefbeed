import { collapses, leadingMeasure } from '../../src/shared/collapse.ts';
import { runsOf, type ComparisonResult } from '../../src/shared/comparison.ts';
import { formatBeta, formatLearningRate, plural } from '../../src/shared/format.ts';
import { usesBeta } from '../../src/shared/losses.ts';
import type { Verdict } from '../../src/shared/verdict.ts';

/** How many of an arm's runs collapsed at one learning rate. */
export interface RateCollapse {
  readonly learningRate: number;
  readonly collapsed: number;
  /** Runs that have come to their end. */
  readonly of: number;
}

/** Up to which learning rate an arm holds at one β. */
export interface Robustness {
  readonly arm: string;
  /** Absent where the comparison has not several, or the loss ignores it. */
  readonly beta?: number;
  readonly rates: readonly RateCollapse[];
  /** The highest rate at which, and at all below, fewer than half of the runs collapsed; absent where not even the lowest. */
  readonly holdsUpTo?: number;
}

export function robustness(result: ComparisonResult): Robustness[] {
  const broken = collapses(result);
  const several = (result.betas?.length ?? 0) > 1;
  const rates = [...result.learningRates].sort((a, b) => a - b);
  return result.arms.flatMap((arm) =>
    (several && usesBeta(arm) ? result.betas! : [undefined]).map((beta): Robustness => {
      const own = rates.map((learningRate): RateCollapse => {
        const found = broken.find(
          (each) => each.arm === arm && each.learningRate === learningRate && each.beta === beta,
        );
        const of = runsOf(result, arm, learningRate, beta).length;
        return { learningRate, collapsed: found?.runs.length ?? 0, of };
      });
      const first = own.findIndex(({ collapsed, of }) => of === 0 || 2 * collapsed >= of);
      const last = first === -1 ? own.at(-1) : own[first - 1];
      return {
        arm,
        ...(beta === undefined ? {} : { beta }),
        rates: own,
        ...(last ? { holdsUpTo: last.learningRate } : {}),
      };
    }),
  );
}

/** The upper half of a grid's learning rates, the middle one included: what the claim calls higher was fixed by this rule. */
export function higherRates({ learningRates }: Pick<ComparisonResult, 'learningRates'>): number[] {
  const sorted = [...learningRates].sort((a, b) => a - b);
  return sorted.slice(Math.floor(sorted.length / 2));
}

/** How the leading measure's verdicts on one arm came out over some points of the grid. */
export interface Standing {
  readonly arm: string;
  readonly against: string;
  readonly points: number;
  readonly better: readonly Verdict[];
  readonly worse: readonly Verdict[];
  readonly equal: readonly Verdict[];
  /** Too few seeds, or a run that diverged. */
  readonly open: readonly Verdict[];
}

export function standing(verdicts: readonly Verdict[], arm: string, rates: readonly number[]): Standing {
  const own = verdicts.filter(
    (each) => each.primary && each.arm === arm && rates.includes(each.learningRate),
  );
  const of = (...outcomes: readonly Verdict['outcome'][]): Verdict[] =>
    own.filter(({ outcome }) => outcomes.includes(outcome));
  return {
    arm,
    against: own[0]?.against ?? '',
    points: own.length,
    better: of('higher'),
    worse: of('lower'),
    equal: of('no-difference'),
    open: of('too-few-seeds', 'diverged'),
  };
}

/** What a standing at the higher learning rates says of the claim that an arm is more robust there. */
export function onClaim({ points, better, worse, open }: Standing): string {
  if (points === 0 || open.length === points) return 'This says nothing for or against the claim.';
  if (better.length > 0 && worse.length > 0)
    return 'This is mixed: in line with the claim at some points, against it at others.';
  if (better.length > 0) return 'This is in line with the claim, for this model and task.';
  if (worse.length > 0) return 'This is against the claim, for this model and task.';
  return 'This neither supports the claim nor speaks against it: a difference too small for these seeds to show may be there.';
}

const listRates = (rates: readonly number[]): string => rates.map(formatLearningRate).join(', ');

const at = (verdicts: readonly Verdict[]): string => {
  if (verdicts.length === 0) return '0';
  const byBeta = Map.groupBy(verdicts, ({ beta }) => beta);
  const places = [...byBeta].map(([beta, own]) => {
    const rates = listRates([...new Set(own.map(({ learningRate }) => learningRate))]);
    return beta === undefined ? rates : `β ${formatBeta(beta)}: ${rates}`;
  });
  return `${verdicts.length} (${places.join('; ')})`;
};

/** "Over the higher learning rates (…): minor-dpo is better than dpo in task accuracy at 4 of 6 points (…), worse at 0, …" */
export function standingWords(where: string, label: string, found: Standing): string {
  const { arm, against, points, better, worse, equal, open } = found;
  const claimless = open.length === 0 ? '' : `, no claim is made at ${at(open)}`;
  return `${where}: of ${plural(points, 'point')} of the grid, ${arm} is better than ${against} in ${label} at ${at(better)}, worse at ${at(worse)}; no difference can be detected at ${at(equal)}${claimless}.`;
}

/** "dpo up to 1e-3 (β 0.1) and 3e-3 (β 0.5)" */
export function robustnessWords(all: readonly Robustness[]): string[] {
  return [...Map.groupBy(all, ({ arm }) => arm)].map(([arm, own]) => {
    const limits = own.map(({ beta, holdsUpTo, rates }) => {
      const top = rates.at(-1)!.learningRate;
      const limit =
        holdsUpTo === undefined
          ? 'at none of the rates'
          : holdsUpTo === top
            ? `at every rate (up to ${formatLearningRate(top)})`
            : `up to ${formatLearningRate(holdsUpTo)}`;
      return beta === undefined ? limit : `${limit} at β ${formatBeta(beta)}`;
    });
    const runs = own.flatMap(({ rates }) => rates);
    const sum = (of: (rate: RateCollapse) => number): number =>
      runs.reduce((total, rate) => total + of(rate), 0);
    return `${arm} holds ${[...new Set(limits)].join(', ')}; ${sum(({ collapsed }) => collapsed)} of its ${sum(({ of }) => of)} runs collapsed.`;
  });
}

/** What came out, in sentences that follow from the record by fixed rules. */
export function findings(result: ComparisonResult, verdicts: readonly Verdict[], arm: string): string[] {
  const higher = higherRates(result);
  const lower = result.learningRates.filter((rate) => !higher.includes(rate));
  const { label } = leadingMeasure(result);
  const high = standing(verdicts, arm, higher);
  return [
    `${standingWords(`At the higher learning rates (${listRates(higher)})`, label, high)} ${onClaim(high)}`,
    ...(lower.length === 0
      ? []
      : [standingWords(`At the lower ones (${listRates(lower)})`, label, standing(verdicts, arm, lower))]),
    ...robustnessWords(robustness(result)),
  ];
}
