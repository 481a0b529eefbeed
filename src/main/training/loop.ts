import { setImmediate as nextTurn } from 'node:timers/promises';
import { stepCount, warmupSteps, type RunConfig } from '../../shared/config.ts';
import type { StepMetrics } from '../../shared/metrics.ts';
import { InputError } from '../../shared/errors.ts';
import { Random } from '../engine/train/random.ts';
import { scheduleFactor } from '../engine/train/schedule.ts';
import {
  NonFiniteError,
  type GradientKeeper,
  type StepResult,
  type Trainer,
  type TrainingPair,
  type TrainingState,
} from '../engine/train/trainer.ts';

/**
 * Which pairs make up each optimizer step, as places in the list of pairs. Every epoch is a new order (or the file's
 * own, unshuffled); its last step may be smaller.
 */
export function planBatches(
  config: Pick<RunConfig, 'steps' | 'epochs' | 'batchSize' | 'gradAccum' | 'shuffle' | 'seed'>,
  pairs: number,
): readonly (readonly number[])[] {
  const steps = stepCount(config, pairs);
  const size = config.batchSize * config.gradAccum;
  const batches: number[][] = [];
  for (let epoch = 0; batches.length < steps; epoch++) {
    const order = config.shuffle
      ? new Random(config.seed, `order of epoch ${epoch}`).permutation(pairs)
      : Array.from({ length: pairs }, (_, place) => place);
    for (let start = 0; start < pairs && batches.length < steps; start += size) {
      batches.push(order.slice(start, start + size));
    }
  }
  return batches;
}

export interface LoopOptions {
  readonly trainer: Trainer;
  readonly state: TrainingState;
  readonly pairs: readonly TrainingPair[];
  readonly batches: readonly (readonly number[])[];
  readonly config: RunConfig;
  /** Of first steps: those of runs that start alike and differ in the learning rate find the same. */
  readonly firstGradient?: GradientKeeper | undefined;
  /** Before each step: the step's pairs with what they still lack. @param place of the step, from 0 */
  readonly beforeStep?:
    ((pairs: readonly TrainingPair[], place: number) => Promise<readonly TrainingPair[]>) | undefined;
  readonly onStep?:
    ((metrics: StepMetrics, totalSteps: number, pairs: StepResult['pairs']) => void) | undefined;
  /** After `onStep`, with the step's numbers in the state; the next step waits for it. */
  readonly afterStep?: (() => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes every planned optimizer step that the state has not taken yet.
 * @throws NonFiniteError (engine/train/trainer) at the first step that is not finite, nothing of it applied; the
 *   signal's reason where that is aborted
 */
export async function runLoop(options: LoopOptions): Promise<void> {
  const { trainer, state, pairs, batches, config } = options;
  const warmup = warmupSteps(config.warmup, batches.length);
  const from = state.optimizer.step;
  let seen = batches.slice(0, from).reduce((sum, batch) => sum + batch.length, 0);
  for (const [place, batch] of batches.entries()) {
    if (place < from) continue;
    // The runtime's run blocks the event loop: let a signal and the screen have their turn.
    await nextTurn();
    options.signal?.throwIfAborted();
    const learningRate =
      config.learningRate * scheduleFactor(config.scheduler, place, warmup, batches.length);
    const own = batch.map((index) => pairs[index]!);
    const ready = (await options.beforeStep?.(own, place)) ?? own;
    const { loss, beta, lossParameters, maxGradNorm, weightDecay } = config;
    const settings = { loss, beta, lossParameters, learningRate, maxGradNorm, weightDecay };
    const keeper = place === 0 ? options.firstGradient : undefined;
    const result = await trainer.step(state, ready, settings, keeper);
    seen += batch.length;
    const step = { step: place + 1, ...result.metrics, epoch: seen / pairs.length };
    options.onStep?.(step, batches.length, result.pairs);
    await options.afterStep?.();
  }
}

/**
 * As `runLoop`, for one run by itself: a step that is not finite is its end, and so are trained numbers that are not.
 * @throws InputError naming `file` and, for a step, the row at fault
 */
export async function runOrExplain(options: LoopOptions, file: string): Promise<void> {
  try {
    await runLoop(options);
    if (options.state.parameters.every(Number.isFinite)) return;
    const cause = 'trained numbers are not finite after the last step; lower the learning rate';
    throw new InputError(cause, { file });
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
    const advice = 'lower the learning rate or look at these rows';
    const [cause] = error.rows.length === 1 ? error.message.split(' (') : [error.message];
    const explained = new InputError(`${cause}; ${advice}`, {
      file,
      ...(error.rows[0] === undefined ? {} : { row: error.rows[0] }),
    });
    explained.cause = error;
    throw explained;
  }
}

/** The step that was not finite and so changed nothing, with what was wrong. */
export interface Divergence {
  readonly step: number;
  readonly problem: string;
}

/**
 * As `runLoop`, for a run among others: one that diverges is a finding, and ends before the step that is not finite.
 * @returns undefined where every step was finite
 */
export async function runUntilDivergence(options: LoopOptions): Promise<Divergence | undefined> {
  try {
    await runLoop(options);
    return undefined;
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
    return { step: options.state.optimizer.step + 1, problem: error.message };
  }
}
