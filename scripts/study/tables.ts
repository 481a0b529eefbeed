import { klLimit, repeatingLimit } from '../../src/shared/collapse.ts';
import { gridPoints, runsOf, type ComparisonResult } from '../../src/shared/comparison.ts';
import { measures, type Measure } from '../../src/shared/measures.ts';
import { summariseCells, type CellSummary } from '../../src/shared/comparison-table.ts';
import { commonDecimals, formatBeta, formatFixed, formatLearningRate } from '../../src/shared/format.ts';
import { usesBeta } from '../../src/shared/losses.ts';
import { sampleStandardDeviation } from '../../src/shared/statistics/descriptive.ts';
import { studentInterval } from '../../src/shared/statistics/intervals.ts';
import { signedAmount, type Verdict } from '../../src/shared/verdict.ts';
import type { Robustness } from './findings.ts';

export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n');
}

const measureOf = (name: Measure['name']): Measure => measures.find((each) => each.name === name)!;

/** Measures of the results' tables, where there is any of them. */
const shown = ['task', 'preference', 'c', 'r', 'margin', 'kl'] as const satisfies readonly Measure['name'][];
const headings: Readonly<Record<(typeof shown)[number], string>> = {
  task: 'task, %',
  preference: 'preference, %',
  c: 'c, nats',
  r: 'r, nats',
  margin: 'c − r, nats',
  kl: 'KL per token',
};

/** Mean and half the width of its 95 % t interval over seeds; with two seeds or fewer the mean alone. */
function withInterval(values: readonly number[], scale: number, decimals: number): string {
  if (values.length === 0) return '–';
  const scaled = values.map((value) => value * scale);
  const centre = scaled.reduce((sum, value) => sum + value, 0) / scaled.length;
  const text = formatFixed(centre, decimals);
  if (scaled.length < 3 || sampleStandardDeviation(scaled) === 0) return text;
  return `${text} ± ${formatFixed(studentInterval(scaled).halfWidth, decimals)}`;
}

const valuesOf = ({ runs }: CellSummary, { of }: Measure): number[] =>
  runs.flatMap(({ status, evaluation }) => {
    const value = status === 'finished' && evaluation ? of(evaluation) : undefined;
    return value === undefined ? [] : [value];
  });

/** Every arm at every learning rate of one β: means over seeds with intervals, and how many runs collapsed. */
export function resultsTable(
  result: ComparisonResult,
  all: readonly Robustness[],
  beta: number | undefined,
): string {
  const cells = summariseCells(result).filter(
    (each) => each.runs.length > 0 && (each.beta === undefined || each.beta === beta),
  );
  const columns = shown.flatMap((name) => {
    const measure = measureOf(name);
    const base = measure.of(result.base);
    const values = cells.map((each) => valuesOf(each, measure));
    if (values.every(({ length }) => length === 0)) return [];
    const scale = measure.unit === 'share' ? 100 : 1;
    const decimals = measure.unit === 'share' ? 1 : commonDecimals(values.flat());
    const untrained = base === undefined ? '–' : formatFixed(base * scale, decimals);
    return [
      {
        heading: headings[name],
        texts: [untrained, ...values.map((each) => withInterval(each, scale, decimals))],
      },
    ];
  });
  const collapsed = (each: CellSummary): string => {
    const own = all.find(({ arm, beta: at }) => arm === each.loss && at === each.beta);
    const found = own?.rates.find(({ learningRate }) => learningRate === each.learningRate);
    return found ? `${found.collapsed}/${found.of}` : '–';
  };
  return table(
    ['lr', 'arm', ...columns.map(({ heading }) => heading), 'collapsed'],
    [undefined, ...cells].map((each, place) => [
      each ? formatLearningRate(each.learningRate) : '',
      each ? each.loss : 'untrained',
      ...columns.map(({ texts }) => texts[place]!),
      each ? collapsed(each) : '',
    ]),
  );
}

const outcomes: Readonly<Record<Verdict['outcome'], (unit: Measure['unit']) => string>> = {
  higher: (unit) => (unit === 'share' ? '**better**' : '**larger**'),
  lower: (unit) => (unit === 'share' ? '**worse**' : '**smaller**'),
  'no-difference': () => 'no detectable difference',
  'too-few-seeds': () => 'too few seeds to tell',
  diverged: () => 'a run diverged, no claim',
};

