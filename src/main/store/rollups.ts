import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';

/** Neighbouring steps of one metric as one column of a chart. */
export interface MetricBucket {
  /** Its first and last step that have a value. */
  readonly from: number;
  readonly to: number;
  /** Values that are finite; `min`, `max` and `mean` are taken over these and NaN where there is none. */
  readonly finite: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Value at `to`, whatever it is. */
  readonly last: number;
  readonly nans: number;
  readonly positiveInfinities: number;
  readonly negativeInfinities: number;
}

/** Which steps to show, both ends included, and in how many columns at most. */
export interface Decimation {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly points: number;
}

/** Steps in a bucket of the first level, and buckets of one level in one of the next. */
const factor = 8;
/** Dirty buckets with no more than so many others between them are summarised by one statement. */
const joinedGap = 64;

type Part = [
  firstStep: number,
  lastStep: number,
  finite: number,
  minimum: number | null,
  maximum: number | null,
  mean: number | null,
  nans: number,
  positiveInfinities: number,
  negativeInfinities: number,
];
type Series = [runId: number, metricId: number];
type Range = readonly [first: number, last: number];

/**
 * The summaries of migration 4. For each metric of a run a bucket's row exists exactly where the bucket holds a point
 * and is complete: the metric's last step is the bucket's last one or comes after it. So the rows of a run at work are
 * written once, and what is not summarised yet is less than one bucket at each level.
 */
export class Rollups {
  readonly #firstStep: Statement<Series, number>;
  readonly #lastStep: Statement<Series, number>;
  readonly #few: Statement<[...Series, number, number, number], number>;
  readonly #points: Statement<[...Series, number, number], [step: number, value: number | null]>;
  readonly #value: Statement<[...Series, number], number | null>;
  readonly #parts: Statement<[...Series, number, number, number], Part>;
  readonly #sumPoints: Statement<[...Series, number, number]>;
  readonly #sumParts: Statement<[number, ...Series, number, number, number]>;
  readonly #deleteAfter: Statement<[...Series, number, number]>;
  readonly #levels: Statement<Series, number | null>;

