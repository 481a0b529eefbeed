import { placesInColour } from '../../../shared/appearance.ts';
import { describePoint, gridPoints, runsOf } from '../../../shared/comparison.ts';
import { measures, unitWords } from '../../../shared/measures.ts';
import type { ComparisonResult, GridPoint, RunResult } from '../../../shared/comparison.ts';
import { finalMetric, summariseCells } from '../../../shared/comparison-table.ts';
import { formatBeta, formatLearningRate } from '../../../shared/format.ts';
import { usesBeta } from '../../../shared/losses.ts';
import type { MetricName, StepMetrics } from '../../../shared/metrics.ts';
import { mean, quantileOfSorted } from '../../../shared/statistics/descriptive.ts';

type Point = readonly [x: number, y: number];

/** One line of a chart over steps: one seed's values as they are, or the smoothed mean over seeds. */
export interface Curve {
  /** Place of the loss among the comparison's arms. */
  readonly arm: number;
  readonly label: string;
  readonly kind: 'seed' | 'mean';
  readonly dashed: boolean;
  /** Place of the arm among those of its colour: told apart by how lines are broken. */
  readonly place: number;
  readonly points: readonly Point[];
  /** Set where the run diverged: the curve ends in a cross. */
  readonly diverged: boolean;
}

interface ChartBase {
  readonly id: string;
  readonly title: string;
  readonly note: string;
  readonly xLabel: string;
  readonly yLabel: string;
}

/** Values over optimizer steps. */
export interface StepChart extends ChartBase {
  readonly kind: 'steps';
  readonly curves: readonly Curve[];
  /** Range of the y axis; diverged runs do not stretch it. */
  readonly range: readonly [number, number] | undefined;
  /** "dpo, seed 1: diverged at step 40" */
  readonly badges: readonly string[];
}

/** One measure: a dot per seed and a bar for the mean, per arm and learning rate. */
export interface DotChart extends ChartBase {
  readonly kind: 'dots';
  /** Learning rates, at x = 0, 1, 2 … */
  readonly categories: readonly string[];
  readonly groups: readonly {
    readonly arm: number;
    readonly label: string;
    readonly dots: readonly Point[];
    readonly mean: Point | undefined;
  }[];
  readonly base: number | undefined;
  /** Where the measure cannot go beyond: 0 and 100 for percentages. */
  readonly limits: readonly [number, number] | undefined;
  /** Where the measure begins at 0. */
  readonly fromZero: boolean;
}

/** Held-out pairs as points (c, r). */
export interface ScatterChart extends ChartBase {
  readonly kind: 'scatter';
  readonly groups: readonly {
    readonly arm: number;
    readonly label: string;
    readonly points: readonly Point[];
  }[];
}

/**
 * Lengths of strokes and gaps by the place of an arm among those of its colour, in pixels: of a solid quantity, and of a
 * dashed one in shorter strokes.
 */
export const lineDashes = {
  solid: [[], [12, 3], [12, 3, 2, 3], [16, 3, 2, 3, 2, 3]],
  dashed: [
    [5, 4],
    [2, 4],
    [5, 3, 1, 3],
    [3, 6],
  ],
} as const;

export type Chart = StepChart | DotChart | ScatterChart;

/** Charts under one heading. */
export interface ChartGroup {
  readonly heading: string;
  readonly intro: string;
  readonly charts: readonly Chart[];
  /** Whether the base is drawn in these charts. */
  readonly showsBase: boolean;
}

// Six digits are more than any screen shows, and halve the file.
const rounded = (value: number): number => Number(value.toPrecision(6));

type StepValue = (step: StepMetrics, run: RunResult) => number | undefined;

/** Finite values of one run by step, up to the first that is not finite (null after a way through JSON). */
function finitePoints(run: RunResult, of: StepValue): { points: Point[]; cut: boolean } {
  const points: Point[] = [];
  for (const step of run.metrics) {
    const value = of(step, run) as number | null | undefined;
    if (value === undefined) continue;
    if (value === null || !Number.isFinite(value)) return { points, cut: true };
    points.push([step.step, rounded(value)]);
  }
  return { points, cut: false };
}

function stepsPerPoint({ steps, metrics }: RunResult): number {
  return steps === undefined || metrics.length === 0 ? 1 : Math.ceil(steps / metrics.length);
}

