import type { PairBlocks } from '../models/attention.ts';
import { int64, type Feed } from '../session/session.ts';

/** Token ids of one pair, cut as the tokenizer's rules say. `rejected` is empty for supervised fine-tuning. */
export interface PackablePair {
  readonly prompt: Int32Array;
  readonly chosen: Int32Array;
  readonly rejected: Int32Array;
}

/** Where one pair lies in what was packed. */
export interface PackedPair {
  /** Its place among the pairs that the graph has room for. */
  readonly slot: number;
  /** Its first row of log-probs; rows for rejected begin after those for chosen, at `firstRejectedRow`. */
  readonly firstRow: number;
  readonly firstRejectedRow: number;
  readonly chosenRows: number;
  readonly rejectedRows: number;
}

export interface PackedBatch {
  readonly feeds: Readonly<Record<string, Feed>>;
  /** In the order given. */
  readonly pairs: readonly PackedPair[];
  /** Places in the sequence, fillers included. */
  readonly length: number;
}

/** A place in the sequence whose hidden state predicts a target token. */
interface Row {
  readonly place: number;
  readonly target: number;
}

/** What is laid out one after the other: token ids, their positions, and which of them are nothing but fillers. */
class Sequence {
  readonly ids: number[] = [];
  readonly positions: number[] = [];

  /**
   * @param least places that they take at least: shorter ones are filled up with what nobody looks at
   * @returns where they start
   */
  add(tokens: Int32Array, from: number, least: number): number {
    const start = this.ids.length;
    for (let place = 0; place < Math.max(tokens.length, least); place++) {
      this.ids.push(tokens[place] ?? 0);
      this.positions.push(from + place);
    }
    return start;
  }
}

/** An answer's last token is only predicted, never read. */
const readOf = (answer: Int32Array): Int32Array => answer.subarray(0, Math.max(0, answer.length - 1));

/**
 * Rows that predict an answer: from the prompt's last token on. A first token without a prompt before it has nothing to
 * predict it and does not count, as in a shifted label mask.
 */
function rowsOf(answer: Int32Array, promptStart: number, promptLength: number, start: number): Row[] {
  return Array.from(answer, (target, place) => ({
    place: place === 0 ? promptStart + promptLength - 1 : start + place - 1,
    target,
  })).slice(promptLength > 0 ? 0 : 1);
}

/** Tokens of an answer that something before them predicts: all, or all but the first where there is no prompt. */
export function predictedTokens({ prompt }: Pick<PackablePair, 'prompt'>, answer: Int32Array): number {
  return prompt.length > 0 ? answer.length : Math.max(0, answer.length - 1);
}

export interface PackingOptions {
  /** Query heads per key head: the mask's rows are repeated so often. */
  readonly groups: number;
  /** Chunks that the graph computes log-probs in. */
  readonly chunks: number;
  /** Rows that a chunk is meant for: no more chunks are used than that takes, the others are empty. All are used if absent. */
  readonly rowsPerChunk?: number | undefined;
  /** As `areRounds` says of the graph's chunks: it takes any number of them. */
  readonly inRounds?: boolean | undefined;
}

export interface PairPackingOptions extends PackingOptions {
  /** How the graph's attention is cut. */
  readonly blocks: Pick<
    PairBlocks,
    'prefixBlocks' | 'promptBlocks' | 'answerBlocks' | 'prompts' | 'pairsPerPrompt' | 'isTogether'
  >;
  /** As `PackingRoom.prefix` (distribute.ts). */
  readonly prefix?: number | undefined;
}

/** How many tokens all prompts begin with; all of a single one. */
export function commonLength(prompts: readonly Int32Array[]): number {
  const [first = new Int32Array()] = prompts;
  let length = first.length;
  for (const prompt of prompts) {
    let same = 0;
    while (same < length && prompt[same] === first[same]) same += 1;
    length = same;
  }
  return length;
}

