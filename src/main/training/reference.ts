import { setImmediate as nextTurn } from 'node:timers/promises';
import { InputError } from '../../shared/errors.ts';
import type { PairLogProbs } from '../../shared/comparison.ts';
import { pairHash } from '../engine/tokens/pairs.ts';
import type { Trainable } from '../engine/train/graphs.ts';
import { Scorer, sizesOf, type EngineOptions } from '../engine/train/scorer.ts';
import type { TrainingPair } from '../engine/train/trainer.ts';
import type { Store } from '../store/database.ts';
import { policyHash, type OpenModel, type Policy } from './model.ts';

export interface WorkOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Pairs between two commits: an interrupted pass loses no more. */
const pairsPerCommit = 8;

/**
 * What pairs ask of sessions. One set of options serves the reference, training and evaluation: how log-probs are cut
 * into chunks decides their last bits, and c and r are exactly 0 at the start only where all agree.
 */
export function engineOptions(
  threads: number | undefined,
  ...pairs: readonly (readonly TrainingPair[])[]
): EngineOptions {
  return { ...sizesOf(pairs.flat()), ...(threads === undefined ? {} : { threads }) };
}

/**
 * Reference log-probs of pairs, from the cache where they are known: keyed by base, reference policy, token ids and
 * all that changes the last bits. Interrupted, it goes on where it was.
 * @param reference the policy that pairs are measured against; absent for the base itself
 */
export async function referenceLogProbs(
  store: Store,
  model: OpenModel,
  reference: Policy | undefined,
  pairs: readonly TrainingPair[],
  engine: EngineOptions,
  options: WorkOptions & {
    /** Names the file of a pair by its place, for errors. */
    readonly fileOf: (place: number) => string;
  },
): Promise<readonly PairLogProbs[]> {
  const trainable: Trainable = reference?.trainable ?? { kind: 'none' };
  const scorer = new Scorer(model.source, trainable, engine);
  const context = scorer.contextHash(model.hash, reference ? policyHash(reference) : '');
  const hashes = pairs.map(pairHash);
  const known = new Map(store.referenceLogProbs.getMany(context, hashes));
  const missing = [...new Set(hashes)].filter((hash) => !known.has(hash));
  const byHash = new Map(hashes.map((hash, place) => [hash, pairs[place]!]));
  const fresh: [
    string,
    { chosen: number; rejected: number; chosenTokens: number; rejectedTokens: number },
  ][] = [];
  let done = hashes.length - missing.length;
  const commit = (): void => {
    store.referenceLogProbs.putMany(context, fresh);
    fresh.length = 0;
  };
  options.onProgress?.(done, hashes.length);
  for (const hash of missing) {
    await nextTurn();
    if (options.signal?.aborted) commit();
    options.signal?.throwIfAborted();
    const score = await scorer.score(byHash.get(hash)!, reference?.parameters);
    const { chosen, rejected, chosenTokens, rejectedTokens } = score;
    if (!Number.isFinite(chosen + rejected)) {
      commit();
      const place = hashes.indexOf(hash);
      throw new InputError("the reference's log-probs are not finite: its weights are broken or overflow", {
        file: options.fileOf(place),
        row: pairs[place]!.index,
      });
    }
    const entry = { chosen, rejected, chosenTokens, rejectedTokens };
    known.set(hash, entry);
    fresh.push([hash, entry]);
    if (fresh.length === pairsPerCommit) commit();
    done += 1;
    options.onProgress?.(done, hashes.length);
  }
  commit();
  await scorer.release();
  return pairs.map(({ index }, place) => {
    const { chosen, rejected } = known.get(hashes[place]!)!;
    return { index, chosen, rejected };
  });
}

/** Pairs with their reference log-probs, for losses that need them. */
export function withReference(
  pairs: readonly TrainingPair[],
  reference: readonly PairLogProbs[],
): readonly TrainingPair[] {
  return pairs.map((pair, place) => {
    const { chosen, rejected } = reference[place]!;
    return { ...pair, reference: { chosen, rejected } };
  });
}

/** Log-probs of pairs under a policy. */
export async function scorePairs(
  scorer: Scorer,
  parameters: Float32Array | undefined,
  pairs: readonly TrainingPair[],
  options: WorkOptions,
): Promise<PairLogProbs[]> {
  const scores: PairLogProbs[] = [];
  for (const pair of pairs) {
    await nextTurn();
    options.signal?.throwIfAborted();
    const { chosen, rejected } = await scorer.score(pair, parameters);
    scores.push({ index: pair.index, chosen, rejected });
    options.onProgress?.(scores.length, pairs.length);
  }
  return scores;
}
