import { setImmediate } from 'node:timers/promises';
import { cacheNames } from '../models/attention.ts';
import type { DecoderConfig } from '../models/config.ts';
import type { ModelSource } from '../models/family.ts';
import type { ParameterLayout } from '../models/parameters.ts';
import { contextHash } from '../session/context.ts';
import { GraphSession, int64, type Feed } from '../session/session.ts';
import { trainableLayout, type Trainable } from '../train/graphs.ts';
import { decodingGraph, type DecodingSizes } from './graph.ts';

export interface DecoderOptions extends DecodingSizes {
  readonly threads?: number | undefined;
  /** Repacks frozen weights: faster prompts for one more copy of the weights. */
  readonly prepack?: boolean | undefined;
}

/**
 * Prompts go through the model in pieces of so many tokens: scores take heads · piece · length · 4 bytes per sequence,
 * not the square of the length.
 */
const promptPiece = 512;

/** Added to the scores of padding. Finite, so that rows of nothing but padding stay numbers; exp of it is exactly 0. */
const padded = -1e30;

/** The session that reads prompts and single tokens alike, for one model and one shape of trainable numbers. */
export class Decoder {
  readonly #session: GraphSession;
  readonly #layout: ParameterLayout;
  readonly #options: DecoderOptions;
  readonly config: DecoderConfig;
  readonly batch: number;
  readonly maxLength: number;

  private constructor(
    session: GraphSession,
    layout: ParameterLayout,
    config: DecoderConfig,
    options: DecoderOptions,
  ) {
    this.#session = session;
    this.#layout = layout;
    this.#options = options;
    this.config = config;
    this.batch = options.batch;
    this.maxLength = options.maxLength;
  }

  static async create(source: ModelSource, trainable: Trainable, options: DecoderOptions): Promise<Decoder> {
    const session = await GraphSession.create(decodingGraph(source, trainable, options), {
      threads: options.threads,
      prepack: options.prepack,
      weightsFolder: source.weights?.folder,
    });
    return new Decoder(session, trainableLayout(source, trainable), source.config, options);
  }

  /** As `Scorer.contextHash`, of the logits of these sessions. */
  contextHash(base: string, policy: string): string {
    const { graphHash: graph } = this.#session;
    const { threads, prepack } = this.#options;
    return contextHash({ base, policy, graph, packing: 'decoding', threads, prepack });
  }

