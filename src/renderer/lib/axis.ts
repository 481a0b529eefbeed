import { formatCount, formatDuration, formatParameters } from '../../shared/format.ts';
import type { Buckets } from './series.ts';

/** What charts can be drawn over: optimizer steps, tokens seen, seconds spent in steps. */
export const axisKinds = ['step', 'tokens', 'time'] as const;
export type AxisKind = (typeof axisKinds)[number];

/** The metric that an axis is made of; `step` needs none. */
export const axisMetric = { step: undefined, tokens: 'num_tokens', time: 'time/step_s' } as const;

export const axisLabels: Readonly<Record<AxisKind, string>> = {
  step: 'step',
  tokens: 'tokens seen',
  time: 'training time',
};

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** The way from a run's steps to places on an axis and back; both are strictly rising together. */
export interface Axis {
  at(step: number): number;
  stepAt(place: number): number;
}

const steps: Axis = { at: (step) => step, stepAt: (place) => place };

/**
 * The axis of one run. Between ends of buckets it is a straight line; before the first it comes from zero, and after the
 * last it goes on as it went.
 * @param buckets of the kind's metric; without them an axis of tokens or time is undefined
 */
export function axisOf(kind: AxisKind, buckets: Buckets | undefined): Axis | undefined {
  if (kind === 'step') return steps;
  if (!buckets || buckets.steps.length === 0) return undefined;
  const from = [0];
  const to = [0];
  let seconds = 0;
  buckets.steps.forEach((step, place) => {
    // Tokens are counted up, so a bucket's largest is where it ends; times are of each step.
    seconds += Math.max(0, buckets.mean[place]!) * buckets.count[place]!;
    const value = kind === 'tokens' ? buckets.max[place]! : seconds;
    if (step <= from.at(-1)! || !(value > to.at(-1)!)) return;
    from.push(step);
    to.push(value);
  });
  if (from.length < 2) return undefined;
  return { at: (step) => interpolate(from, to, step), stepAt: (place) => interpolate(to, from, place) };
}

/** On the line through points of rising x, gone on at both ends. */
function interpolate(x: readonly number[], y: readonly number[], at: number): number {
  let low = 0;
  let high = x.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle]! <= at) low = middle;
    else high = middle;
  }
  const share = (at - x[low]!) / (x[high]! - x[low]!);
  return y[low]! + share * (y[high]! - y[low]!);
}

/** So many seconds in sight: with fewer, whole ones would be told twice. */
const wholeSeconds = 15;

/**
 * A place on an axis in words.
 * @param span how much of the axis is in sight
 */
export function formatPlace(kind: AxisKind, place: number, span = Infinity): string {
  if (kind === 'time')
    return span < wholeSeconds
      ? `${place.toFixed(span < wholeSeconds / 10 ? 2 : 1)} s`
      : formatDuration(place);
  return kind === 'tokens' ? formatParameters(Math.round(place)) : formatCount(place);
}

/**
 * Whether a tick of a logarithmic scale gets words: where a power of ten or more is in sight only 1, 2 and 5 of each, else
 * whatever two digits say. The ends that a scale marks by itself are none of them.
 */
export function hasLogWords(value: number, { from, to }: Range): boolean {
  const lead = value / 10 ** Math.floor(Math.log10(value) + 1e-9);
  const isOf = (leads: readonly number[]): boolean => leads.some((each) => Math.abs(lead - each) < 1e-6);
  return to / from >= 10 ? isOf([1, 2, 5]) : isOf([Math.round(10 * lead) / 10]);
}

/**
 * Ends of a scale that shows all of these with a little room.
 * @param log in powers of ten: only values above 0 may be given
 * @param zero 0 is shown as well, and is an end where nothing lies beyond it
 */
export function scaleEnds(
  low: number,
  high: number,
  log: boolean,
  zero = false,
): { min: number; max: number } {
  if (!(low <= high)) return log ? { min: 0.1, max: 1 } : { min: 0, max: 1 };
  if (log) return low === high ? { min: low / 2, max: high * 2 } : spreadLog(low, high);
  const [least, most] = zero ? [Math.min(low, 0), Math.max(high, 0)] : [low, high];
  const size = Math.max(Math.abs(least), Math.abs(most));
  // Nothing but 0: hardly any measure goes below it, and the line needs a height.
  if (size === 0) return { min: 0, max: 0.5 };
  // What single precision makes of one value is no course.
  const room = 0.05 * (most - least > 1e-6 * size ? most - least : size);
  return {
    min: zero && least === 0 ? 0 : least - room,
    max: zero && most === 0 ? 0 : most + room,
  };
}

/** So many digits that neighbouring ticks are told apart. */
export function tickDigits(ticks: readonly number[]): number {
  const size = Math.max(...ticks.map(Math.abs));
  const step = Math.abs((ticks[1] ?? 0) - (ticks[0] ?? 0));
  return step > 0 ? Math.min(12, Math.max(4, Math.ceil(Math.log10(size / step)) + 1)) : 4;
}

/** What an axis shows of a single place: it in the middle. */
export function around({ from, to }: Range, log: boolean): Range {
  if (from < to) return { from, to };
  return log ? { from: from / 2, to: from * 2 } : { from: from - 1, to: from + 1 };
}

function spreadLog(low: number, high: number): { min: number; max: number } {
  const room = (high / low) ** 0.05;
  return { min: low / room, max: high * room };
}
