import { createHash } from 'node:crypto';
import { xoshiro128StarStar } from '../../../shared/statistics/random.ts';

/**
 * A seeded stream of numbers: xoshiro128** (Blackman & Vigna 2018), its state filled from SHA-256 of seed and purpose,
 * so that streams for different purposes (adapter start, batch order of epoch 2) never overlap.
 */
export class Random {
  readonly #state: Uint32Array;

  constructor(seed: number, purpose: string) {
    const digest = createHash('sha256').update(`${seed}/${purpose}`).digest();
    this.#state = Uint32Array.from({ length: 4 }, (_, place) => digest.readUInt32LE(4 * place));
  }

  /** A whole number in [0, 2³²). */
  next(): number {
    return xoshiro128StarStar(this.#state);
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(): number {
    return ((this.next() >>> 5) * 67_108_864 + (this.next() >>> 6)) / 9_007_199_254_740_992;
  }

  /** Standard normal (Box–Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A whole number in [0, limit) without modulo bias. */
  below(limit: number): number {
    return Math.floor(this.uniform() * limit);
  }

  /** A random order of 0 … length − 1 (Fisher–Yates). */
  permutation(length: number): number[] {
    const order = Array.from({ length }, (_, place) => place);
    for (let place = length - 1; place > 0; place--) {
      const other = this.below(place + 1);
      [order[place], order[other]] = [order[other]!, order[place]!];
    }
    return order;
  }
}
