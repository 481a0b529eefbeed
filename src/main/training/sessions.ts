import { describeLoss, type LossName } from '../../shared/losses.ts';
import { runtimeVersion } from '../engine/session/session.ts';
import type { Trainable } from '../engine/train/graphs.ts';
import { distribute, type PackingRoom } from '../engine/train/packing.ts';
import { Scorer, sizesOf, type EngineOptions } from '../engine/train/scorer.ts';
import { Trainer, type TrainingPair } from '../engine/train/trainer.ts';
import type { OpenModel } from './model.ts';
import { packedLength } from './plan/timing.ts';

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

/** Tokens of one pass, as far as pairs are short: more make products no faster and take memory. */
const tokensPerPass = 384;
const mostPrompts = 2;
const mostSharing = 4;

/**
 * What pairs ask of sessions. One set of options serves the reference, training and evaluation: how log-probs are cut
 * into chunks decides their last bits, and c and r are exactly 0 at the start only where all agree. Short pairs share a pass, two by
 * two, and pairs of one prompt share that, where they follow each other: frozen weights give each the bits it would have
 * alone. Weights that are fed need not: where all are trained, and where the reference has an adapter of its own, pairs
 * go one by one; so they do in little memory.
 */
export function engineOptions(
  {
    threads,
    lowMemory,
    full = false,
    initAdapter,
    trainedFirst = false,
  }: {
    readonly threads?: number | undefined;
    readonly lowMemory?: boolean | undefined;
    readonly full?: boolean | undefined;
    readonly initAdapter?: string | undefined;
    /** The start is trained before, by SFT that comes first. */
    readonly trainedFirst?: boolean | undefined;
  },
  ...pairs: readonly (readonly TrainingPair[])[]
): EngineOptions {
  const all = pairs.flat();
  const alone = full || lowMemory || trainedFirst || initAdapter !== undefined;
  const room = alone ? { prompts: 1, pairsPerPrompt: 1 } : roomFor(all);
  return { ...sizesOf(all), threads, lowMemory, room };
}

function roomFor(pairs: readonly TrainingPair[]): PackingRoom {
  const sharing =
    pairs.length / Math.max(1, distribute(pairs, { prompts: 1, pairsPerPrompt: mostSharing }).length);
  const pairsPerPrompt = sharing < 1.5 ? 1 : Math.round(sharing);
  const mean = (of: (pair: TrainingPair) => number): number =>
    pairs.reduce((sum, pair) => sum + of(pair), 0) / Math.max(1, pairs.length);
  const answers = mean(({ chosen, rejected }) => chosen.length + rejected.length);
  const tokens = mean(({ prompt }) => prompt.length) + pairsPerPrompt * answers;
  const longest = pairs.reduce((most, pair) => Math.max(most, packedLength(pair)), 1);
  const fit = Math.floor(Math.min(tokensPerPass / tokens, (2 * tokensPerPass) / longest));
  return {
    prompts: Math.max(1, Math.min(mostPrompts, fit)),
    pairsPerPrompt,
    tokens: tokensPerPass,
  };
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
