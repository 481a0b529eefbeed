import type { Series } from '../../shared/contract.ts';
import { axisMetric, axisOf, type Axis, type AxisKind } from './axis.ts';
import type { ChartLine } from './chart-lines.ts';
import { acrossSeeds, lastFinite, withDetail, type Buckets } from './series.ts';
import { smooth } from './smooth.ts';

/** A line as it is drawn. All lists are of one length, by rising x; what cannot be drawn is NaN. */
export interface Plotted {
  readonly line: ChartLine;
  readonly steps: readonly number[];
  readonly x: readonly number[];
  /** Smoothed; over seeds the mean of their smoothed values. */
  readonly value: readonly number[];
  /** Means of buckets, not smoothed. */
  readonly raw: readonly number[];
  /** The band: least and largest of each bucket, or the spread over seeds. Absent where it would be the line itself. */
  readonly low?: readonly number[];
  readonly high?: readonly number[];
  /** Where the marker of a series that broke goes; `undefined` for one that did not, or that has no finite value. */
  readonly broken: { readonly x: number; readonly y: number } | undefined;
  /** Runs whose values stopped being finite. */
  readonly diverged: readonly number[];
  /** Points that a logarithmic axis cannot show. */
  readonly leftOut: number;
}

/** What is known of one run's metric: all of it, and a finer part. */
export interface Known {
  readonly whole: Series;
  readonly detail?: { readonly series: Buckets; readonly from: number; readonly to: number } | undefined;
}
export interface PlotSettings {
  readonly x: AxisKind;
  readonly smoothing: number;
  readonly logX: boolean;
  readonly logY: boolean;
  readonly spread: 'sd' | 'range';
}

interface Member {
  readonly run: number;
  readonly buckets: Buckets;
  readonly smoothed: readonly number[];
  readonly axis: Axis;
  readonly brokenAt: number | undefined;
}

/**
 * Makes a line out of what is known of its runs: smoothed over all values first, then brought together over seeds.
 * @param known gives what was loaded of a run's metric
 * @returns undefined where a run has no values yet, or none that the axis needs
 */
export function plotLine(
  line: ChartLine,
  known: (run: number, metric: string) => Known | undefined,
  settings: PlotSettings,
): Plotted | undefined {
  const members: Member[] = [];
  for (const run of line.runs) {
    const found = known(run, line.metric);
    const metric = axisMetric[settings.x];
    const measure = metric === undefined ? undefined : known(run, metric);
    const axis = axisOf(settings.x, measure && joined(measure));
    if (!found || !axis) return undefined;
    const buckets = joined(found);
    const smoothed = smooth(buckets.mean, buckets.count, windowOf(line, settings));
    members.push({ run, buckets, smoothed, axis, brokenAt: found.whole.brokenAt });
  }
  if (members.length === 0) return undefined;
  const shape =
    members.length === 1 ? oneRun(members[0]!, windowOf(line, settings)) : manySeeds(members, settings);
  return { line, ...withoutImpossible(shape, settings) };
}

/** Evaluations are means over all held-out pairs already, and far apart: a window of steps means nothing to them. */
function windowOf({ metric }: ChartLine, { smoothing }: PlotSettings): number {
  return metric.startsWith('eval_') ? 1 : smoothing;
}

type Shape = Omit<Plotted, 'line' | 'leftOut'>;

function joined({ whole, detail }: Known): Buckets {
  return detail ? withDetail(whole, detail.series, detail.from, detail.to) : whole;
}

function oneRun({ run, buckets, smoothed, axis, brokenAt }: Member, smoothing: number): Shape {
  const { steps, mean, min, max, count } = buckets;
  const x = steps.map((step) => axis.at(step));
  const end = brokenAt === undefined ? -1 : lastFinite(steps, mean, brokenAt);
  return {
    steps,
    x,
    value: smoothed,
    raw: mean,
    ...(count.some((each) => each > 1) ? { low: min, high: max } : {}),
    // The marker ends what is seen most: the smoothed line, or the values themselves.
    broken: end < 0 ? undefined : { x: x[end]!, y: (smoothing > 1 ? smoothed : mean)[end]! },
    diverged: brokenAt === undefined ? [] : [run],
  };
}

