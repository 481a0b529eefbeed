import { dirname } from 'node:path';
import type { RunConfig } from '../../../shared/config.ts';
import { InputError } from '../../../shared/errors.ts';
import { fits, planSummary, type Plan, type PlanPart } from '../../../shared/plan.ts';
import { calibrate, type CalibrationOptions } from '../plan/calibrate.ts';
import { evaluationCounts } from '../plan/evaluations.ts';
import { checkpointBytes, metricBytesPerStep, type Writing } from '../plan/disk.ts';
import type { MemoryShape } from '../plan/memory-model.ts';
import { precheck } from '../plan/precheck.ts';
import { planFromShapes } from '../plan/shape-plan.ts';
import type { TrainingPair } from '../prepare.ts';
import type { WorkContext } from './context.ts';

/** What has passed of a job before its plan is made. @param began, ended of the reference pass, on performance's clock */
export function spentSoFar(began: number, ended: number): PlanPart[] {
  return [
    { name: 'reference', amount: (ended - began) / 1000 },
    // The process was started for this job.
    { name: 'opening', amount: (performance.now() - (ended - began)) / 1000 },
  ];
}

/** The plan that was asked for is told: there is nothing left to do. */
export class EnoughPlanned extends Error {
  override readonly name = 'EnoughPlanned';
}

/**
 * Ends the work before anything large is opened where not even the least that it needs is there.
 * @throws InputError naming what to lower; EnoughPlanned where only a plan was asked for, which is told
 */
export function refuseHopeless({ spec, send }: WorkContext, shape: MemoryShape): void {
  if (spec.planning === 'force') return;
  const plan = precheck(shape);
  if (spec.planning !== 'only') return refuse(plan);
  if (fits(plan).fits) return;
  send({ kind: 'plan', plan });
  throw new EnoughPlanned();
}

type Settled = 'writings' | 'savedBytes' | 'signal' | 'runs' | 'reference' | 'brief';

export interface Planned extends Omit<CalibrationOptions, Settled> {
  /** Pairs whose reference log-probs are still to be computed; looked up only where they count. */
  readonly missing: () => readonly TrainingPair[];
  /** Folders that each run's adapter or model is written to. */
  readonly outputs: readonly string[];
  /** How often all runs together go through `batches`; once each if absent. */
  readonly trainings?: number;
  readonly config: RunConfig;
}

/**
 * Plans a job that begins, tells the plan, and refuses what does not fit. A job that goes on keeps its first plan. Where only a
 * plan is asked for it is measured well; a job that waits for it gets a brief one, a training by itself with ample memory none that
 * runs anything.
 * @throws InputError naming what is short and what to lower; EnoughPlanned where only a plan was asked for
 */
export async function settlePlan(context: WorkContext, planned: Planned): Promise<void> {
  const { spec, send, call } = context;
  const only = spec.planning === 'only';
  const isResumed = spec.runs.some(({ done, checkpoints }) => done || checkpoints.length > 0);
  if (isResumed && !only) return;
  const { length: runs } = spec.runs;
  const { scorings, samplings, driftings, questionings } = evaluationCounts(
    planned.config,
    planned.batches.length,
    runs,
  );
  const { missing, ...rest } = planned;
  const options: CalibrationOptions = {
    evaluations: scorings,
    samplings,
    driftings,
    questionings,
    answerings: runs + 1,
    ...rest,
    runs: planned.trainings ?? runs,
    ...writingsOf(context, planned),
    signal: call.signal,
    brief: !only,
  };
  const plan =
    (only || spec.kind !== 'train' ? undefined : planFromShapes(options)) ??
    (await calibrate({ ...options, reference: { missing: missing() } }));
  send({ kind: 'plan', plan });
  if (only) throw new EnoughPlanned();
  call.onProgress({ kind: 'note', text: planSummary(plan) });
  if (spec.planning !== 'force') refuse(plan);
}

function refuse(plan: Plan): void {
  const { reasons } = fits(plan);
  if (reasons.length > 0) throw new InputError(`${reasons.join('; ')} (--force starts it all the same)`);
}

/** Checkpoints kept of each run besides the one that is being written. */
const checkpointsKept = 3;

function writingsOf(
  { spec, store }: WorkContext,
  { trainer, batches, outputs, config }: Planned,
): { readonly writings: Writing[]; readonly savedBytes: number } {
  const one = checkpointBytes(trainer.size);
  const { length: runs } = spec.runs;
  const perRun = Math.max(
    spec.checkpoint.steps === undefined ? 1 : Math.ceil(batches.length / Math.max(1, spec.checkpoint.steps)),
    // None before the first step.
    spec.checkpoint.evaluations ? evaluationCounts(config, batches.length, runs).perRun - 1 : 0,
  );
  // Of an ended run the last checkpoint stays.
  const kept = Math.min(perRun, checkpointsKept) + (runs - 1) + (perRun > 1 ? 1 : 0);
  return {
    writings: [
      { folder: spec.checkpoint.folder, name: 'checkpoints', bytes: one * kept },
      {
        folder: dirname(store.file),
        name: 'metrics',
        bytes: metricBytesPerStep * batches.length * runs,
      },
      ...outputs.map((folder) => ({ folder, name: 'adapters', bytes: 4 * trainer.size })),
    ],
    savedBytes: runs * perRun * one + outputs.length * 4 * trainer.size,
  };
}