  /**
   * Starts a batch of sequences with an empty cache.
   * @param parameters flat trainable numbers; absent means zeros (an adapter that changes nothing)
   * @param capacity slots of the cache: the longest prompt and what is read after it
   */
  begin(parameters: Float32Array | undefined, capacity: number): Decoding {
    const { entries, size } = this.#layout;
    const flat = parameters ?? new Float32Array(size);
    if (flat.length !== size) throw new Error(`${flat.length} parameters are fed, the graph has ${size}`);
    const feeds = Object.fromEntries(
      entries.map(({ name, shape, offset, size: count }): [string, Feed] => [
        name,
        { data: flat.subarray(offset, offset + count), shape },
      ]),
    );
    return new Decoding(
      this.#session,
      this.config,
      { batch: this.batch, maxLength: this.maxLength },
      capacity,
      feeds,
    );
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

/** One batch being decoded: the cache and how far it is filled. Its slots are the same for all sequences. */
export class Decoding {
  readonly #session: GraphSession;
  readonly #config: DecoderConfig;
  readonly #batch: number;
  readonly #lastPosition: number;
  readonly #parameters: Readonly<Record<string, Feed>>;
  readonly #cache: readonly { readonly past: string; readonly fresh: string; readonly data: Float32Array }[];
  /** Floats that one slot takes in each cache tensor. */
  readonly #slotSize: number;
  /** Slots that a pass over one token sees: all of them. */
  readonly #seesAll: Float32Array;
  /** Slots before each sequence's first token. */
  #padding: readonly number[] = [];
  #filled = 0;

  constructor(
    session: GraphSession,
    config: DecoderConfig,
    { batch, maxLength }: DecodingSizes,
    capacity: number,
    parameters: Readonly<Record<string, Feed>>,
  ) {
    this.#session = session;
    this.#config = config;
    this.#batch = batch;
    this.#lastPosition = maxLength - 1;
    this.#parameters = parameters;
    this.#slotSize = batch * config.keyValueHeads * config.headSize;
    this.#seesAll = new Float32Array((config.heads / config.keyValueHeads) * capacity);
    this.#cache = Array.from({ length: config.layers }, (_, layer) =>
      cacheNames(layer).map((names) => ({ ...names, data: new Float32Array(capacity * this.#slotSize) })),
    ).flat();
  }

  /**
   * Reads the prompts, padded on the left to the longest.
   * @param prompts token ids, one per sequence of the batch; an empty one only fills its place
   * @returns logits [batch, V] after each prompt
   */
  async readPrompts(prompts: readonly Int32Array[], signal?: AbortSignal): Promise<Float32Array> {
    if (prompts.length !== this.#batch)
      throw new Error(`${prompts.length} prompts in a batch of ${this.#batch}`);
    const longest = Math.max(...prompts.map(({ length }) => length));
    this.#padding = prompts.map(({ length }) => longest - length);
    let logits: Float32Array | undefined;
    while (!logits) {
      const start = this.#filled;
      const end = Math.min(start + promptPiece, longest);
      const pieces = prompts.map((prompt, sequence) =>
        Array.from(
          { length: end - start },
          (_, place) => prompt[start + place - this.#padding[sequence]!] ?? 0,
        ),
      );
      logits = await this.#pass(pieces, end === longest);
      await breathe(signal);
    }
    return logits;
  }

  /**
   * Reads one more token per sequence.
   * @returns logits [batch, V] after it
   */
  async readTokens(tokens: readonly number[]): Promise<Float32Array> {
    return (await this.#pass(
      tokens.map((token) => [token]),
      true,
    ))!;
  }

  /**
   * Reads several more tokens of a single sequence in one pass.
   * @returns logits [tokens, V] after each of them
   */
  async readRow(tokens: readonly number[]): Promise<Float32Array> {
    if (this.#batch !== 1) throw new Error(`${this.#batch} sequences, and tokens for one`);
    return (await this.#pass([tokens], true, [...tokens.keys()]))!;
  }

  /** @param rows whose logits are wanted; if absent, the last of each sequence */
  async #pass(
    pieces: readonly (readonly number[])[],
    wantsLogits: boolean,
    rows = pieces.map(({ length }, sequence) => (sequence + 1) * length - 1),
  ): Promise<Float32Array | undefined> {
    const batch = this.#batch;
    const length = pieces[0]!.length;
    const start = this.#filled;
    // Clamped for what nobody looks at: padding before a prompt, fillers after a finished sequence.
    const position = (slot: number): number => Math.min(Math.max(0, slot), this.#lastPosition);
    const positions = this.#padding.flatMap((padding) =>
      Array.from({ length }, (_, place) => position(start + place - padding)),
    );
    const feeds: Record<string, Feed> = {
      ...this.#parameters,
      token_ids: { data: int64(pieces.flat()), shape: [batch * length] },
      positions: { data: int64(positions), shape: [batch, length] },
      rows: { data: int64(rows), shape: [rows.length] },
      causal: this.#causalMask(start, length),
      padding: this.#paddingMask(start + length),
    };
    for (const { past, data } of this.#cache) {
      feeds[past] = {
        data: data.subarray(0, start * this.#slotSize),
        shape: [start, batch, this.#slotSize / batch],
      };
    }
    const fetches = this.#cache.map(({ fresh }) => fresh);
    if (wantsLogits) fetches.push('logits');
    const results = await this.#session.run(feeds, fetches);
    for (const { fresh, data } of this.#cache) {
      data.set(results[fresh] as Float32Array, start * this.#slotSize);
    }
    this.#filled += length;
    return results['logits'] as Float32Array | undefined;
  }

  /** [groups·length, start + length]: a query sees the slots up to its own. */
  #causalMask(start: number, length: number): Feed {
    const groups = this.#config.heads / this.#config.keyValueHeads;
    const width = start + length;
    const shape = [groups * length, width];
    if (length === 1) return { data: this.#seesAll.subarray(0, groups * width), shape };
    const data = new Float32Array(groups * length * width);
    for (let row = 0; row < groups * length; row++) {
      data.fill(-Infinity, row * width + start + (row % length) + 1, (row + 1) * width);
    }
    return { data, shape };
  }

  /** [batch·keyValueHeads, 1, width]: nobody looks at padding. Not an input of the graph for a single sequence. */
  #paddingMask(width: number): Feed {
    const { keyValueHeads } = this.#config;
    const rows = this.#batch * keyValueHeads;
    const data = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++) {
      const padding = this.#padding[Math.floor(row / keyValueHeads)]!;
      data.fill(padded, row * width, row * width + Math.min(padding, width));
    }
    return { data, shape: [rows, 1, width] };
  }
}

/** Lets the event loop turn, since a run of the session blocks it; then stops where that was asked for meanwhile. */
export async function breathe(signal?: AbortSignal): Promise<void> {
  await setImmediate();
  signal?.throwIfAborted();
}
