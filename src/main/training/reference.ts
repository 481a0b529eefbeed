import { InputError } from '../../shared/errors.ts';
import type { PairLogProbs } from '../../shared/comparison.ts';
import { pairHash } from '../engine/tokens/pairs.ts';
import type { Trainable } from '../engine/train/graphs.ts';
import { Scorer, type EngineOptions } from '../engine/train/scorer.ts';
import type { TrainingPair } from '../engine/train/trainer.ts';
import { policyHash, type OpenModel, type Policy } from './model.ts';
import { isFiniteScore, scorePairs, type PairScore } from './score.ts';
import type { WorkOptions } from './work.ts';

/** A pair's score wherever the pair stands. */
export type CachedScore = Omit<PairScore, 'index'>;

/** Where reference log-probs are kept between runs; hashes are those of pairs, contexts those of `Scorer`. */
export interface ReferenceCache {
  getMany(context: string, hashes: readonly string[]): Iterable<readonly [string, CachedScore]>;
  putMany(context: string, scores: readonly (readonly [string, CachedScore])[]): void;
}

/** Pairs between two commits: an interrupted pass loses no more. */
const pairsPerCommit = 8;

/**
 * Reference log-probs of pairs, from the cache where they are known: keyed by base, reference policy, token ids and
 * all that changes the last bits. Interrupted, it goes on where it was.
 * @param reference the policy that pairs are measured against; absent for the base itself
 */
export async function referenceLogProbs(
  cache: ReferenceCache,
  model: OpenModel,
  reference: Policy | undefined,
  pairs: readonly TrainingPair[],
  engine: EngineOptions,
  options: WorkOptions & {
    /** One of the reference's shape that is open already, and stays so. */
    readonly scorer?: Scorer | undefined;
    /** Names the file of a pair by its place, for errors. */
    readonly fileOf: (place: number) => string;
  },
): Promise<readonly PairLogProbs[]> {
  const trainable: Trainable = reference?.trainable ?? { kind: 'none' };
  const scorer = options.scorer ?? new Scorer(model.source, trainable, engine);
  const context = scorer.contextHash(model.hash, reference ? policyHash(reference) : '');
  const hashes = pairs.map(pairHash);
  const known = new Map<string, CachedScore>(cache.getMany(context, hashes));
  const missing = [...new Set(hashes)].filter((hash) => !known.has(hash));
  const byHash = new Map(hashes.map((hash, place) => [hash, pairs[place]!]));
  const fresh: [string, PairScore][] = [];
  let done = hashes.length - missing.length;
  const commit = (): void => {
    if (fresh.length > 0) cache.putMany(context, fresh.splice(0));
  };
  options.onProgress?.(done, hashes.length);
  try {
    await scorePairs(
      scorer,
      reference?.parameters,
      missing.map((hash) => byHash.get(hash)!),
      {
        signal: options.signal,
        onScore(score, place) {
          const hash = missing[place]!;
          if (!isFiniteScore(score)) {
            const first = hashes.indexOf(hash);
            throw new InputError(
              "the reference's log-probs are not finite: its weights are broken or overflow",
              { file: options.fileOf(first), row: pairs[first]!.index },
            );
          }
          known.set(hash, score);
          fresh.push([hash, score]);
          if (fresh.length === pairsPerCommit) commit();
          done += 1;
          options.onProgress?.(done, hashes.length);
        },
      },
    );
  } finally {
    commit();
    if (!options.scorer) await scorer.release();
  }
  return pairs.map(({ index }, place) => {
    const { chosen, rejected } = known.get(hashes[place]!)!;
    return { index, chosen, rejected };
  });
}

/** Pairs whose reference log-probs are not in the cache, each once. */
export function missingReference(
  cache: ReferenceCache,
  model: OpenModel,
  reference: Policy | undefined,
  pairs: readonly TrainingPair[],
  engine: EngineOptions,
): TrainingPair[] {
  const scorer = new Scorer(model.source, reference?.trainable ?? { kind: 'none' }, engine);
  const context = scorer.contextHash(model.hash, reference ? policyHash(reference) : '');
  const byHash = new Map(pairs.map((pair) => [pairHash(pair), pair]));
  for (const [hash] of cache.getMany(context, [...byHash.keys()])) byHash.delete(hash);
  return [...byHash.values()];
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
