import { describePoint, runsOf } from './comparison.ts';
import { measures } from './measures.ts';
import type { ComparisonResult, GridPoint, RunResult } from './comparison.ts';
import type { Measure } from './measures.ts';
import { plural } from './format.ts';
import { crossedBootstrapInterval, fewestForBootstrap } from './statistics/bootstrap.ts';
import type { Interval } from './statistics/intervals.ts';
import { mcNemar } from './statistics/significance.ts';
import { amount, fewestSeeds, pointsOfArms, signedAmount } from './verdict.ts';

/** Measures that are right or wrong item by item. */
export type ItemMeasure = Extract<Measure['name'], 'task' | 'preference'>;

/** What one measure counts: questions of the task, or held-out pairs. */
export interface MeasuredItems {
  readonly measure: Measure & { readonly name: ItemMeasure };
  readonly items: number;
  /** "questions" or "pairs" */
  readonly noun: string;
  /** A hash of each item's prompt; absent in results of earlier versions. */
  readonly prompts?: readonly string[];
  /** Right or wrong, item by item in one order for all runs; undefined where a run lacks them. */
  of(run: RunResult): readonly boolean[] | undefined;
}

/** The items of a measure; undefined where they are not on record one by one. */
export function itemsOf(result: ComparisonResult, name: ItemMeasure): MeasuredItems | undefined {
  const measure = measures.find((each) => each.name === name) as MeasuredItems['measure'];
  const known = (hashes: readonly string[] | undefined, items: number): Pick<MeasuredItems, 'prompts'> =>
    hashes?.length === items ? { prompts: hashes } : {};
  if (name === 'task') {
    const { task } = result.base;
    if (!task || task.perQuestion.length === 0) return undefined;
    const items = task.perQuestion.length;
    return {
      measure,
      items,
      noun: 'questions',
      ...known(task.promptHashes, items),
      of: ({ evaluation }) => {
        const answers = evaluation?.task?.perQuestion;
        return answers?.length === items ? answers : undefined;
      },
    };
  }
  const first = result.runs.find(({ evaluation }) => evaluation?.perPair)?.evaluation?.perPair;
  if (!first || first.length === 0) return undefined;
  return {
    measure,
    items: first.length,
    noun: 'pairs',
    ...known(result.base.promptHashes, first.length),
    of: ({ evaluation }) => {
      const pairs = evaluation?.perPair;
      const isSame =
        pairs?.length === first.length && pairs.every(({ index }, place) => index === first[place]!.index);
      return isSame ? pairs.map(({ c, r }) => c > r) : undefined;
    },
  };
}

/** McNemar's test of two models on the same items, one model of each arm. */
export interface SeedItems {
  readonly seed: number;
  /** Items only the arm got right, and only the first arm. */
  readonly onlyArm: number;
  readonly onlyAgainst: number;
  /** Two-sided p-values: of the exact test, and mid-p. They are about these two models, not about their losses. */
  readonly exact: number;
  readonly midP: number;
}

/** Two arms item by item, at one learning rate and β. It accompanies the verdict and decides nothing. */
export interface ItemComparison {
  readonly measure: ItemMeasure;
  readonly learningRate: number;
  readonly beta?: number;
  readonly arm: string;
  readonly against: string;
  readonly items: number;
  /** By seed on which both finished. */
  readonly seeds: readonly SeedItems[];
  /**
   * Of the mean difference, at 95 %, from resampling seeds and items: it holds for new questions too, as the verdict's does
   * not. Absent below three seeds and where a run diverged.
   */
  readonly interval?: Interval;
  /** The interval in words, or why there is none. */
  readonly words: string;
}

/** Every arm against the first one, item by item: per measure that counts items, learning rate and β. */
export function itemComparisons(result: ComparisonResult): ItemComparison[] {
  return (['task', 'preference'] as const).flatMap((name) => {
    const items = itemsOf(result, name);
    if (!items) return [];
    return pointsOfArms(result).map(({ point, arm }) => compareItems(result, items, point, arm));
  });
}

function compareItems(
  result: ComparisonResult,
  items: MeasuredItems,
  point: GridPoint,
  arm: string,
): ItemComparison {
  const against = result.arms[0]!;
  const runs = runsOf(result, arm, point.learningRate, point.beta);
  const others = runsOf(result, against, point.learningRate, point.beta);
  const seeds: SeedItems[] = [];
  const differences: number[][] = [];
  for (const run of runs) {
    const other = others.find(({ seed }) => seed === run.seed);
    if (run.status !== 'finished' || other?.status !== 'finished') continue;
    const [ofArm, ofAgainst] = [items.of(run), items.of(other)];
    if (!ofArm || !ofAgainst) continue;
    const { onlyFirst, onlySecond, exact, midP } = mcNemar(ofArm, ofAgainst);
    seeds.push({ seed: run.seed, onlyArm: onlyFirst, onlyAgainst: onlySecond, exact, midP });
    differences.push(ofArm.map((isRight, item) => Number(isRight) - Number(ofAgainst[item]!)));
  }
  const hasDiverged = [...runs, ...others].some(({ status }) => status === 'diverged');
  const interval =
    seeds.length < fewestSeeds || hasDiverged
      ? undefined
      : crossedBootstrapInterval(differences, {
          seed: 0,
          ...(items.prompts ? { clusters: items.prompts } : {}),
        });
  return {
    measure: items.measure.name,
    ...point,
    arm,
    against,
    items: items.items,
    seeds,
    ...(interval ? { interval } : {}),
    words: interval
      ? intervalWords(items, arm, against, interval, seeds.length)
      : hasDiverged
        ? 'no interval, for a run diverged'
        : `no interval below ${fewestSeeds} seeds: seed noise not assessed`,
  };
}

function intervalWords(
  { items, noun }: MeasuredItems,
  arm: string,
  against: string,
  { estimate, low, high }: Interval,
  seeds: number,
): string {
  const end = (value: number): string => signedAmount(value, 'share').split(' ')[0]!;
  const caution = seeds < fewestForBootstrap ? '; with so few seeds it may be too narrow' : '';
  return `${arm} − ${against}: ${signedAmount(estimate, 'share')}, for new ${noun} too ${end(low)} to ${end(high)} (95 % bootstrap interval over ${items} ${noun} and ${plural(seeds, 'seed')}${caution})`;
}

/** An item comparison as one line, with its learning rate (and β) in front. */
export function itemLine(comparison: ItemComparison): string {
  return `${describePoint(comparison)}: ${comparison.words}`;
}

/** "57.5 %" for a share. */
export const percent = (share: number): string => amount(share, 'share').replace(' points', ' %');
