import type {
  CallOptions,
  PairHistory,
  PairStepsRequest,
  PairStepsResult,
  PairTelemetryRequest,
  PairTelemetryResult,
} from '../../../shared/contract.ts';
import { InputError } from '../../../shared/errors.ts';
import { gateHistory } from '../../../shared/pair-telemetry.ts';
import type { Library } from '../library.ts';
import { Turns } from '../turns.ts';
import { requireRun } from './show.ts';

/** Pairs at steps that one answer holds. */
const mostAtOnce = 500_000;

interface Seen {
  readonly steps: number[];
  readonly c: number[];
  readonly r: number[];
}

/** @throws InputError where there is no such run, or too much is asked for at once */
export async function pairTelemetry(
  library: Library,
  { runs, side, row: wanted, from, to }: PairTelemetryRequest,
  call: CallOptions,
): Promise<PairTelemetryResult> {
  const turns = new Turns(call.signal);
  let count = 0;
  const found: { run: number; pairs: PairHistory[] }[] = [];
  for (const run of new Set(runs)) {
    requireRun(library, run);
    const seen = new Map<number, Seen>();
    // One after another: between two of them the database may be written to.
    for (const { step, rows, c, r } of library.store.pairTelemetry.steps(run, side, from, to)) {
      rows.forEach((row, place) => {
        if (wanted !== undefined && row !== wanted) return;
        let pair = seen.get(row);
        if (!pair) seen.set(row, (pair = { steps: [], c: [], r: [] }));
        pair.steps.push(step);
        pair.c.push(c[place]!);
        pair.r.push(r[place]!);
        count += 1;
      });
      if (count > mostAtOnce)
        throw new InputError(
          `these are more than ${mostAtOnce} pairs and steps; ask for one row or for fewer steps`,
        );
      await turns.pass();
    }
    found.push({ run, pairs: [...seen.entries()].sort(([a], [b]) => a - b).map(historyOf) });
  }
  return { runs: found };
}

function historyOf([row, { steps, c, r }]: [number, Seen]): PairHistory {
  const gate = gateHistory(steps, r);
  return r.every(Number.isNaN) ? { row, steps, c, gate } : { row, steps, c, r, gate };
}

/** @throws InputError where there is no such run */
export async function pairSteps(
  library: Library,
  { runs }: PairStepsRequest,
  call: CallOptions,
): Promise<PairStepsResult> {
  const turns = new Turns(call.signal);
  const { pairTelemetry: pairs } = library.store;
  const found: PairStepsResult['runs'][number][] = [];
  for (const run of new Set(runs)) {
    requireRun(library, run);
    const evaluated: number[] = [];
    for (const { step } of pairs.steps(run, 'eval')) {
      evaluated.push(step);
      await turns.pass();
    }
    const train = pairs.bounds(run, 'train');
    found.push({ run, ...(train && { train }), eval: evaluated });
  }
  return { runs: found };
}
