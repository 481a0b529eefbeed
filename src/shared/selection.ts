import { itemsOf, percent, type ItemMeasure, type MeasuredItems } from './comparison-items.ts';
import { describePoint, gridPoints, runsOf } from './comparison.ts';
import type { ComparisonResult, GridPoint } from './comparison.ts';
import { adjustedWithin, errorRates, fewestPrompts } from './error-rates.ts';
import { plural } from './format.ts';
import { usesBeta } from './losses.ts';
import { mean } from './statistics/descriptive.ts';
import { studentInterval } from './statistics/intervals.ts';
import { holm } from './statistics/significance.ts';
import { detectableIn, fewestSeeds, judgedWords, meanOf, signedAmount } from './verdict.ts';
import type { Verdict } from './verdict.ts';

/** One half of the held-out items; no prompt is in both. */
export interface SelectionHalf {
  readonly items: number;
  readonly prompts: number;
}

/** The settings an arm did best with on validation. */
export interface ChosenPoint extends GridPoint {
  /** Means over seeds, as shares; the one on validation was chosen for being high, so only the one on test is fair. */
  readonly validation: number;
  readonly test: number;
}

/** What the test half says of one arm against the first, each with the settings it did best with on validation. */
export interface SelectedVerdict {
  readonly arm: string;
  readonly against: string;
  /** Absent where every setting of the arm has a run that diverged or is missing. */
  readonly chosen: { readonly arm?: ChosenPoint; readonly against?: ChosenPoint };
  readonly outcome:
    Extract<Verdict['outcome'], 'higher' | 'lower' | 'no-difference' | 'too-few-seeds'> | 'no-choice';
  /** On test, per seed. */
  readonly differences: Verdict['differences'];
  readonly meanDifference?: number;
  readonly halfWidth?: number;
  readonly level?: number;
  /** `adjustedPValue` after Holm's correction over the arms and for the part of the error rate, as in `Verdict`. */
  readonly pValue?: number;
  readonly adjustedPValue?: number;
  readonly detectable?: number;
  readonly words: string;
}

/**
 * Learning rate and β chosen for each arm on one half of the held-out items, and the arms compared on the other: the
 * question of who tunes both losses and asks which is better, where a verdict at one point of the grid says how they
 * compare there.
 */
export interface Selection {
  readonly measure: ItemMeasure;
  readonly validation: SelectionHalf;
  readonly test: SelectionHalf;
  /** One for each arm but the first; none where there are too few items. */
  readonly verdicts: readonly SelectedVerdict[];
  /** What was done, or why nothing could be. */
  readonly words: string;
}

/**
 * Undefined where there is nothing to choose (one learning rate and β), one arm alone, or the items' prompts are not on
 * record. The leading measure is used: the task where there is one, else the preference.
 */
export function select(result: ComparisonResult): Selection | undefined {
  const [against, ...others] = result.arms;
  if (against === undefined || others.length === 0 || gridPoints(result).length < 2) return undefined;
  const items = itemsOf(result, result.base.task ? 'task' : 'preference');
  if (!items?.prompts) return undefined;
  const halves = splitByPrompt(items.prompts);
  const { validation, test } = halves;
  const described = {
    measure: items.measure.name,
    validation: { items: validation.items.length, prompts: validation.prompts },
    test: { items: test.items.length, prompts: test.prompts },
  };
  const { noun } = items;
  if (Math.min(validation.prompts, test.prompts) < fewestPrompts) {
    const words = `too few ${noun} to choose each arm's settings on one half and judge on the other (${validation.prompts + test.prompts} different prompts; ${2 * fewestPrompts} are needed)`;
    return { ...described, verdicts: [], words };
  }
  const words = `each arm with the settings it does best with on ${validation.items.length} validation ${noun}, compared on the ${test.items.length} others`;
  const choices = new Map(result.arms.map((arm) => [arm, choose(result, items, halves, arm)]));
  const pairs = others.map((arm) => pairUp(arm, against, choices.get(arm), choices.get(against)));
  const rate = errorRates(result).selected;
  return { ...described, verdicts: judge(items, test.items.length, pairs, rate), words };
}

interface Half {
  /** Places among the measured items. */
  readonly items: readonly number[];
  readonly prompts: number;
}

/**
 * Halves of the items by prompt. A hash's order says nothing of the prompt, so the lower half of them is a random half; it
 * is the same one whatever the order of the items.
 */
function splitByPrompt(prompts: readonly string[]): { readonly validation: Half; readonly test: Half } {
  const distinct = [...new Set(prompts)].sort();
  const isValidation = new Set(distinct.slice(0, Math.floor(distinct.length / 2)));
  const places = (on: boolean): number[] =>
    prompts.flatMap((prompt, place) => (isValidation.has(prompt) === on ? [place] : []));
  return {
    validation: { items: places(true), prompts: isValidation.size },
    test: { items: places(false), prompts: distinct.length - isValidation.size },
  };
}

