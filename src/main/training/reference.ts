import { InputError } from '../../shared/errors.ts';
import type { PairLogProbs } from '../../shared/comparison.ts';
import { pairHash } from '../engine/tokens/pairs.ts';
import { Scorer, type EngineOptions } from '../engine/train/scorer.ts';
import type { TrainingPair } from '../engine/train/trainer.ts';
import { policyHash, type OpenModel, type Policy } from './model.ts';
import { shapeOf } from './sessions.ts';
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

export interface ReferenceOptions extends WorkOptions {
  /** Names the file of a pair by its place, for errors. */
  readonly fileOf: (place: number) => string;
}

/**
 * Reference log-probs of a job's pairs, each computed when it is first asked for, or taken from the cache: keyed by base,
 * reference policy, token ids and all that changes the last bits.
 */
export class References {
  readonly #cache: ReferenceCache;
  readonly #scorer: Scorer;
  readonly #model: OpenModel;
  readonly #reference: Policy | undefined;
  readonly #known = new Map<string, CachedScore>();
  #context: string | undefined;

  /**
   * @param reference the policy that pairs are measured against; absent for the base itself
   * @param scorer one of the reference's shape
   */
  constructor(cache: ReferenceCache, model: OpenModel, reference: Policy | undefined, scorer: Scorer) {
    this.#cache = cache;
    this.#model = model;
    this.#reference = reference;
    this.#scorer = scorer;
  }

  /**
   * Interrupted, it goes on where it was.
   * @returns the pairs' log-probs in their order
   * @throws InputError naming the row where they are not finite; the signal's reason where that is aborted
   */
  async find(pairs: readonly TrainingPair[], options: ReferenceOptions): Promise<readonly PairLogProbs[]> {
    const hashes = pairs.map(pairHash);
    const missing = this.#missing(hashes);
    const byHash = new Map(hashes.map((hash, place) => [hash, pairs[place]!]));
    const fresh: [string, PairScore][] = [];
    let done = hashes.length - missing.length;
    const commit = (): void => {
      if (fresh.length > 0) this.#cache.putMany(this.#contextHash(), fresh.splice(0));
    };
    options.onProgress?.(done, hashes.length);
    try {
      await scorePairs(
        this.#scorer,
        this.#reference?.parameters,
        missing.map((hash) => byHash.get(hash)!),
        {
          signal: options.signal,
          onScore: (score, place) => {
            const hash = missing[place]!;
            if (!isFiniteScore(score)) {
              const first = hashes.indexOf(hash);
              throw brokenReference(options.fileOf(first), pairs[first]!.index);
            }
            this.#known.set(hash, score);
            fresh.push([hash, score]);
            if (fresh.length === pairsPerCommit) commit();
            done += 1;
            options.onProgress?.(done, hashes.length);
          },
        },
      );
    } finally {
      commit();
    }
    return pairs.map(({ index }, place) => {
      const { chosen, rejected } = this.#known.get(hashes[place]!)!;
      return { index, chosen, rejected };
    });
  }

  /** Keeps log-probs that were found while the policy was the reference. */
  keep(pairs: readonly TrainingPair[], scores: readonly CachedScore[]): void {
    const found = pairs.map((pair, place) => [pairHash(pair), scores[place]!] as const);
    for (const [hash, score] of found) this.#known.set(hash, score);
    this.#cache.putMany(this.#contextHash(), found);
  }

  /** Pairs whose log-probs are still to be computed, each once. */
  missing(pairs: readonly TrainingPair[]): TrainingPair[] {
    const byHash = new Map(pairs.map((pair) => [pairHash(pair), pair]));
    return this.#missing([...byHash.keys()]).map((hash) => byHash.get(hash)!);
  }

  #missing(hashes: readonly string[]): string[] {
    const unknown = [...new Set(hashes)].filter((hash) => !this.#known.has(hash));
    if (unknown.length === 0) return [];
    for (const [hash, score] of this.#cache.getMany(this.#contextHash(), unknown))
      this.#known.set(hash, score);
    return unknown.filter((hash) => !this.#known.has(hash));
  }

  #contextHash(): string {
    return (this.#context ??= this.#scorer.contextHash(
      this.#model.hash,
      this.#reference ? policyHash(this.#reference) : '',
    ));
  }
}

/** What to tell of a pair that the reference gives no numbers for. */
export function brokenReference(file: string, row: number): InputError {
  const cause = "the reference's log-probs are not finite: its weights are broken or overflow";
  return new InputError(cause, { file, row });
}

/**
 * All pairs' reference log-probs.
 * @param reference the policy that pairs are measured against; absent for the base itself
 */
export async function referenceLogProbs(
  cache: ReferenceCache,
  model: OpenModel,
  reference: Policy | undefined,
  pairs: readonly TrainingPair[],
  engine: EngineOptions,
  options: ReferenceOptions & {
    /** One of the reference's shape that is open already, and stays so. */
    readonly scorer?: Scorer | undefined;
  },
): Promise<readonly PairLogProbs[]> {
  const scorer = options.scorer ?? new Scorer(model.source, shapeOf(reference), engine);
  try {
    return await new References(cache, model, reference, scorer).find(pairs, options);
  } finally {
    if (!options.scorer) await scorer.release();
  }
}

/** Pairs whose reference log-probs are not in the cache, each once. */
export function missingReference(
  cache: ReferenceCache,
  model: OpenModel,
  reference: Policy | undefined,
  pairs: readonly TrainingPair[],
  engine: EngineOptions,
): TrainingPair[] {
  const scorer = new Scorer(model.source, shapeOf(reference), engine);
  return new References(cache, model, reference, scorer).missing(pairs);
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