/** Steps that a mean curve is smoothed over: about a twentieth of the run, odd, so that the window is centred. */
export function smoothingWindow(steps: number): number {
  return 2 * Math.floor(steps / 40) + 1;
}

/** Mean over seeds at the steps every seed has, then a centred moving average, narrower at the ends. */
export function smoothedMean(seeds: readonly (readonly Point[])[]): Point[] {
  const bySeed = seeds.map((points) => new Map(points));
  const common = (seeds[0] ?? []).flatMap(([step]) => {
    const values = bySeed.map((values) => values.get(step));
    return values.includes(undefined) ? [] : [[step, mean(values as number[])] as const];
  });
  const reach = (smoothingWindow(common.length) - 1) / 2;
  return common.map(([step], place) => {
    const near = Math.min(reach, place, common.length - 1 - place);
    return [step, rounded(mean(common.slice(place - near, place + near + 1).map(([, value]) => value)))];
  });
}

/** Range of all values of finished runs (their means lie within); diverged runs count only as far as they stay near it. */
function axisRange(curves: readonly Curve[], zero: boolean): [number, number] | undefined {
  const values = (diverged: boolean): number[] =>
    curves
      .filter((curve) => curve.kind === 'seed' && curve.diverged === diverged)
      .flatMap(({ points }) => points.map(([, y]) => y));
  const steady = values(false);
  const wild = values(true).sort((a, b) => a - b);
  const kept = steady.length > 0 ? steady : [quantileOfSorted(wild, 0.02), quantileOfSorted(wild, 0.98)];
  const known = kept.filter(Number.isFinite);
  if (known.length === 0) return undefined;
  const bounds = (of: readonly number[]): [number, number] =>
    of.reduce<[number, number]>(
      ([low, high], y) => [Math.min(low, y), Math.max(high, y)],
      [zero ? 0 : Infinity, zero ? 0 : -Infinity],
    );
  const [low, high] = bounds(known);
  const span = high - low || Math.abs(high) || 1;
  const near = wild.filter((y) => y >= low - span && y <= high + span);
  const [least, most] = bounds([...known, ...near]);
  const margin = (most - least || span) * 0.05;
  return [zero && least === 0 ? 0 : rounded(least - margin), zero && most === 0 ? 0 : rounded(most + margin)];
}

interface Quantity {
  readonly label: string;
  readonly of: StepValue;
  readonly dashed?: boolean;
}

function stepChart(
  result: ComparisonResult,
  { learningRate, beta }: GridPoint,
  about: Omit<ChartBase, 'xLabel'> & { readonly quantities: readonly Quantity[]; readonly zero: boolean },
): StepChart {
  const { quantities, zero, ...texts } = about;
  const badges = new Set<string>();
  const places = placesInColour(result.arms);
  const curves = result.arms.flatMap((loss, arm) =>
    quantities.flatMap(({ label, of, dashed = false }): Curve[] => {
      const name = quantities.length > 1 ? `${loss} ${label}` : loss;
      const seeds = runsOf(result, loss, learningRate, beta).map((run): Curve => {
        const { points, cut } = finitePoints(run, of);
        const diverged = cut || run.status === 'diverged';
        const last = run.divergedAt ?? (points.at(-1)?.[0] ?? 0) + 1;
        if (diverged) badges.add(`${loss}, seed ${run.seed}: diverged at step ${last}`);
        return {
          arm,
          label: `${name}, seed ${run.seed}`,
          kind: 'seed',
          dashed,
          place: places[arm]!,
          points,
          diverged,
        };
      });
      const points = smoothedMean(seeds.map((seed) => seed.points));
      // A mean over what is left after a seed diverged would jump there: it ends with the shortest seed instead.
      const averaged: Curve = {
        arm,
        label: `${name}, mean`,
        kind: 'mean',
        dashed,
        place: places[arm]!,
        points,
        diverged: false,
      };
      return seeds.some((seed) => seed.points.length > 0) ? [...seeds, averaged] : [];
    }),
  );
  return {
    ...texts,
    kind: 'steps',
    xLabel: 'optimizer step',
    curves,
    range: axisRange(curves, zero),
    badges: [...badges],
  };
}

