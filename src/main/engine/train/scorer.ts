import { availableParallelism } from 'node:os';
import type { PairBlocks } from '../models/attention.ts';
import type { ModelSource } from '../models/family.ts';
import { contextHash } from '../session/context.ts';
import { discard, discardFeeds, shrinkHeap } from '../session/garbage.ts';
import {
  encodeGraph,
  GraphSession,
  type Feed,
  type HashedGraph,
  type SessionOptions,
  type TensorData,
} from '../session/session.ts';
import { distribute, type PackingRoom } from './distribute.ts';
import { areRounds, scoreGraph, trainableLayout, type GraphOptions, type Trainable } from './graphs.ts';
import { packPairs, type PackablePair } from './packing.ts';

export interface EngineOptions {
  readonly threads?: number | undefined;
  /** Longest packed sequence (prompt + chosen + rejected) to be run. */
  readonly longestSequence: number;
  /** Most completion tokens in one sequence: decides how many chunks their log-probs are computed in. */
  readonly mostRows: number;
  /** Pairs that one pass takes: so many prompts, so many pairs of each. One of one if absent. */
  readonly room?: PackingRoom | undefined;
  readonly prepack?: boolean | undefined;
  /** Train in the least memory that gives the same numbers: activations are made again, weights not repacked. */
  readonly lowMemory?: boolean | undefined;
}

/** Rows of logits held at once: 128 × 49,152 × 4 bytes = 25 MB, and as much for each thing made of them. */
const rowsPerLargeChunk = 128;
/** Where every chunk's product packs the head anew: the pairs of one prompt then mostly take two chunks instead of three. */
const rowsPerSharedChunk = 192;
/** Where memory is short; fewer than 64 do not save any more. */
const rowsPerSmallChunk = 64;
const shortestTable = 2048;

/**
 * Threads look out for so long after each operation: most of a pass's thousands of products take 50 to 500 µs, and waking a thread takes
 * some 20. Short pairs take 5 % less time so, or 17 % more where another program wants the processor all the time.
 */
const spinMicroseconds = 100;

const onePair: PackingRoom = { prompts: 1, pairsPerPrompt: 1 };

/** Tokens of a prompt, or of an answer, that attention looks at in one block, where sequences are long. */
const promptPerBlock = 384;
const answerPerBlock = 160;
const mostBlocks = 4;
/** Up to this share of what all prompts begin with, a pair behind it is one block: most of its keys lie in the beginning. */
const longestBehind = 0.5;
/** Up to this length all layers' probabilities are kept for the backward pass. */
const longestKept = 512;
/** Up to this length scores of several heads at once fit into a cache: time of 900 tokens 0.98 of heads apart, of 1,600 tokens 1.07. */
const longestEven = 1024;

/** Sizes are rounded up, so that data sets of different lengths share one graph and its reference cache. */
export function graphSizes(
  options: EngineOptions,
): Omit<GraphOptions, 'batch'> & { readonly rowsPerChunk: number; readonly inRounds: boolean } {
  const { longestSequence, mostRows, room = onePair, lowMemory = false } = options;
  // The runtime wants tables for as many positions as a pass has places; room that no pair takes has three for each.
  const places = Math.max(longestSequence, room.tokens ?? 0) + 3 * room.prompts * room.pairsPerPrompt;
  let maxLength = shortestTable;
  while (maxLength < places) maxLength *= 2;
  const shared = Math.min(mostRows * room.prompts * room.pairsPerPrompt, room.tokens ?? Infinity);
  // Passes of one prompt's pairs take the most memory of short ones, and fill their chunks with rows, over which the packing spreads:
  // a copy of the largest weight would hardly save any time there.
  const repacksHead = room.pairsPerPrompt === 1;
  const rowsPerLarge = repacksHead ? rowsPerLargeChunk : rowsPerSharedChunk;
  const rowsPerChunk = lowMemory ? rowsPerSmallChunk : rowsPerLarge;
  const behindPrefix = longestSequence - (room.prefix ?? 0);
  const isTogether =
    room.prefix !== undefined && room.pairsPerPrompt === 1 && behindPrefix <= longestBehind * room.prefix;
  let chunks = 1;
  while (chunks * rowsPerChunk < Math.max(mostRows, shared)) chunks *= 2;
  return {
    maxLength,
    chunks,
    // Otherwise the head is not repacked, nor would it be for each chunk.
    inRounds: chunks > 1 && repacksHead && !lowMemory,
    rowsPerChunk,
    repacksHead,
    blocks: {
      prefixBlocks: room.prefix === undefined ? 0 : blocksFor(room.prefix, promptPerBlock),
      prompts: room.prompts,
      pairsPerPrompt: room.pairsPerPrompt,
      promptBlocks: isTogether ? 1 : blocksFor(behindPrefix, promptPerBlock),
      answerBlocks: isTogether ? 1 : blocksFor(mostRows / 2, answerPerBlock),
      isTogether,
      headGroups: headGroupsFor(options),
      keepProbabilities: lowMemory || longestSequence <= longestKept,
    },
    recompute: lowMemory ? 'layers' : 'cheap',
  };
}