  constructor(connection: Connection) {
    const ofSeries = 'run_id = ? AND metric_id = ?';
    this.#firstStep = connection
      .prepare<Series, number>(`SELECT step FROM metrics WHERE ${ofSeries} ORDER BY step LIMIT 1`)
      .pluck();
    this.#lastStep = connection
      .prepare<Series, number>(`SELECT step FROM metrics WHERE ${ofSeries} ORDER BY step DESC LIMIT 1`)
      .pluck();
    this.#few = connection
      .prepare<[...Series, number, number, number], number>(
        `SELECT count(*) FROM (SELECT 1 FROM metrics WHERE ${ofSeries} AND step BETWEEN ? AND ? LIMIT ?)`,
      )
      .pluck();
    this.#points = connection
      .prepare<[...Series, number, number], [number, number | null]>(
        `SELECT step, value FROM metrics WHERE ${ofSeries} AND step >= ? AND step < ? ORDER BY step`,
      )
      .raw();
    this.#value = connection
      .prepare<[...Series, number], number | null>(`SELECT value FROM metrics WHERE ${ofSeries} AND step = ?`)
      .pluck();
    this.#parts = connection
      .prepare<[...Series, number, number, number], Part>(
        `SELECT first_step, last_step, finite, minimum, maximum, mean, nans, positive_infinities, negative_infinities
         FROM metric_rollups WHERE ${ofSeries} AND level = ? AND bucket >= ? AND bucket < ? ORDER BY bucket`,
      )
      .raw();
    // 9e999 is how SQLite writes Infinity; NULL stands for NaN.
    const isFinite = 'abs(value) < 9e999';
    this.#sumPoints = connection.prepare(
      `INSERT OR REPLACE INTO metric_rollups
       SELECT run_id, metric_id, 1, step / ${factor}, min(step), max(step), count(*) FILTER (WHERE ${isFinite}),
         min(value) FILTER (WHERE ${isFinite}), max(value) FILTER (WHERE ${isFinite}),
         avg(value) FILTER (WHERE ${isFinite}), count(*) FILTER (WHERE value IS NULL),
         count(*) FILTER (WHERE value = 9e999), count(*) FILTER (WHERE value = -9e999)
       FROM metrics WHERE ${ofSeries} AND step >= ? AND step < ? GROUP BY step / ${factor}`,
    );
    this.#sumParts = connection.prepare(
      `INSERT OR REPLACE INTO metric_rollups
       SELECT run_id, metric_id, ?, bucket / ${factor}, min(first_step), max(last_step), sum(finite), min(minimum),
         max(maximum), sum(mean * finite) / sum(finite), sum(nans), sum(positive_infinities),
         sum(negative_infinities)
       FROM metric_rollups WHERE ${ofSeries} AND level = ? AND bucket >= ? AND bucket < ?
       GROUP BY bucket / ${factor}`,
    );
    this.#deleteAfter = connection.prepare(
      `DELETE FROM metric_rollups WHERE ${ofSeries} AND level = ? AND bucket >= ?`,
    );
    this.#levels = connection
      .prepare<Series, number | null>(`SELECT max(level) FROM metric_rollups WHERE ${ofSeries}`)
      .pluck();
  }

  /** The metric's last step, −1 where it has none. Ask before points are written, and give it to `update`. */
  lastStep(runId: number, metricId: number): number {
    return this.#lastStep.get(runId, metricId) ?? -1;
  }

  /**
   * Brings the summaries up to date after points were written, in the transaction that wrote them.
   * @param steps that were written, in any order
   * @param lastBefore the metric's last step before that
   */
  update(runId: number, metricId: number, steps: readonly number[], lastBefore: number): void {
    const end = this.lastStep(runId, metricId) + 1;
    // What was the last bucket may have become complete without a new point of its own.
    let dirty = distinct([...(lastBefore < 0 ? [] : [lastBefore]), ...steps], factor);
    for (let level = 1, width = factor; width <= end; level += 1, width *= factor) {
      const complete = Math.floor(end / width);
      for (const [first, last] of joined(dirty)) {
        if (first >= complete) continue;
        const after = Math.min(last + 1, complete);
        if (level === 1) this.#sumPoints.run(runId, metricId, first * factor, after * factor);
        else this.#sumParts.run(level, runId, metricId, level - 1, first * factor, after * factor);
      }
      dirty = distinct(dirty, factor);
    }
  }

  /** Drops the summaries that are no longer complete, after the metric's last points were removed. */
  truncate(runId: number, metricId: number): void {
    const end = this.lastStep(runId, metricId) + 1;
    const levels = this.#levels.get(runId, metricId) ?? 0;
    for (let level = 1, width = factor; level <= levels; level += 1, width *= factor) {
      this.#deleteAfter.run(runId, metricId, level, Math.floor(end / width));
    }
  }

  /**
   * The metric in at most `points` buckets by ascending step. Buckets begin at multiples of their width, a power of 2, so
   * that they stay the same while a run goes on; where no more than `points` values are asked for, each is its own.
   */
  decimated(runId: number, metricId: number, { from, to, points }: Decimation): MetricBucket[] {
    const first = this.#firstStep.get(runId, metricId);
    if (first === undefined || points < 1) return [];
    const last = this.lastStep(runId, metricId);
    const start = Math.max(first, Math.ceil(from ?? first));
    const end = Math.min(last, Math.floor(to ?? last));
    if (start > end) return [];
    let width = 1;
    if (this.#few.get(runId, metricId, start, end, Math.floor(points) + 1)! > points) {
      while (Math.floor(end / width) - Math.floor(start / width) + 1 > points) width *= 2;
    }
    const gather = new Gather(width);
    let level = 0;
    let levelWidth = 1;
    while (levelWidth * factor <= width) {
      level += 1;
      levelWidth *= factor;
    }
    const covered = Math.floor((last + 1) / factor) * factor;
    const parted = Math.min(end + 1, Math.max(start, covered));
    this.#collect(gather, runId, metricId, start, parted, level, levelWidth);
    this.#collect(gather, runId, metricId, parted, end + 1, 0, 1);
    return gather.buckets.map(([lead, tail, finite, minimum, maximum, mean, nans, positive, negative]) => ({
      from: lead,
      to: tail,
      finite,
      min: minimum ?? NaN,
      max: maximum ?? NaN,
      mean: finite === 0 ? NaN : mean!,
      last: this.#value.get(runId, metricId, tail) ?? NaN,
      nans,
      positiveInfinities: positive,
      negativeInfinities: negative,
    }));
  }

  /** Reads the steps from `start` up to before `end`: whole buckets of a level, and what is left over from those below. */
  #collect(
    gather: Gather,
    runId: number,
    metricId: number,
    start: number,
    end: number,
    level: number,
    width: number,
  ): void {
    if (start >= end) return;
    if (level === 0) {
      for (const [step, value] of this.#points.all(runId, metricId, start, end)) gather.addPoint(step, value);
      return;
    }
    const first = Math.ceil(start / width);
    const after = Math.floor(end / width);
    const below = [level - 1, width / factor] as const;
    if (first >= after) return this.#collect(gather, runId, metricId, start, end, ...below);
    this.#collect(gather, runId, metricId, start, first * width, ...below);
    for (const part of this.#parts.all(runId, metricId, level, first, after)) gather.add(part);
    this.#collect(gather, runId, metricId, after * width, end, ...below);
  }
}

/** Joins parts that come by ascending step into buckets. */
class Gather {
  readonly #width: number;
  readonly buckets: Part[] = [];
  #bucket = -1;

  constructor(width: number) {
    this.#width = width;
  }

  addPoint(step: number, value: number | null): void {
    if (value === null) this.add([step, step, 0, null, null, null, 1, 0, 0]);
    else if (value === Infinity) this.add([step, step, 0, null, null, null, 0, 1, 0]);
    else if (value === -Infinity) this.add([step, step, 0, null, null, null, 0, 0, 1]);
    else this.add([step, step, 1, value, value, value, 0, 0, 0]);
  }

  add(part: Part): void {
    const bucket = Math.floor(part[0] / this.#width);
    const into = this.buckets.at(-1);
    if (into === undefined || bucket !== this.#bucket) {
      this.#bucket = bucket;
      this.buckets.push(part);
      return;
    }
    const [, last, finite, minimum, maximum, mean, nans, positive, negative] = part;
    into[1] = last;
    if (finite > 0) {
      const all = into[2] + finite;
      into[5] = (into[5] ?? 0) * (into[2] / all) + mean! * (finite / all);
      into[3] = Math.min(into[3] ?? Infinity, minimum!);
      into[4] = Math.max(into[4] ?? -Infinity, maximum!);
      into[2] = all;
    }
    into[6] += nans;
    into[7] += positive;
    into[8] += negative;
  }
}

/** The buckets that hold these numbers, ascending, each once. */
function distinct(numbers: readonly number[], width: number): number[] {
  const buckets: number[] = [];
  let ascending = true;
  for (const number of numbers) {
    const bucket = Math.floor(number / width);
    const before = buckets.at(-1);
    if (bucket === before) continue;
    if (before !== undefined && bucket < before) ascending = false;
    buckets.push(bucket);
  }
  return ascending ? buckets : [...new Set(buckets)].sort((a, b) => a - b);
}

function joined(buckets: readonly number[]): Range[] {
  const ranges: [number, number][] = [];
  for (const bucket of buckets) {
    const range = ranges.at(-1);
    if (range !== undefined && bucket - range[1] <= joinedGap) range[1] = bucket;
    else ranges.push([bucket, bucket]);
  }
  return ranges;
}