/** Says of the arms at one point whose c and r both fell, since that alarms people and is not a fault by itself. */
export function explainFall(result: ComparisonResult, { learningRate, beta }: GridPoint): string {
  const ends = (loss: string, name: MetricName): number[] =>
    runsOf(result, loss, learningRate, beta)
      .map((run) => finalMetric(run, name))
      .filter((value) => value !== undefined);
  const falling = result.arms.filter((loss) => {
    const c = ends(loss, 'rewards/chosen');
    const r = ends(loss, 'rewards/rejected');
    return c.length > 0 && r.length > 0 && mean(c) < 0 && mean(r) < 0;
  });
  if (falling.length === 0) {
    return 'Above the line an answer is likelier than under the reference, below it less likely.';
  }
  return `Both fall below the line for ${falling.join(' and ')}: the loss only asks that c − r grow, so it may make both answers less likely, and their probability goes to other texts. By itself that is no fault; read it with the task accuracy and the answers below.`;
}

/** The β in which a run's rewards are logged; undefined where an early result does not say. */
function rewardBeta(result: ComparisonResult, run: RunResult): number | undefined {
  const beta = run.beta ?? result.config['beta'];
  return typeof beta === 'number' && beta > 0 ? beta : undefined;
}

function stepCharts(result: ComparisonResult, point: GridPoint, place: number): StepChart[] {
  // What ignores β has no reference to have rewards against.
  const known = result.runs.every((run) => rewardBeta(result, run) !== undefined || !usesBeta(run.loss));
  const metric =
    (name: MetricName, scale: (run: RunResult) => number = () => 1): StepValue =>
    (step, run) => {
      const value = step[name];
      return typeof value === 'number' ? value * scale(run) : value;
    };
  const toNats = (run: RunResult): number => (known ? 1 / (rewardBeta(result, run) ?? 1) : 1);
  const chart = (
    name: string,
    title: string,
    note: string,
    yLabel: string,
    quantities: readonly Quantity[],
    zero = true,
  ): StepChart =>
    stepChart(result, point, { id: `steps-${place}-${name}`, title, note, yLabel, quantities, zero });
  const single = (name: MetricName): Quantity[] => [{ label: '', of: metric(name) }];
  return [
    chart(
      'log-ratios',
      placesInColour(result.arms).some((place) => place > 0)
        ? 'Log-ratios to the reference: c solid or in long strokes, r in short ones'
        : 'Log-ratios to the reference: c solid, r dashed',
      explainFall(result, point),
      known ? 'nats per answer' : 'β × nats per answer',
      [
        { label: 'c', of: metric('rewards/chosen', toNats) },
        { label: 'r', of: metric('rewards/rejected', toNats), dashed: true },
      ],
    ),
    chart(
      'gate',
      'Gate open: share of pairs with r > 0',
      'Where r ≤ 0, MinorDPO gives the rejected answer no gradient; DPO goes on pushing it down.',
      'share of pairs',
      single('gate/open'),
    ),
    chart(
      'margins',
      'Reward margin β(c − r)',
      'The raw margin for every loss, whatever the loss itself looks at.',
      'rewards/margins',
      single('rewards/margins'),
    ),
    chart(
      'loss',
      'Training loss',
      'Each arm’s own loss: levels of different losses are not comparable.',
      'loss',
      single('loss'),
    ),
    chart(
      'grad-norm',
      'Gradient norm before clipping',
      'Global norm over all trainable weights, in every step as it was before the clip.',
      'grad_norm',
      single('grad_norm'),
    ),
  ].filter(({ curves }) => curves.length > 0);
}

