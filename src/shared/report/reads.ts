import type { Evaluation, RunResult } from '../comparison.ts';
import type { MetricName } from '../metrics.ts';

/** What a number was read from in the record. Ids of rows are absent in results of earlier versions. */
export type NumberRead =
  | {
      readonly kind: 'evaluation';
      /** Id of the evaluation's row. */
      readonly row?: number;
      /** Absent for the base. */
      readonly run?: string;
      /** Of the evaluation in the row's JSON, e.g. `task.correct`. */
      readonly field: string;
      /** Of a list that is read whole, how many items it has. */
      readonly value: number | string | boolean | { readonly items: number };
    }
  | {
      readonly kind: 'metrics';
      readonly run: string;
      readonly name: MetricName;
      /** Where a long run is thinned, those that means over neighbouring steps end at. */
      readonly steps: readonly number[];
      readonly values: readonly number[];
    }
  /** After which step an evaluation was made: a column of its row. */
  | { readonly kind: 'evaluation-step'; readonly row?: number; readonly run: string; readonly value: number }
  /** A column of a run's own row. */
  | { readonly kind: 'run'; readonly run: string; readonly column: string; readonly value: number }
  /** What a comparison's job found out when it began: `facts` in its row's sources. */
  | { readonly kind: 'job'; readonly field: string; readonly value: number };

/** An evaluation as a place to read from. */
export interface EvaluationRow {
  readonly evaluation: Evaluation;
  readonly row?: number;
  readonly run?: string;
}

/** The evaluation a run ended with; undefined where it has none. */
export function evaluationRow({ id, evaluation, evaluationRow: row }: RunResult): EvaluationRow | undefined {
  return evaluation && { evaluation, run: id, ...(row === undefined ? {} : { row }) };
}

/**
 * Lets a function read an evaluation and keeps what it reads: so a measure says by itself what it is made of. Lists are read
 * whole.
 */
export function watchReads<Value>(
  place: EvaluationRow,
  of: (evaluation: Evaluation) => Value,
): { readonly value: Value; readonly reads: readonly NumberRead[] } {
  const reads = new Map<string, NumberRead>();
  const { row, run } = place;
  const keep = (field: string, value: Extract<NumberRead, { kind: 'evaluation' }>['value']): void => {
    const where = { ...(row === undefined ? {} : { row }), ...(run === undefined ? {} : { run }) };
    reads.set(field, { kind: 'evaluation', ...where, field, value });
  };
  const watched = (target: object, path: string): object =>
    new Proxy(target, {
      get(object, key) {
        const value: unknown = Reflect.get(object, key);
        if (typeof key !== 'string') return value;
        const field = path + key;
        if (Array.isArray(value)) keep(field, { items: value.length });
        else if (typeof value === 'object' && value !== null) return watched(value, `${field}.`);
        else if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean')
          keep(field, value);
        return value;
      },
    });
  // A proxy of the evaluation has its type.
  const value = of(watched(place.evaluation, '') as Evaluation);
  return { value, reads: [...reads.values()] };
}

/** One line: "evaluations row 7 (run 3): task.correct = 11" */
export function describeRead(read: NumberRead): string {
  switch (read.kind) {
    case 'evaluation': {
      const { row, run, field, value } = read;
      const shown = typeof value === 'object' ? `, ${value.items} items` : ` = ${String(value)}`;
      return `evaluations row ${row ?? '?'} (${run === undefined ? 'base' : `run ${run}`}): ${field}${shown}`;
    }
    case 'metrics': {
      const { run, name, steps, values } = read;
      const points = steps.map((step, place) => `step ${step}: ${values[place]!}`);
      const shown = points.length > 8 ? [...points.slice(0, 4), '…', ...points.slice(-3)] : points;
      return `metrics of run ${run}, ${name}, ${steps.length} values: ${shown.join(', ')}`;
    }
    case 'evaluation-step':
      return `evaluations row ${read.row ?? '?'} (run ${read.run}): step = ${read.value}`;
    case 'run':
      return `runs row ${read.run}: ${read.column} = ${read.value}`;
    case 'job':
      return `the comparison's job: ${read.field} = ${read.value}`;
  }
}
