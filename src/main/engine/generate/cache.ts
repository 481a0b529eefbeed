import { cacheNames, type CacheNames } from '../models/attention.ts';
import type { DecoderConfig } from '../models/config.ts';
import { discard } from '../session/garbage.ts';
import type { Feed } from '../session/session.ts';

/** Slots are added by so many. */
const slotStep = 32;

/** Moving what is cached takes as long as so many passes over it. */
const passesPerMove = 3;

/**
 * There is room for so many times the slots that are needed. Memory that nobody has written to is not there yet, so it costs nothing, and
 * what is cached can be spread out where it lies: fresh memory would be filled with zeros before it is written.
 */
const headroom = 1.5;

/** Keys and values of one sequence's first tokens, copied. */
export interface CachedTokens {
  readonly tokens: number;
  /** As the past of a pass is fed: per layer and side [keyValueHeads, tokens + 1, D], the last slot meaning nothing. */
  readonly past: Readonly<Record<string, Feed>>;
}

/**
 * Keys and values of sequences at places side by side, each filling its own slots from the first on. One tensor per layer and
 * side, [places, keyValueHeads, slots, D]: what a pass multiplies is fed from it as it lies.
 */
export class KeyValueCache {
  readonly #heads: number;
  readonly #width: number;
  readonly #tensors: readonly { readonly names: CacheNames; data: Float32Array }[];
  /** Tokens of the sequence at each place. */
  readonly #filled: number[];
  #slots = 0;
  /** Slots for which there is memory. */
  #room = 0;
  /** Slots of places that were read for nothing since the last move, summed over passes. */
  #unneeded = 0;

  constructor({ layers, keyValueHeads, headSize }: DecoderConfig, places: number) {
    this.#heads = keyValueHeads;
    this.#width = headSize;
    this.#filled = new Array<number>(places).fill(0);
    this.#tensors = Array.from({ length: layers }, (_, layer) => cacheNames(layer))
      .flat()
      .map((names) => ({ names, data: new Float32Array() }));
  }

  /** Slots of every place; those behind a sequence's tokens hold numbers that mean nothing. */
  get slots(): number {
    return this.#slots;
  }

  filled(place: number): number {
    return this.#filled[place]!;
  }