/** The verdicts of one measure: every arm against the first at every point, with the interval that decided. */
export function verdictTable(
  result: ComparisonResult,
  verdicts: readonly Verdict[],
  name: Measure['name'],
): string {
  const [against = '', ...others] = result.arms;
  const { unit } = measureOf(name);
  const several = (result.betas?.length ?? 0) > 1;
  const cellOf = (arm: string, learningRate: number, beta: number | undefined): string => {
    const found = verdicts.find(
      (each) =>
        each.measure === name &&
        each.arm === arm &&
        each.learningRate === learningRate &&
        (each.beta === beta || each.beta === undefined),
    );
    // Runs that are not on record yet are no finding.
    if (!found || (found.differences.length === 0 && found.outcome !== 'diverged')) return '–';
    const { meanDifference, halfWidth, outcome } = found;
    if (meanDifference === undefined) return outcomes[outcome](unit);
    const size = signedAmount(meanDifference, unit).split(' ')[0]!;
    const range =
      halfWidth === undefined ? size : `${size} ± ${signedAmount(halfWidth, unit).split(' ')[0]!.slice(1)}`;
    return `${range} ${outcomes[outcome](unit)}`;
  };
  return table(
    ['lr', ...(several ? ['β'] : []), ...others.map((arm) => `${arm} − ${against}`)],
    gridPoints(result).map(({ learningRate, beta }) => [
      formatLearningRate(learningRate),
      ...(several ? [beta === undefined ? '' : formatBeta(beta)] : []),
      ...others.map((arm) => cellOf(arm, learningRate, beta)),
    ]),
  );
}

/** How many runs of each arm collapsed at which learning rate. */
export function collapseTable(result: ComparisonResult, all: readonly Robustness[]): string {
  const several = (result.betas?.length ?? 0) > 1;
  const rates = [...result.learningRates].sort((a, b) => a - b);
  return table(
    [
      'arm',
      ...(several ? ['β'] : []),
      ...rates.map((rate) => `lr ${formatLearningRate(rate)}`),
      'holds up to',
    ],
    all.map(({ arm, beta, rates: own, holdsUpTo }) => [
      arm,
      ...(several ? [beta === undefined ? 'any' : formatBeta(beta)] : []),
      ...own.map(({ collapsed, of }) => `${collapsed}/${of}`),
      holdsUpTo === undefined ? 'none' : formatLearningRate(holdsUpTo),
    ]),
  );
}

/** What a run counts as collapsed by, out of the rules' own limits. */
export function collapseRules({ base }: ComparisonResult): string[] {
  return [
    base.task
      ? 'its task accuracy lies below the 95 % interval (Wilson) of the untrained model’s'
      : 'its preference accuracy without a reference lies below the 95 % interval (Wilson) of the untrained model’s',
    `its KL to the reference, on its own samples, is above ${klLimit} nat per token`,
    `more than ${repeatingLimit * 100} % of its answers repeat themselves, and the untrained model’s do not`,
    'a loss, gradient, log-prob or logit was not finite',
  ];
}

/** A result as if those seeds had not been asked for of which nothing is on record yet. */
export function ofBegunSeeds(result: ComparisonResult): ComparisonResult {
  return { ...result, seeds: result.seeds.filter((seed) => result.runs.some((run) => run.seed === seed)) };
}

/** Runs on record of those that the grid has. */
export function progressOf(result: ComparisonResult): { readonly done: number; readonly total: number } {
  const { arms, learningRates, betas = [], seeds } = result;
  const total = arms.reduce(
    (sum, arm) => sum + learningRates.length * seeds.length * (usesBeta(arm) ? Math.max(1, betas.length) : 1),
    0,
  );
  return { done: result.runs.length, total };
}

/** Seeds of which every run is on record. */
export function wholeSeeds(result: ComparisonResult): number[] {
  return result.seeds.filter((seed) =>
    gridPoints(result).every(({ learningRate, beta }) =>
      result.arms.every((arm) => runsOf(result, arm, learningRate, beta).some((run) => run.seed === seed)),
    ),
  );
}
