import { setImmediate } from 'node:timers/promises';
import { InputError } from '../../../shared/errors.ts';
import { cacheNames } from '../models/attention.ts';
import type { DecoderConfig } from '../models/config.ts';
import { eightBitWeights, type EightBitWeights } from '../models/eight-bit.ts';
import type { ModelSource } from '../models/family.ts';
import type { ParameterLayout } from '../models/parameters.ts';
import { contextHash } from '../session/context.ts';
import {
  encodeGraph,
  GraphSession,
  int64,
  type Feed,
  type HashedGraph,
  type TensorData,
} from '../session/session.ts';
import { trainableLayout, type Trainable } from '../train/graphs.ts';
import { KeyValueCache, type CachedTokens } from './cache.ts';
import { decodingGraph, type DecodingSizes } from './graph.ts';
import { NonFiniteLogitsError } from './sampling.ts';

export interface DecoderOptions extends DecodingSizes {
  readonly threads?: number | undefined;
  /** Repacks frozen weights: faster prompts for one more copy of the weights. */
  readonly prepack?: boolean | undefined;
  /** `8bit`: the base's matrices are rounded to bytes, and what they are multiplied by too. float32 if absent. */
  readonly weights?: BaseWeights | undefined;
}

/** Precision of a base's matrices. What is trained on top of them is float32 anyhow. */
export type BaseWeights = 'float32' | '8bit';

/**
 * Prompts go through the model in pieces of so many tokens: scores take heads · piece · length · 4 bytes, not the square of
 * the length.
 */
export const promptPiece = 512;

/**
 * A pass over a few rows is hundreds of products of 50 to 200 µs each: waking a thread for each of them takes a tenth of the
 * time. Spinning for longer gains nothing, and costs much where others want the processor.
 */
