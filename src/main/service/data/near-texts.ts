import { bandKeys, bands, jaccard, shingles, signature } from './min-hash.ts';

/** How many texts of a bucket a text is compared with: buckets of phrases that all rows share must not take n² steps. */
const comparedInBucket = 32;

/** Finds texts like those that were added before, by MinHash; 4 bytes a band and text, and what the index of bands takes. */
export class NearTexts {
  readonly #threshold: number;
  readonly #textOf: (row: number) => string;
  readonly #buckets: readonly Map<number, number[]>[] = Array.from({ length: bands }, () => new Map());
  readonly #recent = new Map<number, ReadonlySet<string>>();

  /**
   * @param threshold least Jaccard similarity of the sets of shingles
   * @param textOf reads a text again, to compare it exactly: a band that agrees is only a hint
   */
  constructor(threshold: number, textOf: (row: number) => string) {
    this.#threshold = threshold;
    this.#textOf = textOf;
  }

  /** Rows added before whose text is near, with the exact similarity, best first. Empty texts are near to none. */
  find(text: string): { row: number; similarity: number }[] {
    return this.#near(shingles(text));
  }

  /** As `find`, and remembers the text under `row`. */
  findAndAdd(row: number, text: string): { row: number; similarity: number }[] {
    return this.#near(shingles(text), row);
  }

  #near(set: ReadonlySet<string>, add?: number): { row: number; similarity: number }[] {
    if (set.size === 0) return [];
    const keys = bandKeys(signature(set));
    const candidates = new Set<number>();
    for (const [band, buckets] of this.#buckets.entries()) {
      const bucket = buckets.get(keys[band]!);
      for (const row of bucket ?? []) candidates.add(row);
      if (add === undefined) continue;
      if (bucket === undefined) buckets.set(keys[band]!, [add]);
      else if (bucket.length < comparedInBucket) bucket.push(add);
    }
    const near: { row: number; similarity: number }[] = [];
    for (const row of candidates) {
      const similarity = jaccard(set, this.#shingles(row));
      if (similarity >= this.#threshold) near.push({ row, similarity });
    }
    if (add !== undefined) this.#remember(add, set);
    return near.sort((a, b) => b.similarity - a.similarity || a.row - b.row);
  }

  #shingles(row: number): ReadonlySet<string> {
    const known = this.#recent.get(row);
    if (known) return known;
    const set = shingles(this.#textOf(row));
    this.#remember(row, set);
    return set;
  }

  #remember(row: number, set: ReadonlySet<string>): void {
    if (this.#recent.size >= 2000) this.#recent.delete(this.#recent.keys().next().value!);
    this.#recent.set(row, set);
  }
}