function manySeeds(members: readonly Member[], { spread }: PlotSettings): Shape {
  const band = acrossSeeds(
    members.map(({ buckets, smoothed }) => ({ steps: buckets.steps, values: smoothed })),
    spread,
  );
  const raw = acrossSeeds(
    members.map(({ buckets }) => ({ steps: buckets.steps, values: buckets.mean })),
    spread,
  );
  const x = band.steps.map(
    (step) => members.reduce((sum, { axis }) => sum + axis.at(step), 0) / members.length,
  );
  const diverged = members.flatMap(({ run, brokenAt }) => (brokenAt === undefined ? [] : [run]));
  const last = x.length - 1;
  return {
    steps: band.steps,
    x,
    value: band.mean,
    raw: raw.mean,
    low: band.low,
    high: band.high,
    // The mean over all seeds ends with the first of them that has no value any more.
    broken: diverged.length > 0 && last >= 0 ? { x: x[last]!, y: band.mean[last]! } : undefined,
    diverged,
  };
}

/** Takes out what has no logarithm, and counts the points. */
function withoutImpossible(shape: Shape, { logX, logY }: PlotSettings): Omit<Plotted, 'line'> {
  if (!logX && !logY) return { ...shape, leftOut: 0 };
  let leftOut = 0;
  const kept = shape.x.flatMap((x, place) => {
    const isLost = logX && x <= 0;
    if (isLost || (logY && shape.raw[place]! <= 0)) leftOut += 1;
    return isLost ? [] : [place];
  });
  const pick = (values: readonly number[]): number[] =>
    kept.map((place) => (logY && !(values[place]! > 0) ? NaN : values[place]!));
  const { low, high, broken } = shape;
  const value = pick(shape.value);
  const canMark = broken && (!logX || broken.x > 0) && (!logY || broken.y > 0);
  return {
    ...shape,
    steps: kept.map((place) => shape.steps[place]!),
    x: kept.map((place) => shape.x[place]!),
    value,
    raw: pick(shape.raw),
    ...(low && high ? { low: floored(pick(low), value), high: pick(high) } : {}),
    broken: canMark ? broken : undefined,
    leftOut,
  };
}

/** A band whose lower border lies at or below zero goes down from its line only as far as that is. */
function floored(low: readonly number[], value: readonly number[]): number[] {
  return low.map((each, place) => (Number.isNaN(each) ? value[place]! : each));
}

/** Least and largest value, band included, of what lies in a range of x; of all of it without one. */
export function extentOf(
  plotted: readonly Plotted[],
  range: { readonly from: number; readonly to: number } | undefined,
): { readonly low: number; readonly high: number } {
  let [low, high] = [Infinity, -Infinity];
  for (const line of plotted) {
    const [first, end] = range ? visiblePlaces(line.x, range.from, range.to) : [0, line.x.length];
    for (let place = first; place < end; place += 1) {
      const least = line.low?.[place] ?? line.raw[place]!;
      const most = line.high?.[place] ?? line.raw[place]!;
      const value = line.value[place]!;
      // Comparisons with NaN are false.
      if (least < low) low = least;
      if (value < low) low = value;
      if (most > high) high = most;
      if (value > high) high = value;
    }
  }
  return { low, high };
}

/** The places whose x lies in a range, and one more at each side, so that lines reach the border. */
export function visiblePlaces(x: readonly number[], from: number, to: number): [first: number, end: number] {
  return [Math.max(0, firstAtLeast(x, from) - 1), Math.min(x.length, firstAtLeast(x, to) + 1)];
}

/** The first place of rising values that is not below one; the length where all are. */
export function firstAtLeast(values: readonly number[], least: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
