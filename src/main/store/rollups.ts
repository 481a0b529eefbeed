import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';

/** Neighbouring steps of one metric in one: what a chart draws of them. */
export interface MetricBucket {
  readonly firstStep: number;
  readonly lastStep: number;
  /** Steps that have a value. */
  readonly points: number;
  /** Over the finite values; NaN where there is none. */
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** The value at `lastStep`, whatever it is. */
  readonly last: number;
  /** False where a value is NaN or infinite. */
  readonly finite: boolean;
}

export interface DecimateOptions {
  /** First and last step, both inclusive; default: all. */
  readonly from?: number;
  readonly to?: number;
  /** How many buckets at most. */
  readonly points: number;
}

/** Steps in a bucket of the lowest level, and buckets of a level in one of the next. */
const base = 16;
const factor = 4;
const levels = 7;
const widthOf = (level: number): number => base * factor ** level;

type Row = [
  firstStep: number,
  lastStep: number,
  points: number,
  finite: number,
  sum: number | null,
  min: number | null,
  max: number | null,
  last: number | null,
];

/**
 * Summaries of metrics over stretches of steps, level above level. They are computed anew from what lies below them
 * whenever a step under them is written, so that a step written again leaves no trace of its old value. A bucket is made
 * once a step behind its end is there: until then reading takes what lies below, and a training's next step costs nothing.
 */
export class Rollups {
  readonly #put: Statement<[run: number, metric: number, level: number, bucket: number, ...Row]>;
  readonly #last: Statement<[number, number], number | null>;
  readonly #bounds: Statement<[{ run: number; metric: number }], [number | null, number | null]>;
  readonly #points: Statement<[number, number, number, number], [step: number, value: number | null]>;
  readonly #deleteFrom: Statement<[number, number, number, number]>;
  readonly #rows: Statement<[number, number, number, number, number], Row>;

  constructor(connection: Connection) {
    this.#put = connection.prepare(
      'INSERT OR REPLACE INTO metric_rollups VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#last = connection
      .prepare<[number, number], number | null>(
        'SELECT max(step) FROM metrics WHERE run_id = ? AND metric_id = ?',
      )
      .pluck();
    this.#bounds = connection
      .prepare<[{ run: number; metric: number }], [number | null, number | null]>(
        `SELECT (SELECT min(step) FROM metrics WHERE run_id = $run AND metric_id = $metric),
           (SELECT max(step) FROM metrics WHERE run_id = $run AND metric_id = $metric)`,
      )
      .raw();
    this.#points = connection
      .prepare<[number, number, number, number], [number, number | null]>(
        `SELECT step, value FROM metrics WHERE run_id = ? AND metric_id = ? AND step BETWEEN ? AND ? ORDER BY step`,
      )
      .raw();
    this.#deleteFrom = connection.prepare(
      'DELETE FROM metric_rollups WHERE run_id = ? AND metric_id = ? AND level = ? AND bucket >= ?',
    );
    this.#rows = connection
      .prepare<[number, number, number, number, number], Row>(
        `SELECT first_step, last_step, points, finite_points, sum, minimum, maximum, last_value FROM metric_rollups
         WHERE run_id = ? AND metric_id = ? AND level = ? AND bucket BETWEEN ? AND ? ORDER BY bucket`,
      )
      .raw();
  }

  /** The last step of a metric; -1 where there is none. */
  lastStep(run: number, metric: number): number {
    return this.#last.get(run, metric) ?? -1;
  }

  /**
   * To be called in the transaction that wrote these steps.
   * @param before the last step there was
   */
  refresh(run: number, metric: number, steps: readonly number[], before: number): void {
    const last = steps.reduce((most, step) => Math.max(most, step), before);
    // What was the end so far may now have its end behind it.
    let buckets = bucketsOf(before < 0 ? steps : [before, ...steps], base);
    for (let level = 0; level < levels && buckets.length > 0; level += 1) {
      if (level > 0) buckets = bucketsOf(buckets, factor);
      const width = widthOf(level);
      const ended = buckets.filter((bucket) => (bucket + 1) * width - 1 <= last);
      for (const [from, to] of stretchesOf(ended)) {
        let under: Bucket | undefined;
        let place = -1;
        for (const row of this.#within(run, metric, level - 1, from * width, (to + 1) * width - 1)) {
          const bucket = Math.floor(row[0] / width);
          if (under !== undefined && bucket === place) {
            under.add(row);
            continue;
          }
          if (under) this.#put.run(run, metric, level, place, ...under.row);
          under = new Bucket(row);
          place = bucket;
        }
        if (under) this.#put.run(run, metric, level, place, ...under.row);
      }
    }
  }

  /** Drops the buckets whose end is no longer behind the last step, after the last steps were removed. */
  truncate(run: number, metric: number): void {
    const last = this.lastStep(run, metric);
    for (let level = 0; level < levels; level += 1)
      this.#deleteFrom.run(run, metric, level, Math.floor((last + 1) / widthOf(level)));
  }

  /** At most so many buckets that hold exactly the steps asked for, by ascending step; steps without a value have none. */
  decimate(
    run: number,
    metric: number,
    { from = 0, to = Infinity, points }: DecimateOptions,
  ): MetricBucket[] {
    const [first, last] = this.#bounds.get({ run, metric })!;
    if (first === null || last === null) return [];
    const start = Math.max(from, first);
    const end = Math.min(to, last);
    if (start > end || points < 1) return [];
    const width = Math.ceil((end - start + 1) / Math.floor(points));
    let level = -1;
    while (level + 1 < levels && widthOf(level + 1) <= width) level += 1;
    if (level < 0 && width > 1) return this.#decimateValues(run, metric, start, end, width);
    const buckets: Bucket[] = [];
    let group = -1;
    for (const row of this.#cover(run, metric, start, end, level)) {
      const place = Math.floor((row[0] - start) / width);
      if (place === group) buckets.at(-1)!.add(row);
      else buckets.push(new Bucket(row));
      group = place;
    }
    return buckets.map((bucket) => bucket.result());
  }

  /** As `decimate`, straight from the values: there are many of them, so nothing is made for each. */
  #decimateValues(run: number, metric: number, start: number, end: number, width: number): MetricBucket[] {
    const buckets: MetricBucket[] = [];
    const all = this.#points.all(run, metric, start, end);
    for (let place = 0; place < all.length;) {
      const firstStep = all[place]![0];
      const border = firstStep - ((firstStep - start) % width) + width;
      let [min, max, sum, finite] = [Infinity, -Infinity, 0, 0];
      const first = place;
      for (; place < all.length && all[place]![0] < border; place += 1) {
        const value = all[place]![1];
        if (value === null || !Number.isFinite(value)) continue;
        finite += 1;
        sum += value;
        if (value < min) min = value;
        if (value > max) max = value;
      }
      const [lastStep, last] = all[place - 1]!;
      const points = place - first;
      const range = finite === 0 ? { min: NaN, max: NaN, mean: NaN } : { min, max, mean: sum / finite };
      buckets.push({ firstStep, lastStep, points, ...range, last: last ?? NaN, finite: finite === points });
    }
    return buckets;
  }

  /** The rows of one level between two steps that are its borders; of level -1, the values themselves. */
  #within(run: number, metric: number, level: number, from: number, to: number): Row[] {
    if (level < 0) return this.#points.all(run, metric, from, to).map(([step, value]) => rowOf(step, value));
    const width = widthOf(level);
    return this.#rows.all(run, metric, level, Math.floor(from / width), Math.floor(to / width));
  }

  /** Rows that hold exactly the steps from `from` to `to`: of this level where they lie inside, of lower ones at the ends. */
  *#cover(run: number, metric: number, from: number, to: number, level: number): Generator<Row> {
    if (from > to) return;
    const width = level < 0 ? 1 : widthOf(level);
    const first = Math.ceil(from / width);
    const end = Math.floor((to + 1) / width);
    if (level < 0) {
      yield* this.#within(run, metric, level, from, to);
      return;
    }
    if (first >= end) {
      yield* this.#cover(run, metric, from, to, level - 1);
      return;
    }
    yield* this.#cover(run, metric, from, first * width - 1, level - 1);
    yield* this.#within(run, metric, level, first * width, end * width - 1);
    yield* this.#cover(run, metric, end * width, to, level - 1);
  }
}