  /**
   * Makes room for a pass over sequences of so many tokens, and takes slots back once they have cost as much as moving does. There is always
   * a slot more: which slots share a vector of the runtime's softmax does then not depend on how many there are.
   * @param tokens of the longest sequence
   */
  reserve(tokens: number): void {
    const needed = Math.ceil((tokens + 1) / slotStep) * slotStep;
    if (needed <= this.#slots && !this.#isFarTooMuch(needed)) return;
    if (needed > this.#room || needed <= this.#room / (2 * headroom)) this.#renew(needed);
    else this.#rearrange(needed);
    this.#slots = needed;
    this.#unneeded = 0;
  }

  #isFarTooMuch(needed: number): boolean {
    const filled = this.#filled.filter((tokens) => tokens > 0);
    this.#unneeded += filled.length * (this.#slots - needed);
    return (
      this.#unneeded > 0 && this.#unneeded >= passesPerMove * filled.reduce((sum, tokens) => sum + tokens, 0)
    );
  }

  /** Rows of slots as they are laid out: where they begin now, where with so many slots, and how much of them is filled. */
  #rows(slots: number): { readonly from: number; readonly to: number; readonly length: number }[] {
    return Array.from({ length: this.#filled.length * this.#heads }, (_, row) => ({
      from: row * this.#slots * this.#width,
      to: row * slots * this.#width,
      length: this.#filled[Math.floor(row / this.#heads)]! * this.#width,
    }));
  }

  #rearrange(slots: number): void {
    // Each moves to where nothing lies that has still to be moved: outwards from the last one on, inwards from the first.
    const rows = slots > this.#slots ? this.#rows(slots).reverse() : this.#rows(slots);
    for (const { data } of this.#tensors)
      for (const { from, to, length } of rows) data.copyWithin(to, from, from + length);
  }

  #renew(slots: number): void {
    const rows = this.#rows(slots);
    this.#room = Math.ceil((slots * headroom) / slotStep) * slotStep;
    for (const tensor of this.#tensors) {
      const data = new Float32Array(rows.length * this.#room * this.#width);
      for (const { from, to, length } of rows)
        if (length > 0) data.set(tensor.data.subarray(from, from + length), to);
      // Left to the collector, all that is cached could be there twice.
      discard(tensor.data);
      tensor.data = data;
    }
  }

  /** The first places, as `CacheNames.places` is fed. */
  placeFeeds(places: number): Record<string, Feed> {
    const shape = [places * this.#heads, 1, this.#slots, this.#width];
    return this.#feeds('places', 0, places, shape);
  }

  /** One place, as `CacheNames.past` is fed. */
  pastFeeds(place: number): Record<string, Feed> {
    return this.#feeds('past', place, 1, [this.#heads, this.#slots, this.#width]);
  }

  #feeds(
    kind: 'places' | 'past',
    first: number,
    places: number,
    shape: readonly number[],
  ): Record<string, Feed> {
    const size = this.#heads * this.#slots * this.#width;
    return Object.fromEntries(
      this.#tensors.map(({ names, data }) => [
        names[kind],
        { data: data.subarray(first * size, (first + places) * size), shape },
      ]),
    );
  }

  /**
   * Writes new tokens behind a place's others.
   * @param fresh [rows, keyValueHeads·D] by output name
   * @param firstRow of the tokens among the rows
   */
  append(fresh: (name: string) => Float32Array, place: number, firstRow: number, tokens: number): void {
    const [heads, width] = [this.#heads, this.#width];
    const slot = this.#filled[place]!;
    for (const { names, data } of this.#tensors) {
      const rows = fresh(names.fresh);
      for (let token = 0; token < tokens; token++) {
        for (let head = 0; head < heads; head++) {
          const from = ((firstRow + token) * heads + head) * width;
          const to = ((place * heads + head) * this.#slots + slot + token) * width;
          for (let at = 0; at < width; at++) data[to + at] = rows[from + at]!;
        }
      }
    }
    this.#filled[place] = slot + tokens;
  }

  /** Moves a sequence to a place whose own is over. */
  move(from: number, to: number): void {
    const [heads, stride] = [this.#heads, this.#slots * this.#width];
    const length = this.#filled[from]! * this.#width;
    for (const { data } of this.#tensors) {
      for (let head = 0; head < heads; head++) {
        const start = (from * heads + head) * stride;
        data.copyWithin((to * heads + head) * stride, start, start + length);
      }
    }
    this.#filled[to] = this.#filled[from]!;
    this.#filled[from] = 0;
  }

  /** Copies a place's sequence, and the slot behind it. */
  copy(place: number): CachedTokens {
    const [heads, stride] = [this.#heads, this.#slots * this.#width];
    const tokens = this.#filled[place]!;
    const length = (tokens + 1) * this.#width;
    const copied = this.#tensors.map(({ names, data }): [string, Feed] => {
      const own = new Float32Array(heads * length);
      for (let head = 0; head < heads; head++) {
        const start = (place * heads + head) * stride;
        own.set(data.subarray(start, start + length), head * length);
      }
      return [names.past, { data: own, shape: [heads, tokens + 1, this.#width] }];
    });
    return { tokens, past: Object.fromEntries(copied) };
  }

  /** Begins a sequence at an empty place with what another one began with; there is room for it. */
  paste({ tokens, past }: CachedTokens, place: number): void {
    const [heads, stride] = [this.#heads, this.#slots * this.#width];
    const length = tokens * this.#width;
    for (const { names, data } of this.#tensors) {
      const copied = past[names.past]!.data as Float32Array;
      for (let head = 0; head < heads; head++) {
        const start = head * (tokens + 1) * this.#width;
        data.set(copied.subarray(start, start + length), (place * heads + head) * stride);
      }
    }
    this.#filled[place] = tokens;
  }

  clear(place: number): void {
    this.#filled[place] = 0;
  }
}