/** Whether two texts are the same tokens. */
export function isSame(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((token, place) => token === b[place]);
}

/** Packs a single pair. */
export function packPair(pair: PackablePair, options: PairPackingOptions): PackedBatch {
  return packPairs([[pair]], options);
}

/**
 * Packs pairs into one sequence: each prompt once, then the answers of its pairs, chosen and rejected by turns. Positions of an answer
 * follow on the prompt. What a row holds does not depend on what else is packed, to the last bit, as long as the
 * runtime multiplies more than one row: no block is empty or nothing, for the runtime leaves a product over no terms as
 * whatever its memory held.
 * @param prompts pairs that share a prompt; at most as many, with at most as many pairs, as the graph has room for
 */
export function packPairs(
  prompts: readonly (readonly PackablePair[])[],
  options: PairPackingOptions,
): PackedBatch {
  const { prefixBlocks, promptBlocks, answerBlocks = 1, prompts: room, pairsPerPrompt } = options.blocks;
  const { isTogether } = options.blocks;
  if (prompts.length > room || prompts.some((pairs) => pairs.length > pairsPerPrompt))
    throw new Error('more pairs than the graph has room for');
  const sequence = new Sequence();
  const masks = new BlockMasks(options);
  const rows = new PackedRows();
  const nothing = new Int32Array();
  const prefix = prefixBlocks === 0 ? 0 : (options.prefix ?? 0);
  const first = prompts[0]?.[0]?.prompt ?? nothing;
  if (prefix > 0) {
    sequence.add(first.subarray(0, prefix), 0, 0);
    masks.addPrefix(prefix);
  }
  for (let place = 0; place < room; place++) {
    const pairs = prompts[place] ?? [];
    const whole = pairs[0]?.prompt;
    if (whole && prefix > 0 && !isSame(whole.subarray(0, prefix), first.subarray(0, prefix)))
      throw new Error('a prompt does not begin as the others do');
    const prompt = whole?.subarray(prefix) ?? nothing;
    const promptStart = sequence.add(prompt, prefix, promptBlocks);
    if (!isTogether) masks.addPrompt(prompt.length, sequence.ids.length - promptStart);
    for (let own = 0; own < pairsPerPrompt; own++) {
      const pair = pairs[own];
      const starts: number[] = [];
      const answers = [pair?.chosen ?? nothing, pair?.rejected ?? nothing].map((answer) => {
        const start = sequence.add(readOf(answer), prefix + prompt.length, answerBlocks);
        starts.push(start - promptStart);
        if (!isTogether) masks.addAnswer(sequence.ids.length - start);
        return rowsOf(answer, promptStart, prompt.length, start);
      });
      if (isTogether) masks.addPair(prompt.length, starts, sequence.ids.length - promptStart);
      rows.add(answers as [Row[], Row[]], promptStart, pair !== undefined);
    }
  }
  const { ids, positions } = sequence;
  return {
    feeds: {
      token_ids: { data: int64(ids), shape: [ids.length] },
      positions: { data: int64(positions), shape: [1, ids.length] },
      ...masks.feeds(),
      ...rows.feeds(options),
    },
    pairs: rows.pairs,
    length: ids.length,
  };
}

/** The blocks that `pairAttention` looks at: their lengths, and the mask of each. */
class BlockMasks {
  readonly #options: PairPackingOptions;
  readonly #lengths: number[] = [];
  readonly #masks: Record<string, Feed> = {};
  #prefix = 0;
  #prompt = { tokens: 0, length: 0 };

  constructor(options: PairPackingOptions) {
    this.#options = options;
  }

  /** What all prompts begin with: at least a token for each of its blocks. */
  addPrefix(length: number): void {
    this.#prompt = { tokens: length, length };
    this.#addParts(length, this.#options.blocks.prefixBlocks, 0);
    this.#prefix = length;
  }

