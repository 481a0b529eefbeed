import { createHash } from 'node:crypto';
import type { EvaluationPart } from '../../shared/comparison.ts';

/** To be raised with every change of what evaluations find but for the graph: decoding, reading of answers, their measures. */
const evaluationVersion = 3;

/** Where parts of evaluations are kept between comparisons. */
export interface PartCache {
  /** Undefined where it is not known. */
  get(key: string): unknown;
  put(key: string, part: EvaluationPart, result: unknown): void;
}

/** One evaluation's parts: those that are known are not computed again. */
export class Recall {
  readonly #cache: PartCache | undefined;
  readonly #recalled = new Set<EvaluationPart>();

  /** @param cache absent: everything is computed, and nothing kept */
  constructor(cache: PartCache | undefined) {
    this.#cache = cache;
  }

  /** Parts that came from the cache, for the record. */
  get recalled(): readonly EvaluationPart[] {
    return [...this.#recalled];
  }

  /**
   * @param context hash of all that decides the part: weights, data, settings, engine
   * @param compute plain JSON; undefined, or what it throws, is not kept
   */
  async part<Found>(
    part: EvaluationPart,
    context: () => string,
    compute: () => Promise<Found>,
  ): Promise<Found> {
    if (!this.#cache) return compute();
    const key = hashOf([evaluationVersion, part, context()]);
    const known = this.#cache.get(key);
    if (known !== undefined) {
      this.#recalled.add(part);
      // Safe: kept under this key by this very version, and checked by its hash.
      return known as Found;
    }
    const found = await compute();
    if (found !== undefined) this.#cache.put(key, part, found);
    return found;
  }
}

/** SHA-256 of plain JSON. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