/**
 * More groups are more operations, which short sequences have no work for, and 0.06 GB where memory is short. Without a prefix the groups of
 * long ones are large each.
 */
function headGroupsFor({
  longestSequence,
  lowMemory,
  room,
  threads,
}: EngineOptions): PairBlocks['headGroups'] {
  if (lowMemory || longestSequence <= longestKept) return 'all';
  if (!room?.prefix && longestSequence > longestEven) return 'apart';
  return { evenFor: threads || availableParallelism() };
}

function blocksFor(tokens: number, perBlock: number): number {
  return Math.max(1, Math.min(mostBlocks, Math.floor(tokens / perBlock)));
}

/** What a set of pairs asks of the engine. */
export function sizesOf(pairs: Iterable<PackablePair>): Pick<EngineOptions, 'longestSequence' | 'mostRows'> {
  let longestSequence = 1;
  let mostRows = 1;
  for (const { prompt, chosen, rejected } of pairs) {
    const rows = chosen.length + rejected.length;
    longestSequence = Math.max(longestSequence, prompt.length + rows);
    mostRows = Math.max(mostRows, rows);
  }
  return { longestSequence, mostRows };
}

export function sessionOptions(source: ModelSource, options: EngineOptions): SessionOptions {
  return {
    threads: options.threads,
    spinMicroseconds,
    prepack: options.lowMemory ? false : options.prepack,
    arena: !options.lowMemory,
    weightsFolder: source.weights?.folder,
  };
}

/** Log-probs of one pair's answers, summed over the completion tokens that are predicted, in nats. */
export interface PairScore {
  readonly chosen: number;
  readonly rejected: number;
  readonly chosenTokens: number;
  readonly rejectedTokens: number;
  /** Per completion token. */
  readonly chosenLogProbs: Float32Array;
  readonly rejectedLogProbs: Float32Array;
}

/** Runs packed pairs through an open session. */
export interface Passes {
  /** How many trainable numbers a pass takes; zeros are the base. */
  readonly size: number;
  /** As `areRounds` says of their graph. */
  readonly inRounds: boolean;
  run(feeds: Readonly<Record<string, Feed>>): Promise<Record<string, TensorData>>;
}

/** Scores pairs under the base or under an adapter, as many in one pass as there is room for. */
export class Scorer {
  readonly #makeGraph: () => HashedGraph;
  readonly #options: SessionOptions;
  readonly #groups: number;
  readonly #chunks: number;
  readonly #rowsPerChunk: number;
  readonly #inRounds: boolean;
  readonly #blocks: GraphOptions['blocks'];
  /** What one pass takes at most. */
  readonly room: PackingRoom;
  readonly #size: number;
  readonly #lowMemory: boolean;
  readonly #passes: Passes | undefined;
  #graph: HashedGraph | undefined;
  #session: Promise<GraphSession> | undefined;

  /**
   * @param trainable the shape of what is scored; its numbers come with each call
   * @param passes of a session that is open already; its own if absent, made when it is first needed
   */
  constructor(source: ModelSource, trainable: Trainable, options: EngineOptions, passes?: Passes) {
    const sizes = graphSizes(options);
    this.#lowMemory = options.lowMemory === true;
    const graph = { batch: 1, ...sizes };
    this.#passes = passes;
    this.#options = sessionOptions(source, options);
    this.#makeGraph = () => encodeGraph(scoreGraph(source, trainable, graph), this.#options);
    this.#groups = source.config.heads / source.config.keyValueHeads;
    this.#chunks = sizes.chunks;
    this.#rowsPerChunk = sizes.rowsPerChunk;
    this.#inRounds = passes?.inRounds ?? areRounds(trainable, sizes);
    this.#blocks = sizes.blocks;
    this.room = options.room ?? onePair;
    this.#size = passes?.size ?? trainableLayout(source, trainable).size;
  }