  /** @param length its tokens and what fills them up */
  addPrompt(tokens: number, length: number): void {
    this.#prompt = { tokens, length };
    this.#addParts(length, this.#options.blocks.promptBlocks, 0);
  }

  /** @param length its tokens and what fills them up */
  addAnswer(length: number): void {
    this.#addParts(length, this.#options.blocks.answerBlocks ?? 1, this.#prompt.length);
  }

  /** @param before keys before the first part, as `#add` */
  #addParts(length: number, parts: number, before: number): void {
    for (let part = 0; part < parts; part++) {
      const [from, to] = [part, part + 1].map((place) => Math.floor((place * length) / parts));
      this.#add(to! - from!, before + from!);
    }
  }

  /**
   * A prompt and its answers in one block.
   * @param tokens of the prompt
   * @param starts where the answers start, counted from the prompt's start
   * @param rows of all of them
   */
  addPair(tokens: number, starts: readonly number[], rows: number): void {
    const { groups } = this.#options;
    const keys = this.#prefix + rows;
    const mask = new Float32Array(groups * rows * keys);
    for (let row = 0; row < rows; row++) {
      const own = row * keys + this.#prefix;
      const start = starts.findLast((each) => each <= row) ?? 0;
      // An answer sees the prompt, but neither what fills it up nor the answer before it.
      if (start > 0) mask.fill(-Infinity, own + tokens, own + start);
      mask.fill(-Infinity, own + row + 1, own + rows);
    }
    this.#store(mask, rows, keys);
  }

  /** @param before keys before the block's own, as they follow from the prompt's start */
  #add(rows: number, before: number): void {
    const { groups } = this.#options;
    const keys = this.#prefix + before + rows;
    const mask = new Float32Array(groups * rows * keys);
    const filled = Math.min(before, this.#prompt.length);
    for (let row = 0; row < rows; row++) {
      const start = row * keys + this.#prefix;
      // It sees what is before it; of the prompt, what is of the text; and itself, or its softmax would be over nothing.
      mask.fill(-Infinity, start + before + row + 1, (row + 1) * keys);
      if (this.#prompt.tokens < filled) mask.fill(-Infinity, start + this.#prompt.tokens, start + filled);
    }
    this.#store(mask, rows, keys);
  }

  /** @param mask its first rows are filled; each goes for every group */
  #store(mask: Float32Array, rows: number, keys: number): void {
    const { groups } = this.#options;
    // From the last one on: each is spread over where none lies that has still to be.
    for (let row = rows - 1; row >= 0; row--)
      for (let group = 0; group < groups; group++)
        mask.copyWithin((row * groups + group) * keys, row * keys, (row + 1) * keys);
    this.#masks[`mask_${this.#lengths.length}`] = { data: mask, shape: [mask.length / keys, keys] };
    this.#lengths.push(rows);
  }

  feeds(): Record<string, Feed> {
    return { ...this.#masks, block_lengths: { data: int64(this.#lengths), shape: [this.#lengths.length] } };
  }
}

/**
 * Rows of log-probs, pair by pair, chosen then rejected; where an answer has none, one that does not count. Room that no pair takes
 * has an answer of one token on either side, for losses that divide by the tokens: what is made of it has no weight.
 */
class PackedRows {
  readonly pairs: PackedPair[] = [];
  readonly #rows: Row[] = [];
  readonly #weights: number[] = [];
  readonly #counts: number[] = [];
  readonly #tokens: [chosen: number[], rejected: number[]] = [[], []];
  #slots = 0;

  /** @param filler a place that is there */
  add(answers: readonly [Row[], Row[]], filler: number, isPair: boolean): void {
    const starts = answers.map((own, answer) => {
      const start = this.#rows.length;
      const filled = own.length > 0 ? own : [{ place: filler, target: 0 }];
      this.#rows.push(...filled);
      for (let row = 0; row < filled.length; row++) this.#weights.push(isPair && own.length === 0 ? 0 : 1);
      this.#counts.push(filled.length);
      this.#tokens[answer]!.push(isPair ? own.length : 1);
      return start;
    });
    const [chosen, rejected] = answers;
    if (isPair)
      this.pairs.push({
        slot: this.#slots,
        firstRow: starts[0]!,
        firstRejectedRow: starts[1]!,
        chosenRows: chosen.length,
        rejectedRows: rejected.length,
      });
    this.#slots += 1;
  }