/** The buckets that these lie in, each once, ascending. */
function bucketsOf(places: readonly number[], width: number): number[] {
  const buckets = new Set<number>();
  let latest = -1;
  for (const place of places) {
    const bucket = Math.floor(place / width);
    // Steps come in their order nearly always, and a set takes longer than a comparison.
    if (bucket === latest) continue;
    buckets.add(bucket);
    latest = bucket;
  }
  return [...buckets].sort((a, b) => a - b);
}

/** Ascending numbers as stretches without a gap, the ends included. */
function stretchesOf(numbers: readonly number[]): [from: number, to: number][] {
  const stretches: [number, number][] = [];
  for (const number of numbers) {
    const latest = stretches.at(-1);
    if (latest?.[1] === number - 1) latest[1] = number;
    else stretches.push([number, number]);
  }
  return stretches;
}

function rowOf(step: number, value: number | null): Row {
  const finite = value !== null && Number.isFinite(value);
  const number = finite ? value : null;
  return [step, step, 1, finite ? 1 : 0, number, number, number, value];
}

class Bucket {
  readonly row: Row;

  constructor(row: Row) {
    this.row = [...row];
  }

  /** Takes in what follows. */
  add([, lastStep, points, finite, sum, min, max, last]: Row): void {
    const row = this.row;
    row[1] = lastStep;
    row[2] += points;
    row[3] += finite;
    row[4] = either(row[4], sum, (a, b) => a + b);
    row[5] = either(row[5], min, Math.min);
    row[6] = either(row[6], max, Math.max);
    row[7] = last;
  }

  result(): MetricBucket {
    const [firstStep, lastStep, points, finite, sum, min, max, last] = this.row;
    return {
      firstStep,
      lastStep,
      points,
      min: min ?? NaN,
      max: max ?? NaN,
      mean: finite === 0 || sum === null ? NaN : sum / finite,
      last: last ?? NaN,
      finite: finite === points,
    };
  }
}

function either(
  left: number | null,
  right: number | null,
  join: (left: number, right: number) => number,
): number | null {
  return left === null ? right : right === null ? left : join(left, right);
}