  /**
   * Names everything that may change the last bits of a score, for the reference cache: by the graph that only scores, whatever
   * session computes it. Within a training graph the same pass gives the same bits.
   * @param base hash of the base weights
   * @param policy hash of adapter or trained weights, empty for the base itself
   */
  contextHash(base: string, policy: string): string {
    const { threads, prepack } = this.#options;
    const { prefix } = this.room;
    // Where a pair and its rows are cut decides last bits.
    const cut = prefix === undefined ? 'pair' : `pair behind ${prefix} tokens`;
    const packing = `${cut}, chunks of ${this.#rowsPerChunk} rows`;
    return contextHash({ base, policy, graph: this.#own().hash, packing, threads, prepack });
  }

  #own(): HashedGraph {
    return (this.#graph ??= this.#makeGraph());
  }

  /** Makes the session ready. Scoring does it by itself, and only then: a full cache needs no session. */
  async open(): Promise<void> {
    await this.#ready();
  }

  #ready(): Passes | Promise<GraphSession> {
    if (this.#passes) return this.#passes;
    if (!this.#session) {
      const graph = this.#own();
      if (this.#lowMemory) shrinkHeap();
      this.#session = GraphSession.open(graph, this.#options);
    }
    return this.#session;
  }

  /** @param parameters flat trainable numbers; absent scores the base (an adapter of zeros) */
  async score(pair: PackablePair, parameters?: Float32Array): Promise<PairScore> {
    return (await this.#pass([[pair]], parameters))[0]!;
  }

  /**
   * One pass over pairs that share prompts, as `distribute` gives them. The scores are those of `score`, to the last bit.
   * @returns prompt by prompt
   */
  async #pass(
    prompts: readonly (readonly PackablePair[])[],
    parameters: Float32Array | undefined,
  ): Promise<PairScore[]> {
    const packed = packPairs(prompts, {
      groups: this.#groups,
      chunks: this.#chunks,
      rowsPerChunk: this.#rowsPerChunk,
      inRounds: this.#inRounds,
      blocks: this.#blocks,
      prefix: this.room.prefix,
    });
    const flat = parameters ?? new Float32Array(this.#size);
    const session = await this.#ready();
    const results = await session.run({
      ...packed.feeds,
      parameters: { data: flat, shape: [flat.length] },
    });
    discardFeeds(packed.feeds);
    if (!parameters) discard(flat);
    const rows = joinChunks(results, 'token_log_probs', this.#inRounds ? 1 : this.#chunks);
    return packed.pairs.map(({ slot, firstRow, firstRejectedRow, chosenRows, rejectedRows }) => ({
      chosen: Number(results['chosen']![slot]),
      rejected: Number(results['rejected']![slot]),
      chosenTokens: chosenRows,
      rejectedTokens: rejectedRows,
      chosenLogProbs: rows.slice(firstRow, firstRow + chosenRows),
      rejectedLogProbs: rows.slice(firstRejectedRow, firstRejectedRow + rejectedRows),
    }));
  }

  /** As many passes as `distribute` makes of the pairs. @returns scores as they come, each with its pair's place */
  async *scoreAll(
    pairs: readonly PackablePair[],
    parameters?: Float32Array,
  ): AsyncGenerator<{ readonly place: number; readonly score: PairScore }> {
    for (const pass of distribute(pairs, this.room)) {
      const places = pass.flat();
      const scores = await this.#pass(
        pass.map((own) => own.map((place) => pairs[place]!)),
        parameters,
      );
      const found = scores.map((score, own) => ({ place: places[own]!, score }));
      yield* found.sort((a, b) => a.place - b.place);
    }
  }

  /** Ends its own session; one that it was given stays open. */
  async release(): Promise<void> {
    await (await this.#session)?.release();
    this.#session = undefined;
  }
}

/** One metric's rows over all chunks. */
export function joinChunks(
  results: Readonly<Record<string, unknown>>,
  name: string,
  chunks: number,
): Float32Array {
  const parts = Array.from({ length: chunks }, (_, chunk) => results[`${name}_${chunk}`] as Float32Array);
  if (parts.length === 1) return parts[0]!;
  const joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
