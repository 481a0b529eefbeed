import type { Statement } from 'better-sqlite3';
import type { PairSide, PairStep } from '../../shared/pair-telemetry.ts';
import type { Connection } from './connection.ts';
import {
  bytesPerPair,
  joinSteps,
  packPairs,
  stepsOfPairs,
  unpackPairs,
  type PairColumns,
} from './pair-blocks.ts';

/** A block takes no further steps once it holds so many pairs: 64 KiB, written again with what is added to it. */
const fullBlock = 4096;

type Block = [firstStep: number, data: Buffer];

/** c and r of each pair of runs, step by step, in blocks of neighbouring steps that do not overlap. */
export class PairTelemetry {
  readonly #connection: Connection;
  readonly #overlapping: Statement<[number, PairSide, number, number], Block>;
  readonly #before: Statement<[number, PairSide, number], [firstStep: number, pairs: number]>;
  readonly #remove: Statement<[number, PairSide, number]>;
  readonly #insert: Statement<[number, PairSide, number, number, number, Buffer]>;
  readonly #pairs: Statement<[number, PairSide], number>;
  readonly #bounds: Statement<[number, PairSide], [first: number | null, last: number | null]>;
  readonly #all: Statement<
    [],
    { runId: number; side: PairSide; firstStep: number; lastStep: number; data: Buffer }
  >;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#overlapping = connection
      .prepare<[number, PairSide, number, number], Block>(
        `SELECT first_step, data FROM pair_telemetry
         WHERE run_id = ? AND side = ? AND last_step >= ? AND first_step <= ? ORDER BY first_step`,
      )
      .raw();
    this.#before = connection
      .prepare<[number, PairSide, number], [number, number]>(
        `SELECT first_step, pairs FROM pair_telemetry
         WHERE run_id = ? AND side = ? AND first_step < ? ORDER BY first_step DESC LIMIT 1`,
      )
      .raw();
    this.#remove = connection.prepare(
      'DELETE FROM pair_telemetry WHERE run_id = ? AND side = ? AND first_step = ?',
    );
    this.#insert = connection.prepare(
      `INSERT INTO pair_telemetry (run_id, side, first_step, last_step, pairs, data) VALUES (?, ?, ?, ?, ?, ?)`,
    );
    this.#pairs = connection
      .prepare<[number, PairSide], number>(
        'SELECT coalesce(sum(pairs), 0) FROM pair_telemetry WHERE run_id = ? AND side = ?',
      )
      .pluck();
    this.#bounds = connection
      .prepare<[number, PairSide], [number | null, number | null]>(
        'SELECT min(first_step), max(last_step) FROM pair_telemetry WHERE run_id = ? AND side = ?',
      )
      .raw();
    this.#all = connection.prepare(
      `SELECT run_id AS runId, side, first_step AS firstStep, last_step AS lastStep, data
       FROM pair_telemetry ORDER BY run_id, side, first_step`,
    );
  }

  /**
   * Keeps pairs of some steps in one transaction. A step written again, as after a resume, replaces what was kept of it.
   * @param mostBytes of one side of the run: where it is reached, steps that are new are left out
   * @throws SqliteError (SQLITE_CONSTRAINT_FOREIGNKEY) where there is no such run
   */
  append(runId: number, side: PairSide, steps: readonly PairStep[], mostBytes = Infinity): void {
    if (steps.length === 0) return;
    this.#connection.write(() => {
      const numbers = steps.map(({ step }) => step);
      const [first, last] = [Math.min(...numbers), Math.max(...numbers)];
      // The block before may have room; where it reaches into these steps it is among the overlapping ones.
      const before = this.#before.get(runId, side, first);
      const from = before && before[1] < fullBlock ? before[0] : first;
      const blocks = this.#overlapping.all(runId, side, from, last);
      const kept = new Map<number, PairStep>();
      for (const [, data] of blocks)
        for (const step of stepsOfPairs(unpackPairs(data))) kept.set(step.step, step);
      let room = Math.floor(mostBytes / bytesPerPair) - this.#pairs.get(runId, side)!;
      for (const step of steps) {
        const added = step.rows.length - (kept.get(step.step)?.rows.length ?? 0);
        if (step.rows.length === 0 || (added > 0 && added > room)) continue;
        room -= added;
        kept.set(step.step, step);
      }
      for (const [firstStep] of blocks) this.#remove.run(runId, side, firstStep);
      this.#write(
        runId,
        side,
        [...kept.values()].sort((a, b) => a.step - b.step),
      );
    });
  }

  #write(runId: number, side: PairSide, steps: readonly PairStep[]): void {
    let block: PairStep[] = [];
    let pairs = 0;
    const end = (): void => {
      if (pairs === 0) return;
      const data = packPairs(joinSteps(block));
      this.#insert.run(runId, side, block[0]!.step, block.at(-1)!.step, pairs, data);
      [block, pairs] = [[], 0];
    };
    for (const step of steps) {
      block.push(step);
      pairs += step.rows.length;
      if (pairs >= fullBlock) end();
    }
    end();
  }

  /** Pairs at the steps of a range, the ends included, by ascending step. */
  *steps(runId: number, side: PairSide, from = 0, to = Number.MAX_SAFE_INTEGER): Generator<PairStep> {
    for (const [, data] of this.#overlapping.all(runId, side, from, to)) {
      for (const step of stepsOfPairs(unpackPairs(data)))
        if (step.step >= from && step.step <= to) yield step;
    }
  }

  /** The first and the last step that is kept; undefined where none is. */
  bounds(runId: number, side: PairSide): { readonly first: number; readonly last: number } | undefined {
    const [first, last] = this.#bounds.get(runId, side)!;
    return first === null || last === null ? undefined : { first, last };
  }

  /** What is kept of a run, in bytes. */
  bytes(runId: number, side: PairSide): number {
    return bytesPerPair * this.#pairs.get(runId, side)!;
  }

  /** Blocks whose steps are not those that they are kept under, in order, or that reach into the one before. */
  *damaged(): Generator<{ readonly runId: number; readonly side: PairSide; readonly firstStep: number }> {
    let before: { readonly key: string; readonly lastStep: number } | undefined;
    for (const { runId, side, firstStep, lastStep, data } of this.#all.iterate()) {
      const key = `${runId} ${side}`;
      const overlaps = before?.key === key && firstStep <= before.lastStep;
      if (overlaps || !isWhole(unpackPairs(data), firstStep, lastStep)) yield { runId, side, firstStep };
      before = { key, lastStep };
    }
  }
}

function isWhole({ steps }: PairColumns, firstStep: number, lastStep: number): boolean {
  return (
    steps[0] === firstStep &&
    steps.at(-1) === lastStep &&
    steps.every((step, place) => place === 0 || step >= steps[place - 1]!)
  );
}
