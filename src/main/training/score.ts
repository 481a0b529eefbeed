import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PairLogProbs } from '../../shared/comparison.ts';
import { Scorer, type EngineOptions } from '../engine/train/scorer.ts';
import type { TrainingPair } from '../engine/train/trainer.ts';
import { pairHash } from '../engine/tokens/pairs.ts';
import type { OpenModel, Policy } from './model.ts';
import { hashOf } from './recall.ts';
import type { WorkOptions } from './work.ts';

/** Summed log-probs of one pair's answers in nats, and over how many tokens. */
export interface PairScore extends PairLogProbs {
  readonly chosenTokens: number;
  readonly rejectedTokens: number;
}

export interface ScoreOptions extends WorkOptions {
  /** Told of each score as it comes; what it throws ends the work. `place` is the pair's among those given. */
  readonly onScore?: (score: PairScore, place: number) => void;
}

/**
 * Log-probs of pairs under a policy whose numbers change from call to call.
 * @param parameters absent for the base
 * @throws the signal's reason where that is aborted
 */
export async function scorePairs(
  scorer: Scorer,
  parameters: Float32Array | undefined,
  pairs: readonly TrainingPair[],
  options: ScoreOptions = {},
): Promise<PairScore[]> {
  const scores = new Array<PairScore>(pairs.length);
  let done = 0;
  options.signal?.throwIfAborted();
  for await (const { place, score } of scorer.scoreAll(pairs, parameters)) {
    const { chosen, rejected, chosenTokens, rejectedTokens } = score;
    const found = { index: pairs[place]!.index, chosen, rejected, chosenTokens, rejectedTokens };
    options.onScore?.(found, place);
    scores[place] = found;
    options.onProgress?.(++done, pairs.length);
    // The runtime's run blocks the event loop: let a signal and the screen have their turn.
    await nextTurn();
    options.signal?.throwIfAborted();
  }
  return scores;
}

/** Names all that decides what `scorePairs` finds. @param policy as `functionHash` (model.ts) names it */
export function scoresHash(
  scorer: Scorer,
  model: OpenModel,
  policy: string,
  pairs: readonly TrainingPair[],
): string {
  return hashOf([scorer.contextHash(model.hash, policy), pairs.map((pair) => [pair.index, pairHash(pair)])]);
}

/** As `scorePairs`, for a policy that is scored once. @param policy absent for the base */
export async function scoreOnce(
  model: OpenModel,
  policy: Policy | undefined,
  pairs: readonly TrainingPair[],
  engine: EngineOptions,
  options: ScoreOptions = {},
): Promise<PairScore[]> {
  const scorer = new Scorer(model.source, policy?.trainable ?? { kind: 'none' }, engine);
  try {
    return await scorePairs(scorer, policy?.parameters, pairs, options);
  } finally {
    await scorer.release();
  }
}

/** False where weights are broken or overflow. */
export function isFiniteScore({ chosen, rejected }: PairLogProbs): boolean {
  return Number.isFinite(chosen + rejected);
}
