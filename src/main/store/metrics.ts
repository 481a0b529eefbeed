import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';
import { Rollups, type DecimateOptions, type MetricBucket } from './rollups.ts';

/** One step's values by metric name; StepMetrics is one, and so is one with `eval_` names. */
export type MetricPoint = { readonly step: number } & { readonly [name: string]: number | undefined };

/** One metric over a run, by ascending step. */
export interface MetricSeries {
  readonly steps: number[];
  readonly values: number[];
}

/**
 * Metrics of runs. Values come back bit for bit, NaN, ±Infinity and −0 included: NaN is stored as NULL, which is free
 * for that because an absent metric has no row.
 */
export class Metrics {
  readonly #connection: Connection;
  readonly #insertName: Statement<[string]>;
  readonly #nameId: Statement<[string], number>;
  readonly #insert: Statement<[number, number, number, number]>;
  readonly #deleteAfter: Statement<[number, number, number]>;
  readonly #names: Statement<[number], string>;
  readonly #series: Statement<[number, string], [step: number, value: number | null]>;
  readonly #rollups: Rollups;
  readonly #points: Statement<[number, number], [step: number, name: string, value: number | null]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#rollups = new Rollups(connection);
    this.#insertName = connection.prepare(
      'INSERT INTO metric_names (name) VALUES (?) ON CONFLICT (name) DO NOTHING',
    );
    this.#nameId = connection.prepare<[string], number>('SELECT id FROM metric_names WHERE name = ?').pluck();
    this.#insert = connection.prepare(
      `INSERT INTO metrics (run_id, metric_id, step, value) VALUES (?, ?, ?, ?)
       ON CONFLICT (run_id, metric_id, step) DO UPDATE SET value = excluded.value`,
    );
    this.#deleteAfter = connection.prepare(
      'DELETE FROM metrics WHERE run_id = ? AND metric_id = ? AND step > ?',
    );
    this.#names = connection
      .prepare<[number], string>(
        `SELECT name FROM metric_names WHERE EXISTS (
           SELECT 1 FROM metrics WHERE run_id = ? AND metric_id = metric_names.id
         ) ORDER BY id`,
      )
      .pluck();
    this.#series = connection
      .prepare<[number, string], [number, number | null]>(
        `SELECT step, value FROM metrics
         WHERE run_id = ? AND metric_id = (SELECT id FROM metric_names WHERE name = ?) ORDER BY step`,
      )
      .raw();
    this.#points = connection
      .prepare<[number, number], [number, string, number | null]>(
        // From the names: of each metric only the steps asked for are looked at.
        `SELECT step, name, value FROM metric_names CROSS JOIN metrics ON metric_id = metric_names.id
         WHERE run_id = ? AND step > ? ORDER BY step, metric_id`,
      )
      .raw();
  }

  /**
   * Keeps the values of some steps in one transaction. A step written again, as after a resume, replaces the old value.
   * @throws SqliteError (SQLITE_CONSTRAINT_FOREIGNKEY) where there is no such run
   */
  append(runId: number, points: Iterable<MetricPoint>): void {
    this.#connection.write(() => {
      const written = new Map<
        string,
        { readonly id: number; readonly before: number; readonly steps: number[] }
      >();
      for (const point of points) {
        for (const name in point) {
          const value = point[name];
          if (name === 'step' || value === undefined) continue;
          let metric = written.get(name);
          if (metric === undefined) {
            this.#insertName.run(name);
            const id = this.#nameId.get(name)!;
            metric = { id, before: this.#rollups.lastStep(runId, id), steps: [] };
            written.set(name, metric);
          }
          this.#insert.run(runId, metric.id, point.step, value);
          metric.steps.push(point.step);
        }
      }
      for (const { id, steps, before } of written.values()) this.#rollups.refresh(runId, id, steps, before);
    });
  }

  /** Removes a run's values of all steps after one, as when it goes on from an earlier checkpoint. */
  truncateAfter(runId: number, step: number): void {
    this.#connection.write(() => {
      for (const name of this.names(runId)) {
        const id = this.#nameId.get(name)!;
        if (this.#deleteAfter.run(runId, id, step).changes > 0) this.#rollups.truncate(runId, id);
      }
    });
  }

  /** Names of the metrics that a run has. */
  names(runId: number): string[] {
    return this.#names.all(runId);
  }

  /** One metric of a run; empty where it has none. */
  series(runId: number, name: string): MetricSeries {
    const steps: number[] = [];
    const values: number[] = [];
    for (const [step, value] of this.#series.all(runId, name)) {
      steps.push(step);
      values.push(value ?? NaN);
    }
    return { steps, values };
  }

  /**
   * One metric of a run for a chart, in a time that does not grow with its length: at most `points` buckets of
   * neighbouring steps. No spike and no value that is not finite is lost.
   */
  decimated(runId: number, name: string, options: DecimateOptions): MetricBucket[] {
    const id = this.#nameId.get(name);
    return id === undefined ? [] : this.#connection.read(() => this.#rollups.decimate(runId, id, options));
  }

  /** All metrics of a run, one point for each step, by ascending step. */
  points(runId: number): MetricPoint[] {
    return this.pointsAfter(runId, -1);
  }

  /** As `points`, for the steps after one. */
  pointsAfter(runId: number, after: number): MetricPoint[] {
    const points: { step: number; [name: string]: number }[] = [];
    for (const [step, name, value] of this.#points.all(runId, after)) {
      let point = points.at(-1);
      if (point?.step !== step) points.push((point = { step }));
      point[name] = value ?? NaN;
    }
    return points;
  }
}
