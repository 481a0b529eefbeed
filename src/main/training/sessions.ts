import { describeLoss, type LossName } from '../../shared/losses.ts';
import { runtimeVersion } from '../engine/session/session.ts';
import { distribute, type PackingRoom } from '../engine/train/distribute.ts';
import type { Trainable } from '../engine/train/graphs.ts';
import { commonLength, isSame } from '../engine/train/packing.ts';
import { Scorer, sizesOf, type EngineOptions } from '../engine/train/scorer.ts';
import type { TrainerOptions } from '../engine/train/trainer-session.ts';
import { Trainer, type TrainingPair } from '../engine/train/trainer.ts';
import type { OpenModel, Policy } from './model.ts';
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
/** Of pairs that share a prompt, whose passes get cheaper with each. */
const tokensPerShared = 512;
const mostPrompts = 2;
const mostSharing = 4;
/** The first updates tell how often pairs of one prompt meet in them. */
const updatesLookedAt = 64;
/** What all prompts begin with (solved examples, a system prompt) is worth a block of its own from so many tokens, and this share of a pair, on. */
const leastPrefix = 128;
const leastPrefixShare = 0.4;
/** Prompts behind it in one pass, which then takes at most so many times the longest pair's tokens. */
const mostBehindPrefix = 8;
const longestOfPrefix = 2.5;

/**
 * What pairs ask of sessions. One set of options serves the reference, training and evaluation: how log-probs are cut
 * into chunks decides their last bits, and c and r are exactly 0 at the start only where all agree. Short pairs share a pass, two by
 * two, pairs of one prompt share that, where updates hold several, and what all prompts begin with is there once: frozen weights give each the bits it would have
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
    updates,
  }: {
    readonly threads?: number | undefined;
    readonly lowMemory?: boolean | undefined;
    readonly full?: boolean | undefined;
    readonly initAdapter?: string | undefined;
    /** The start is trained before, by SFT that comes first. */
    readonly trainedFirst?: boolean | undefined;
    /** Places among the first of the pairs that each update takes; they follow their order if absent. */
    readonly updates?: readonly (readonly number[])[] | undefined;
  },
  ...pairs: readonly (readonly TrainingPair[])[]
): EngineOptions {
  const all = pairs.flat();
  const alone = full || lowMemory || trainedFirst || initAdapter !== undefined;
  const inUpdates = updates
    ?.slice(0, updatesLookedAt)
    .map((places) => places.map((place) => pairs[0]![place]!));
  const room = alone ? { prompts: 1, pairsPerPrompt: 1 } : roomFor(all, inUpdates ?? [all]);
  return { ...sizesOf(all), threads, lowMemory, room };
}

/** @param updates their pairs */
function roomFor(pairs: readonly TrainingPair[], updates: readonly (readonly TrainingPair[])[]): PackingRoom {
  const mean = (of: (pair: TrainingPair) => number): number =>
    pairs.reduce((sum, pair) => sum + of(pair), 0) / Math.max(1, pairs.length);
  const longest = pairs.reduce((most, pair) => Math.max(most, packedLength(pair)), 1);
  const shared = commonPrefix(pairs.map(({ prompt }) => prompt));
  if (shared >= Math.max(leastPrefix, leastPrefixShare * mean(packedLength)))
    return {
      prompts: mostBehindPrefix,
      pairsPerPrompt: 1,
      tokens: Math.max(tokensPerPass, longestOfPrefix * longest),
      prefix: shared,
    };
  const shares = { prompts: 1, pairsPerPrompt: mostSharing };
  const passes = updates.reduce((sum, update) => sum + distribute(update, shares).length, 0);
  const sharing = updates.reduce((sum, { length }) => sum + length, 0) / Math.max(1, passes);
  const pairsPerPrompt = sharing < 1.5 ? 1 : Math.round(sharing);
  const answers = mean(({ chosen, rejected }) => chosen.length + rejected.length);
  const tokens = mean(({ prompt }) => prompt.length) + pairsPerPrompt * answers;
  const worthwhile = pairsPerPrompt > 1 ? tokensPerShared : tokensPerPass;
  // The longest pair takes as much memory by itself.
  const most = Math.max(worthwhile, longest);
  const fit = longest > 2 * worthwhile ? 1 : Math.floor(most / tokens);
  return { prompts: Math.max(1, Math.min(mostPrompts, fit)), pairsPerPrompt, tokens: most };
}

/** Tokens that all prompts begin with, two less than the shortest has at most; 0 for a single prompt. */
function commonPrefix(prompts: readonly Int32Array[]): number {
  const [first] = prompts;
  if (!first || prompts.every((prompt) => isSame(prompt, first))) return 0;
  const most = prompts.reduce((least, { length }) => Math.min(least, length), first.length) - 2;
  return Math.max(0, Math.min(commonLength(prompts), most));
}

interface TrainedRun {
  readonly loss: LossName;
  readonly batchSize: number;
}

/** What one run asks of the session that trains it. */
export function trainerOptions(trainable: Trainable, run: TrainedRun, engine: EngineOptions): TrainerOptions {
  return { ...engine, batch: sequencesAtOnce(run, trainable.kind !== 'lora') };
}

/** The session that trains one run. */
export function openTrainer(
  model: OpenModel,
  trainable: Trainable,
  run: TrainedRun,
  engine: EngineOptions,
): Promise<Trainer> {
  return Trainer.create(model.source, trainable, [run.loss], trainerOptions(trainable, run, engine));
}

/** The shape that scores a policy; absent for the base. */
export function shapeOf(policy: Policy | undefined): Trainable {
  return policy?.trainable ?? { kind: 'none' };
}

/** Scores policies of one shape: on the trainer's session where that can, else on one of its own. */
export function openScorer(
  model: OpenModel,
  trainable: Trainable,
  engine: EngineOptions,
  trainer: Trainer,
): Scorer {
  return trainer.scorer(trainable) ?? new Scorer(model.source, trainable, engine);
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
  const scorer = openScorer(model, trainable, engine, trainer);
  return {
    trainer,
    scorer,
    async release() {
      await scorer.release();
      await trainer.release();
    },
  };
}