interface Choice {
  readonly point: ChosenPoint;
  readonly perSeed: readonly { readonly seed: number; readonly test: number }[];
}

/** Of the arm's settings the one with the best mean on validation; of equals the first. All its seeds must have finished. */
function choose(
  result: ComparisonResult,
  items: MeasuredItems,
  { validation, test }: { readonly validation: Half; readonly test: Half },
  arm: string,
): Choice | undefined {
  const points: readonly GridPoint[] = usesBeta(arm)
    ? gridPoints(result)
    : result.learningRates.map((learningRate) => ({ learningRate }));
  let best: Choice | undefined;
  for (const point of points) {
    const runs = runsOf(result, arm, point.learningRate, point.beta);
    const perSeed = runs.flatMap((run) => {
      const right = run.status === 'finished' ? items.of(run) : undefined;
      const count = ({ items: places }: Half): number => places.filter((place) => right![place]).length;
      return right ? [{ seed: run.seed, validation: count(validation), test: count(test) }] : [];
    });
    if (perSeed.length < result.seeds.length) continue;
    // Means of counts, so that settings that do equally well are equal to the last bit.
    const onValidation = mean(perSeed.map((seed) => seed.validation)) / validation.items.length;
    if (best && onValidation <= best.point.validation) continue;
    const onTest = mean(perSeed.map((seed) => seed.test)) / test.items.length;
    best = {
      point: { ...point, validation: onValidation, test: onTest },
      perSeed: perSeed.map(({ seed, test: right }) => ({ seed, test: right / test.items.length })),
    };
  }
  return best;
}

type Pair = Pick<SelectedVerdict, 'arm' | 'against' | 'chosen' | 'differences'>;

function pairUp(arm: string, against: string, own: Choice | undefined, other: Choice | undefined): Pair {
  const chosen = { ...(own && { arm: own.point }), ...(other && { against: other.point }) };
  const differences = (own?.perSeed ?? []).flatMap(({ seed, test }) => {
    const paired = other?.perSeed.find((each) => each.seed === seed);
    return paired ? [{ seed, difference: test - paired.test }] : [];
  });
  return { arm, against, chosen, differences };
}

/** The verdicts on test: a paired t test over seeds, corrected over the arms within its part of the error rate, as in `verdict`. */
function judge(
  { measure }: MeasuredItems,
  testItems: number,
  pairs: readonly Pair[],
  rate: number,
): SelectedVerdict[] {
  const intervalOf = ({ differences }: Pair, level: number): ReturnType<typeof studentInterval> =>
    studentInterval(
      differences.map(({ difference }) => difference),
      level,
      1 / testItems,
    );
  const family = pairs.filter(({ differences }) => differences.length >= fewestSeeds);
  const steps = holm(
    family.map((pair) => intervalOf(pair, 0.95).pValue),
    rate,
  );
  return pairs.map((pair) => {
    const { arm, against, chosen, differences } = pair;
    const step = steps[family.indexOf(pair)];
    if (!chosen.arm || !chosen.against) {
      const without = [...(chosen.against ? [] : [against]), ...(chosen.arm ? [] : [arm])].join(' and ');
      const words = `no settings to choose for ${without}: a run diverged or is missing at each of them`;
      return { ...pair, outcome: 'no-choice', words };
    }
    const settings = `${settingsWords(against, chosen.against)}, ${settingsWords(arm, chosen.arm)}`;
    if (!step) {
      const meanDifference = meanOf(differences);
      const words = `too few seeds to tell about ${measure.label} (observed ${arm} − ${against}: ${signedAmount(meanDifference, measure.unit)} over ${plural(differences.length, 'seed')}; seed noise not assessed); ${settings}`;
      return { ...pair, outcome: 'too-few-seeds', meanDifference, words };
    }
    const interval = intervalOf(pair, 1 - step.errorRate);
    const outcome = !step.rejected ? 'no-difference' : interval.estimate > 0 ? 'higher' : 'lower';
    return {
      ...pair,
      outcome,
      meanDifference: interval.estimate,
      halfWidth: interval.halfWidth,
      level: interval.level,
      pValue: interval.pValue,
      adjustedPValue: adjustedWithin(rate, step.adjusted),
      detectable: detectableIn(interval, differences.length, rate / family.length),
      words: `${judgedWords({ definition: measure, subject: pair }, outcome, interval, family.length, rate)}; ${settings}`,
    };
  });
}

/** "dpo at lr 5e-6: 41.0 % on test" */
const settingsWords = (arm: string, point: ChosenPoint): string =>
  `${arm} at ${describePoint(point)}: ${percent(point.test)} on test`;

/** A selection as lines: a verdict each, or why there is none. */
export function selectionLines({ verdicts, words }: Selection): string[] {
  const lead = words.charAt(0).toUpperCase() + words.slice(1);
  if (verdicts.length === 0) return [`${lead}.`];
  return verdicts.map((verdict) => `${lead}: ${verdict.words}`);
}
