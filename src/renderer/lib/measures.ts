import {
  describePoint,
  gridPoints,
  runsOf,
  type ComparisonResult,
  type GridPoint,
} from '../../shared/comparison.ts';
import { measures, unitWords } from '../../shared/measures.ts';
import { summariseCells } from '../../shared/comparison-table.ts';

/** Points of a chart; see components/chart/PointChart. */
export interface Points {
  readonly title: string;
  readonly groups: readonly {
    readonly label: string;
    readonly loss: string;
    readonly points: readonly {
      readonly x: number;
      readonly y: number;
      readonly label?: string;
      /** What it stands for, where points can be chosen. */
      readonly key?: number;
    }[];
    readonly mean?: { readonly x: number; readonly y: number };
  }[];
  readonly xLabel: string;
  readonly yLabel: string;
  readonly categories?: readonly string[];
  readonly lines?: readonly ({ readonly y: number; readonly label: string } | 'diagonal' | 'zero')[];
  readonly limits?: readonly [number, number];
  /** The y axis begins at 0. */
  readonly fromZero?: boolean;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Of every measure that was taken: a mark per seed, a bar for their mean, a line for the base. */
export function measureCharts(result: ComparisonResult): Points[] {
  const points = gridPoints(result);
  const cells = summariseCells(result);
  return measures.flatMap((measure): Points[] => {
    const scale = measure.unit === 'share' ? 100 : 1;
    const groups = points.flatMap((point, place) =>
      result.arms.map((loss, arm) => {
        const x = place + ((arm + 0.5) / result.arms.length - 0.5) * 0.7;
        const seeds = runsOf(result, loss, point.learningRate, point.beta).flatMap((run) => {
          const value = run.status === 'finished' && run.evaluation ? measure.of(run.evaluation) : undefined;
          return value === undefined ? [] : [{ x, y: value * scale, label: `seed ${run.seed}` }];
        });
        const cell = cells.find(
          (each) =>
            each.loss === loss &&
            each.learningRate === point.learningRate &&
            (each.beta === undefined || each.beta === point.beta),
        );
        const mean = cell?.measures[measure.name].mean;
        return {
          label: `${loss}, ${describePoint(point)}`,
          loss,
          points: seeds,
          ...(mean === undefined ? {} : { mean: { x, y: mean * scale } }),
        };
      }),
    );
    if (groups.every((group) => group.points.length === 0)) return [];
    const base = measure.of(result.base);
    return [
      {
        title: capital(measure.label),
        groups,
        categories: points.map((point) => describePoint(point).replace(/^lr /, '')),
        xLabel: points.some(({ beta }) => beta !== undefined) ? 'learning rate, β' : 'learning rate',
        yLabel: measure.unit === 'nats' ? 'nats per answer' : unitWords[measure.unit],
        ...(measure.fromZero ? { fromZero: true } : {}),
        ...(base === undefined ? {} : { lines: [{ y: base * scale, label: 'base' }] }),
      },
    ];
  });
}

/** Held-out pairs of all finished seeds at one point of the grid, as points (c, r). */
export function pairChart(result: ComparisonResult, point: GridPoint): Points {
  return {
    title: `Held-out pairs at ${describePoint(point)}`,
    groups: result.arms.map((loss) => ({
      label: loss,
      loss,
      points: runsOf(result, loss, point.learningRate, point.beta)
        .filter(({ status }) => status === 'finished')
        .flatMap(({ seed, evaluation }) =>
          (evaluation?.perPair ?? [])
            .filter(({ c, r }) => Number.isFinite(c) && Number.isFinite(r))
            .map(({ index, c, r }) => ({ x: c, y: r, key: index, label: `row ${index}, seed ${seed}` })),
        ),
    })),
    xLabel: 'c, nats',
    yLabel: 'r, nats',
    lines: ['diagonal', 'zero'],
  };
}
