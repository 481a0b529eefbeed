import type { Series } from '../../shared/contract.ts';

/** Neighbouring steps in buckets, as `Series` has them; all lists are of one length. */
export type Buckets = Pick<Series, 'steps' | 'mean' | 'min' | 'max' | 'count'>;

interface MutableBuckets {
  steps: number[];
  mean: number[];
  min: number[];
  max: number[];
  count: number[];
}
const empty = (): MutableBuckets => ({ steps: [], mean: [], min: [], max: [], count: [] });

function add(
  to: MutableBuckets,
  from: Buckets,
  place: number,
  changed: { step?: number; count?: number } = {},
) {
  to.steps.push(changed.step ?? from.steps[place]!);
  to.mean.push(from.mean[place]!);
  to.min.push(from.min[place]!);
  to.max.push(from.max[place]!);
  to.count.push(changed.count ?? from.count[place]!);
}

/**
 * A whole series with a finer part of it in its place, so that what is outside a zoomed range is still there: to smooth
 * over, to sum up, and to look at before finer values arrive. A bucket that the part's border cuts keeps its share of
 * the values outside.
 * @param from the first step that the finer part was asked for
 * @param to the last one
 */
export function withDetail(whole: Buckets, detail: Buckets, from: number, to: number): Buckets {
  const joined = empty();
  const before = (place: number): number =>
    place === 0 ? whole.steps[0]! - whole.count[0]! : whole.steps[place - 1]!;
  const share = (place: number, steps: number): number =>
    Math.round((whole.count[place]! * steps) / Math.max(1, whole.steps[place]! - before(place)));
  let place = 0;
  for (; place < whole.steps.length && whole.steps[place]! < from; place += 1) add(joined, whole, place);
  if (place < whole.steps.length && before(place) < from - 1) {
    // A bucket has a value at its last step, which is not before the border.
    const count = Math.min(whole.count[place]! - 1, share(place, from - 1 - before(place)));
    if (count > 0) add(joined, whole, place, { step: from - 1, count });
  }
  detail.steps.forEach((_, each) => add(joined, detail, each));
  for (place = 0; place < whole.steps.length && whole.steps[place]! <= to;) place += 1;
  if (place < whole.steps.length && before(place) < to) {
    add(joined, whole, place, { count: Math.max(1, share(place, whole.steps[place]! - to)) });
    place += 1;
  }
  for (; place < whole.steps.length; place += 1) add(joined, whole, place);
  return joined;
}

/** Several seeds at the steps that all of them have. */
export interface SeedBand {
  readonly steps: readonly number[];
  readonly mean: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
  readonly seeds: number;
}

/**
 * Mean over seeds with their spread. Only steps at which every seed has a finite value count, and every seed counts:
 * the picture of an arm never depends on which of its seeds could be had at a step.
 * @param spread `sd`: mean ± the sample's standard deviation; `range`: least to largest
 */
export function acrossSeeds(
  seeds: readonly { readonly steps: readonly number[]; readonly values: readonly number[] }[],
  spread: 'sd' | 'range',
): SeedBand {
  const band = { steps: [] as number[], mean: [] as number[], low: [] as number[], high: [] as number[] };
  const [first, ...others] = seeds;
  const places = others.map(() => 0);
  first?.steps.forEach((step, place) => {
    const values = [first.values[place]!];
    others.forEach((seed, other) => {
      while (seed.steps[places[other]!]! < step) places[other]! += 1;
      if (seed.steps[places[other]!] === step) values.push(seed.values[places[other]!]!);
    });
    if (values.length < seeds.length || !values.every(Number.isFinite)) return;
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    const deviation = values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1));
    band.steps.push(step);
    band.mean.push(mean);
    band.low.push(spread === 'sd' ? mean - deviation : Math.min(...values));
    band.high.push(spread === 'sd' ? mean + deviation : Math.max(...values));
  });
  return { ...band, seeds: seeds.length };
}

/**
 * The last place before a series broke whose value is finite: where its marker goes. −1 where there is none.
 * @param brokenAt the first step whose value is not finite
 */
export function lastFinite(steps: readonly number[], values: readonly number[], brokenAt: number): number {
  let found = -1;
  for (let place = 0; place < steps.length; place += 1) {
    // A bucket may hold finite values before the broken one; the first such bucket is the last to count.
    if (Number.isFinite(values[place])) found = place;
    if (steps[place]! >= brokenAt) break;
  }
  return found;
}

/** Every `n`-th place, such that at most so many are left; the last is always among them. */
export function thinned(length: number, most: number): number[] {
  const stride = Math.max(1, Math.ceil(length / Math.max(1, most)));
  const places: number[] = [];
  for (let place = (length - 1) % stride; place < length; place += stride) places.push(place);
  return places;
}