const spinMicroseconds = 30;

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
    const { threads, prepack } = options;
    const session = await GraphSession.open(encodedGraph(source, trainable, options), {
      ...{ threads, prepack, spinMicroseconds },
      weightsFolder: source.weights?.folder,
    });
    return new Decoder(session, trainableLayout(source, trainable), source.config, options);
  }

  /** As `Scorer.contextHash`, of the logits of these sessions. */
  contextHash(base: string, policy: string): string {
    return decodingHash(this.#session.graphHash, this.#options, base, policy);
  }

  /**
   * Starts with no sequence.
   * @param parameters flat trainable numbers; absent means zeros (an adapter that changes nothing)
   */
  begin(parameters: Float32Array | undefined): Decoding {
    const { entries, size } = this.#layout;
    const flat = parameters ?? new Float32Array(size);
    if (flat.length !== size) throw new Error(`${flat.length} parameters are fed, the graph has ${size}`);
    const feeds = Object.fromEntries(
      entries.map(({ name, shape, offset, size: count }): [string, Feed] => [
        name,
        { data: flat.subarray(offset, offset + count), shape },
      ]),
    );
    return new Decoding(this.#session, this.config, this.batch, feeds);
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

/** As `Decoder.contextHash`, of sessions that need not be open. */
export function decoderContext(
  source: ModelSource,
  trainable: Trainable,
  options: DecoderOptions,
): (base: string, policy: string) => string {
  const { hash } = encodedGraph(source, trainable, options);
  return (base, policy) => decodingHash(hash, options, base, policy);
}

function encodedGraph(source: ModelSource, trainable: Trainable, options: DecoderOptions): HashedGraph {
  const eightBit = options.weights === '8bit' ? eightBitOf(source, trainable) : undefined;
  return encodeGraph(decodingGraph(source, trainable, options, eightBit), { prepack: options.prepack });
}

function decodingHash(
  graph: string,
  { threads, prepack, weights }: DecoderOptions,
  base: string,
  policy: string,
): string {
  return contextHash({ base, policy, graph, packing: 'decoding at places', threads, prepack, weights });
}

/** @throws InputError where no matrix is frozen */
function eightBitOf({ weights }: ModelSource, trainable: Trainable): EightBitWeights {
  if (!weights || trainable.kind === 'full')
    throw new InputError('where all weights were trained there are none that could be rounded to 8 bits');
  return eightBitWeights(weights);
}

/** A piece of the prompt that is being read. */
export interface Piece {
  readonly tokens: ArrayLike<number>;
  /** After which of its tokens logits are wanted; after the last one, the next pass may begin another prompt. */
  readonly logits: 'none' | 'last' | 'all';
}

/** What a run gave out, and how many rows of it were asked for. */
interface Pass {
  readonly results: Readonly<Record<string, TensorData>>;
  readonly rows: number;
}

/**
 * Sequences being decoded on one session, at places 0, 1, … Prompts are read one at a time, while the sequences that stand at
 * places go on token by token.
 */
export class Decoding {
  readonly #session: GraphSession;
  readonly #config: DecoderConfig;
  readonly #batch: number;
  readonly #parameters: Readonly<Record<string, Feed>>;
  readonly #cache: KeyValueCache;
  /** What is fed as the past of a sequence that has none: one slot that nobody sees, for a product over no terms is no zero. */
  readonly #noPast: Readonly<Record<string, Feed>>;
  /** Keys and values of new tokens. */
  readonly #fresh: readonly string[];
  #sequences = 0;
  /** What every prompt that is begun from now on begins with. */
  #prefix: CachedTokens | undefined;

  constructor(
    session: GraphSession,
    config: DecoderConfig,
    batch: number,
    parameters: Readonly<Record<string, Feed>>,
  ) {
    this.#session = session;
    this.#config = config;
    this.#batch = batch;
    this.#parameters = parameters;
    this.#cache = new KeyValueCache(config, batch);
    const { keyValueHeads, headSize, layers } = config;
    const nothing = { data: new Float32Array(keyValueHeads * headSize), shape: [keyValueHeads, 1, headSize] };
    const names = Array.from({ length: layers }, (_, layer) => cacheNames(layer)).flat();
    this.#noPast = Object.fromEntries(names.map(({ past }) => [past, nothing]));
    this.#fresh = names.map(({ fresh }) => fresh);
  }

  /** Sequences at places: a prompt that is still being read is none of them. */
  get sequences(): number {
    return this.#sequences;
  }

  /**
   * Reads one more token of each sequence at a place, and a piece of a prompt. A prompt whose logits were wanted has been read:
   * its sequence then stands at the place behind the others.
   * @param tokens of the places in their order; with a batch of one, either one token or a piece
   * @returns logits [rows, V]: after each token, then those that the piece wants
   */
  async pass(tokens: readonly number[], piece?: Piece): Promise<Float32Array> {
    const { results, rows } = await this.#run(['logits'], tokens, piece);
    return (results['logits'] as Float32Array).subarray(0, rows * this.#config.vocabularySize);
  }

  /**
   * As `pass`, of which only the tokens with the largest logits are given out: of 32 sequences the logits are 6 MB.
   * @returns the first of equals, as `likeliest` (sampling.ts)
   * @throws NonFiniteLogitsError where a logit is not finite
   */
  async likeliest(tokens: readonly number[], piece?: Piece): Promise<number[]> {
    const { results, rows } = await this.#run(['likeliest', 'total'], tokens, piece);
    if (!(results['total'] as Float32Array).subarray(0, rows).every(Number.isFinite))
      throw new NonFiniteLogitsError();
    return Array.from((results['likeliest'] as BigInt64Array).subarray(0, rows), Number);
  }

  #run(asked: readonly string[], tokens: readonly number[], piece: Piece | undefined): Promise<Pass> {
    if (tokens.length !== this.#sequences && !(piece && this.#batch === 1))
      throw new Error(`${tokens.length} tokens for ${this.#sequences} sequences`);
    const fetches = [...asked, ...this.#fresh];
    return this.#batch === 1
      ? this.#passOfOne(fetches, piece ?? { tokens, logits: 'last' })
      : this.#passOfMany(fetches, tokens, piece);
  }

  /**
   * Reads a prompt to its end, with nothing beside it.
   * @returns logits [V] after it
   */
  readPrompt(prompt: Int32Array, signal?: AbortSignal): Promise<Float32Array> {
    return this.#readAlone(prompt, 'last', signal);
  }

  /** Reads what all prompts begin with, once: of each prompt that is begun afterwards, the pieces are those of the rest. */
  async readPrefix(tokens: Int32Array, signal?: AbortSignal): Promise<void> {
    await this.#readAlone(tokens, 'none', signal);
    this.#prefix = this.#cache.copy(0);
    this.#cache.clear(0);
  }

  async #readAlone(
    all: Int32Array,
    logits: 'last' | 'none',
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    if (this.#sequences > 0) throw new Error('there are sequences that would wait');
    for (let start = 0; ; start += promptPiece) {
      const tokens = all.subarray(start, start + promptPiece);
      const isLast = start + promptPiece >= all.length;
      const found = await this.pass([], { tokens, logits: isLast ? logits : 'none' });
      await breathe(signal);
      if (isLast) return found;
    }
  }

  /** Makes room for a pass at the places and for tokens of a sequence at a place, which is begun where it is empty. */
  #makeRoom(longest: readonly number[], place: number, length: number): void {
    const begun = this.#cache.filled(place);
    const prefix = begun === 0 && length > 0 ? this.#prefix : undefined;
    this.#cache.reserve(Math.max(...longest, (prefix?.tokens ?? begun) + length));
    if (prefix) this.#cache.paste(prefix, place);
  }

  /** Ends the sequence at a place, which the last one then takes. */
  end(place: number): void {
    const last = this.#sequences - 1;
    if (place < last) this.#cache.move(last, place);
    else this.#cache.clear(last);
    // A prompt that is being read lies behind the sequences.
    if (last + 1 < this.#batch && this.#cache.filled(last + 1) > 0) this.#cache.move(last + 1, last);
    this.#sequences = last;
  }

  async #passOfOne(fetches: readonly string[], { tokens, logits }: Piece): Promise<Pass> {
    const { length } = tokens;
    this.#makeRoom([], 0, length);
    const rows = logits === 'all' ? Array.from({ length }, (_, row) => row) : [length - 1];
    const results = await this.#session.run(
      {
        ...this.#parameters,
        ...this.#rowFeeds(Array.from(tokens), this.#positions(0, length), rows),
        ...this.#pieceFeeds(0, length),
      },
      fetches,
    );
    this.#cache.append((name) => results[name] as Float32Array, 0, 0, length);
    if (logits !== 'none') this.#sequences = 1;
    return { results, rows: rows.length };
  }

  async #passOfMany(
    fetches: readonly string[],
    tokens: readonly number[],
    piece: Piece | undefined,
  ): Promise<Pass> {
    const count = tokens.length;
    if (piece && count === this.#batch) throw new Error('there is no place for another sequence');
    // Products have at least two rows, if need be with tokens that nobody looks at: one row alone takes another way through
    // the runtime, and where weights are fed or not repacked its last bits are others than beside neighbours. And there is a
    // token at a place at least: the runtime takes sums over no rows for as many as there are columns.
    const length = piece?.tokens.length ?? 0;
    const singles = Math.max(count, piece ? 1 : 2);
    const longest = tokens.map((_, place) => this.#cache.filled(place) + 1);
    if (piece) this.#makeRoom(longest, count, length);
    else this.#cache.reserve(Math.max(0, ...longest));
    const unseen = (many: number): number[] => new Array<number>(many).fill(0);
    const positions = [
      ...tokens.map((_, place) => this.#cache.filled(place)),
      ...unseen(singles - count),
      ...this.#positions(count, length),
    ];
    const ids = [...tokens, ...unseen(singles - count), ...Array.from(piece?.tokens ?? [])];
    const rows = [...tokens.keys()];
    if (piece?.logits === 'last') rows.push(singles + length - 1);
    if (piece?.logits === 'all') throw new Error('all logits of a piece are given of a single sequence');
    const feeds = {
      ...this.#parameters,
      ...this.#rowFeeds(ids, positions, [...rows, ...unseen(Math.max(0, 2 - rows.length))]),
      ...this.#placeFeeds(singles, count),
      ...this.#pieceFeeds(piece ? count : undefined, length),
      row_lengths: { data: int64([singles, length]), shape: [2] },
      has_sequence: { data: Uint8Array.of(piece ? 1 : 0), shape: [] },
    };
    const results = await this.#session.run(feeds, fetches);
    const fresh = (name: string): Float32Array => results[name] as Float32Array;
    for (let place = 0; place < count; place++) this.#cache.append(fresh, place, place, 1);
    if (piece) {
      this.#cache.append(fresh, count, singles, length);
      if (piece.logits !== 'none') this.#sequences += 1;
    }
    return { results, rows: rows.length };
  }

  #positions(place: number, length: number): number[] {
    return Array.from({ length }, (_, at) => this.#cache.filled(place) + at);
  }

  #rowFeeds(
    ids: readonly number[],
    positions: readonly number[],
    rows: readonly number[],
  ): Record<string, Feed> {
    return {
      token_ids: { data: int64(ids), shape: [ids.length] },
      positions: { data: int64(positions), shape: [1, positions.length] },
      rows: { data: int64(rows), shape: [rows.length] },
    };
  }

  /** A token sees itself and its own sequence's slots. */
  #placeFeeds(singles: number, count: number): Record<string, Feed> {
    const { keyValueHeads } = this.#config;
    const { slots } = this.#cache;
    const width = 1 + slots;
    const seen = new Float32Array(singles * keyValueHeads * width).fill(-Infinity);
    for (let row = 0; row < singles * keyValueHeads; row++) {
      const place = Math.floor(row / keyValueHeads);
      const filled = place < count ? this.#cache.filled(place) : 0;
      seen.fill(0, row * width, row * width + 1 + filled);
    }
    return {
      ...this.#cache.placeFeeds(singles),
      seen: { data: seen, shape: [singles * keyValueHeads, 1, 1, width] },
      seen_lengths: { data: int64([1, slots]), shape: [2] },
    };
  }

  /**
   * A token of a piece sees those of it up to itself, and all slots of its sequence.
   * @param place of the sequence; undefined where there is no piece
   */
  #pieceFeeds(place: number | undefined, length: number): Record<string, Feed> {
    const groups = this.#config.heads / this.#config.keyValueHeads;
    const filled = place === undefined ? 0 : this.#cache.filled(place);
    // Of a prompt that is begun, instead of all the slots that the longest sequence needs.
    const prefix = filled > 0 && filled === this.#prefix?.tokens ? this.#prefix : undefined;
    const slots = prefix ? filled + 1 : filled > 0 ? this.#cache.slots : 1;
    const width = length + slots;
    const causal = new Float32Array(groups * length * width).fill(-Infinity);
    for (let row = 0; row < groups * length; row++) {
      const start = row * width;
      causal.fill(0, start, start + (row % length) + 1);
      causal.fill(0, start + length, start + length + filled);
    }
    return {
      ...(prefix?.past ?? (filled > 0 ? this.#cache.pastFeeds(place!) : this.#noPast)),
      causal: { data: causal, shape: [groups * length, width] },
      causal_lengths: { data: int64([length, slots]), shape: [2] },
    };
  }
}

/** Lets the event loop turn, since a run of the session blocks it; then stops where that was asked for meanwhile. */
export async function breathe(signal?: AbortSignal): Promise<void> {
  await setImmediate();
  signal?.throwIfAborted();
}
