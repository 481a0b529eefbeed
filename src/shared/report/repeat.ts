import { describePoint } from '../comparison.ts';
import type { ComparisonResult, Evaluation, RunResult } from '../comparison.ts';
import { reportNumbers, withoutComparison } from './numbers.ts';

/** A value that a repetition has differently, or that only one of both has. */
export interface RepeatDifference {
  /** A number's id without its comparison, or where in the record it stands: `dpo, lr 1e-3, seed 0: step 3, loss`. */
  readonly where: string;
  readonly before: string | number | boolean | null;
  readonly after: string | number | boolean | null;
  /** Of numbers: after less before. */
  readonly difference?: number;
}

/** How a result that was had again stands to the one before. */
export interface Repetition {
  /** Everything equal, numbers to the last digit. Times, throughput and memory are no results and are left out. */
  readonly same: boolean;
  /** Values that were compared: numbers of the report, steps, pairs and answers. */
  readonly compared: number;
  /** How many differ. */
  readonly differing: number;
  /** The report's own numbers first, then what else is in the record; in each the largest relative differences first. */
  readonly differences: readonly RepeatDifference[];
}

type Leaf = string | number | boolean | null;

/** What a machine's speed decides. */
const isVolatile = (name: string): boolean => /^(throughput|time|memory)\//.test(name);

/** Every value within, under the names that lead to it. */
function* leaves(value: unknown, path: string): Generator<readonly [string, Leaf]> {
  if (typeof value === 'object' && value !== null) {
    for (const [key, entry] of Object.entries(value))
      yield* leaves(entry, path === '' ? key : `${path}.${key}`);
  } else if (value !== undefined) {
    // A number that is not finite is written as null, and comes back so from a file.
    yield [path, typeof value === 'number' && !Number.isFinite(value) ? null : (value as Leaf)];
  }
}

function* evaluationLeaves(
  where: string,
  evaluation: Evaluation | undefined,
): Generator<readonly [string, Leaf]> {
  for (const [path, value] of leaves(evaluation ?? null, ''))
    yield [`${where}: ${path || 'evaluation'}`, value];
}

function* runLeaves(run: RunResult, several: boolean, stage: boolean): Generator<readonly [string, Leaf]> {
  const { loss, learningRate, beta, seed, orderHash, adapterStartHash, status, divergedAt } = run;
  const point = describePoint({ learningRate, ...(several && beta !== undefined ? { beta } : {}) });
  const where = `${stage ? 'SFT first' : loss}, ${point}, seed ${seed}`;
  yield [`${where}: batch order`, orderHash];
  yield [`${where}: start weights`, adapterStartHash];
  yield [`${where}: status`, status];
  if (divergedAt !== undefined) yield [`${where}: diverged at`, divergedAt];
  for (const { step, ...metrics } of run.metrics)
    for (const [name, value] of leaves(metrics, ''))
      if (!isVolatile(name)) yield [`${where}: step ${step}, ${name}`, value];
  for (const { step, ...measured } of run.evaluations ?? [])
    for (const [path, value] of leaves(measured, ''))
      // Where it stands in the record, and whether it was known before, is no result.
      if (path !== 'evaluationRow' && !path.startsWith('evaluationCached'))
        yield [`${where}: evaluated at step ${step}, ${path}`, value];
  yield* evaluationLeaves(where, run.evaluation);
}

/** What stands in the record, by where it stands. */
function recordOf(result: ComparisonResult): Map<string, Leaf> {
  const several = (result.betas?.length ?? 0) > 1;
  const found = new Map<string, Leaf>();
  const keep = (values: Iterable<readonly [string, Leaf]>): void => {
    for (const [where, value] of values) found.set(where, value);
  };
  keep(evaluationLeaves('base', result.base));
  for (const run of result.sftFirst?.runs ?? []) keep(runLeaves(run, several, true));
  for (const run of result.runs) keep(runLeaves(run, several, false));
  return found;
}

function numbersOf(result: ComparisonResult): Map<string, Leaf> {
  return new Map(
    reportNumbers(result)
      .filter(({ measure }) => measure !== 'seconds')
      .map(({ id, value }) => [withoutComparison(id), value]),
  );
}

function differencesOf(
  before: ReadonlyMap<string, Leaf>,
  after: ReadonlyMap<string, Leaf>,
): RepeatDifference[] {
  const places = new Set([...before.keys(), ...after.keys()]);
  const found = [...places].flatMap((where): RepeatDifference[] => {
    const [old, now] = [before.get(where) ?? null, after.get(where) ?? null];
    // JSON does not tell −0 from 0.
    if (old === now) return [];
    const difference = typeof old === 'number' && typeof now === 'number' ? { difference: now - old } : {};
    return [{ where, before: old, after: now, ...difference }];
  });
  const size = ({ before: old, difference }: RepeatDifference): number =>
    difference === undefined ? Infinity : Math.abs(difference) / (Math.abs(Number(old)) || 1);
  // Infinity − Infinity is NaN, which would leave the order open.
  return found.sort((a, b) => (size(a) === size(b) ? 0 : size(b) - size(a)));
}

/** Compares two results of what is to be the same work, value by value. */
export function compareRepetition(before: ComparisonResult, after: ComparisonResult): Repetition {
  const numbers = [numbersOf(before), numbersOf(after)] as const;
  const record = [recordOf(before), recordOf(after)] as const;
  const differences = [...differencesOf(...numbers), ...differencesOf(...record)];
  return {
    same: differences.length === 0,
    compared: numbers[0].size + record[0].size,
    differing: differences.length,
    differences: differences.slice(0, 100),
  };
}
