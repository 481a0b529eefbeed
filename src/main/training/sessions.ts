import { describeLoss, type LossName } from '../../shared/losses.ts';
import { runtimeVersion } from '../engine/session/session.ts';
import type { Trainable } from '../engine/train/graphs.ts';
import { Scorer, sizesOf, type EngineOptions } from '../engine/train/scorer.ts';
import { Trainer, type TrainingPair } from '../engine/train/trainer.ts';
import type { OpenModel } from './model.ts';

export { runtimeVersion };

/** Most sequences that supervised fine-tuning of a whole small model runs side by side. */
const mostSequences = 16;

/** Preference pairs and adapters go one by one; whole models that learn completions take several in one pass. */
export function sequencesAtOnce(
  run: { readonly loss: LossName; readonly batchSize: number },
  full: boolean,
): number {
  const { needsRejected, needsReference } = describeLoss(run.loss);
  return needsRejected || needsReference || !full ? 1 : Math.min(mostSequences, run.batchSize);
}

/**
 * What pairs ask of sessions. One set of options serves the reference, training and evaluation: how log-probs are cut
 * into chunks decides their last bits, and c and r are exactly 0 at the start only where all agree.
 */
export function engineOptions(
  { threads, lowMemory }: { readonly threads?: number | undefined; readonly lowMemory?: boolean | undefined },
  ...pairs: readonly (readonly TrainingPair[])[]
): EngineOptions {
  return { ...sizesOf(pairs.flat()), threads, lowMemory };
}

/** The session that trains one run. */
export function openTrainer(
  model: OpenModel,
  trainable: Trainable,
  run: { readonly loss: LossName; readonly batchSize: number },
  engine: EngineOptions,
): Promise<Trainer> {
  const batch = sequencesAtOnce(run, trainable.kind !== 'lora');
  return Trainer.create(model.source, trainable, [run.loss], { ...engine, batch });
}

/** The sessions that every run of a comparison uses: weights are there once, however many runs there are. */
export interface SharedSessions {
  readonly trainer: Trainer;
  readonly scorer: Scorer;
  release(): Promise<void>;
}

export async function openShared(
  model: OpenModel,
  trainable: Trainable,
  losses: readonly LossName[],
  engine: EngineOptions,
): Promise<SharedSessions> {
  const trainer = await Trainer.create(model.source, trainable, losses, engine);
  const scorer = new Scorer(model.source, trainable, engine);
  return {
    trainer,
    scorer,
    async release() {
      await trainer.release();
      await scorer.release();
    },
  };
}