/** @param beta of the cells drawn, besides those of arms that ignore it; absent where there are not several */
function dotCharts(result: ComparisonResult, beta: number | undefined, place: number): DotChart[] {
  const cells = summariseCells(result).filter((cell) => cell.beta === undefined || cell.beta === beta);
  return measures.flatMap((measure): DotChart[] => {
    const scale = measure.unit === 'share' ? 100 : 1;
    const groups = cells.map(({ loss, learningRate, runs, measures: summaries }) => {
      const arm = result.arms.indexOf(loss);
      const x = result.learningRates.indexOf(learningRate) + ((arm + 0.5) / result.arms.length - 0.5) * 0.7;
      const dots = runs.flatMap((run): Point[] => {
        const value = run.status === 'finished' && run.evaluation ? measure.of(run.evaluation) : undefined;
        return value === undefined ? [] : [[rounded(x), rounded(value * scale)]];
      });
      const average = summaries[measure.name].mean;
      return {
        arm,
        label: `${loss}, lr ${formatLearningRate(learningRate)}`,
        dots,
        mean: average === undefined ? undefined : ([rounded(x), rounded(average * scale)] as const),
      };
    });
    if (groups.every(({ dots }) => dots.length === 0)) return [];
    const base = measure.of(result.base);
    return [
      {
        kind: 'dots',
        id: `dots-${beta === undefined ? '' : `${place}-`}${measure.name}`,
        title: measure.label.charAt(0).toUpperCase() + measure.label.slice(1),
        note: '',
        xLabel: 'learning rate',
        yLabel: measure.unit === 'nats' ? 'nats per answer' : unitWords[measure.unit],
        categories: result.learningRates.map(formatLearningRate),
        groups,
        base: base === undefined ? undefined : rounded(base * scale),
        limits: measure.unit === 'share' ? [0, 100] : undefined,
        fromZero: measure.fromZero ?? false,
      },
    ];
  });
}

function scatterChart(result: ComparisonResult, point: GridPoint, place: number): ScatterChart[] {
  const groups = result.arms.flatMap((loss, arm) => {
    const points = runsOf(result, loss, point.learningRate, point.beta)
      .filter(({ status }) => status === 'finished')
      .flatMap(({ evaluation }) => evaluation?.perPair ?? [])
      .filter(({ c, r }) => Number.isFinite(c) && Number.isFinite(r))
      .map(({ c, r }): Point => [rounded(c), rounded(r)]);
    return points.length === 0 ? [] : [{ arm, label: loss, points }];
  });
  if (groups.length === 0) return [];
  return [
    {
      kind: 'scatter',
      id: `scatter-${place}`,
      title: `Held-out pairs at ${describePoint(point)}`,
      note: 'One point per pair and seed. Below the diagonal c > r: the pair counts as right.',
      xLabel: 'c, nats',
      yLabel: 'r, nats',
      groups,
    },
  ];
}

/** Every chart of a report: final measures first, then the held-out pairs, then the course of training. */
export function chartGroups(result: ComparisonResult): ChartGroup[] {
  const steps = Math.max(0, ...result.runs.map((run) => run.metrics.length));
  const window = smoothingWindow(steps);
  // Of long runs a point is the mean of several steps.
  const perPoint = Math.max(1, ...result.runs.map(stepsPerPoint));
  const smoothing = window > 1 ? `, smoothed over ${window * perPoint} steps` : '';
  const logged = perPoint > 1 ? `means over ${perPoint} steps,` : 'as logged,';
  const { betas = [] } = result;
  const ignored = result.arms.filter((loss) => !usesBeta(loss));
  const groups: ChartGroup[] = [
    ...(betas.length > 1 ? betas : [undefined]).map((beta, place) => ({
      heading: `Final measures${beta === undefined ? '' : ` at β ${formatBeta(beta)}`}, independent of the loss`,
      intro:
        'One mark per seed, a bar for their mean, a dashed line for the base. Diverged runs are left out here.' +
        (beta === undefined || ignored.length === 0
          ? ''
          : ` ${ignored.join(' and ')} ${ignored.length === 1 ? 'ignores' : 'ignore'} β: the same runs at each.`),
      charts: dotCharts(result, beta, place),
      showsBase: true,
    })),
    {
      heading: 'Held-out pairs',
      intro: 'Log-ratios to the reference of both answers, summed over their tokens.',
      charts: gridPoints(result).flatMap((point, place) => scatterChart(result, point, place)),
      showsBase: false,
    },
    ...gridPoints(result).map((point, place) => ({
      heading: `Training at ${describePoint(point)}`,
      intro: `Thin: every seed, ${logged} on its training batches. Bold: mean over seeds${smoothing}; it ends where a seed ends.`,
      charts: stepCharts(result, point, place),
      showsBase: false,
    })),
  ];
  return groups.filter(({ charts }) => charts.length > 0);
}