  feeds({ chunks, rowsPerChunk = 1, inRounds = false }: PackingOptions): Record<string, Feed> {
    const float = (values: readonly number[]): Feed => ({
      data: Float32Array.from(values),
      shape: [values.length],
    });
    const feeds: Record<string, Feed> = {
      chosen_tokens: float(this.#tokens[0]),
      rejected_tokens: float(this.#tokens[1]),
      answer_rows: { data: int64(this.#counts), shape: [this.#counts.length] },
      row_weights: float(this.#weights),
      rows: { data: int64(this.#rows.map(({ place }) => place)), shape: [this.#rows.length] },
    };
    const targets = (own: readonly Row[]): Feed => ({
      data: int64(own.map(({ target }) => target)),
      shape: [own.length],
    });
    // Each chunk reads the whole head: a few full ones read it less often.
    const filled = Math.ceil(this.#rows.length / rowsPerChunk);
    const used = inRounds ? filled : Math.min(chunks, filled);
    const bounds = Array.from({ length: (inRounds ? used : chunks) + 1 }, (_, place) =>
      Math.floor((Math.min(place, used) * this.#rows.length) / used),
    );
    if (inRounds) {
      feeds['chunk_count'] = { data: int64([used]), shape: [] };
      feeds['chunk_starts'] = { data: int64(bounds.slice(0, -1)), shape: [used] };
      feeds['chunk_ends'] = { data: int64(bounds.slice(1)), shape: [used] };
      feeds['targets_0'] = targets(this.#rows);
      return feeds;
    }
    const sizes: number[] = [];
    for (let chunk = 0; chunk < chunks; chunk++) {
      const own = this.#rows.slice(bounds[chunk], bounds[chunk + 1]);
      feeds[`targets_${chunk}`] = targets(own);
      sizes.push(own.length);
    }
    feeds['chunk_rows'] = { data: int64(sizes), shape: [chunks] };
    return feeds;
  }
}

/**
 * Packs sequences of prompt and chosen side by side, padded on the right to the longest: causal attention never looks
 * at the padding. For supervised fine-tuning, where no reference asks for equal bits.
 */
export function packBatch(pairs: readonly PackablePair[], options: PackingOptions): PackedBatch {
  const batch = pairs.length;
  const length = Math.max(...pairs.map(({ prompt, chosen }) => prompt.length + readOf(chosen).length));
  const mask = new Float32Array(options.groups * length * length).fill(-Infinity);
  for (let query = 0; query < length; query++) mask.fill(0, query * length, query * length + query + 1);
  repeatFirstBlock(mask, length * length);
  const sequence = new Sequence();
  const rows = new PackedRows();
  for (const { prompt, chosen } of pairs) {
    const promptStart = sequence.add(prompt, 0, 0);
    const start = sequence.add(readOf(chosen), prompt.length, length - prompt.length);
    rows.add([rowsOf(chosen, promptStart, prompt.length, start), []], promptStart, true);
  }
  return {
    feeds: {
      token_ids: { data: int64(sequence.ids), shape: [batch * length] },
      positions: { data: int64(sequence.positions), shape: [batch, length] },
      mask: { data: mask, shape: [options.groups * length, length] },
      ...rows.feeds(options),
    },
    pairs: rows.pairs,
    length,
  };
}

function repeatFirstBlock(mask: Float32Array, size: number): void {
  if (size === 0) return;
  for (let start = size; start < mask.length; start += size) mask.copyWithin(start, 0, size);
}
