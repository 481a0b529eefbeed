import { int64, type Feed } from '../session/session.ts';

/** Token ids of one pair, cut as the tokenizer's rules say. `rejected` is empty for supervised fine-tuning. */
export interface PackablePair {
  readonly prompt: Int32Array;
  readonly chosen: Int32Array;
  readonly rejected: Int32Array;
}

/** How one sequence was packed: what its rows mean. */
export interface PackedSequence {
  /** Places that it takes. */
  readonly length: number;
  /** Rows of log-probs for chosen, then for rejected. */
  readonly chosenRows: number;
  readonly rejectedRows: number;
}

export interface PackedBatch {
  readonly feeds: Readonly<Record<string, Feed>>;
  readonly sequences: readonly PackedSequence[];
  /** How many rows each chunk holds; together they list every sequence's chosen then rejected rows. */
  readonly chunkRows: readonly number[];
}

interface Layout {
  readonly ids: number[];
  readonly positions: number[];
  /** Places taken by prompt, chosen and rejected, in this order, with what fills them up. */
  readonly spans: readonly Span[];
  readonly chosenRows: readonly Row[];
  readonly rejectedRows: readonly Row[];
}

interface Span {
  readonly start: number;
  readonly length: number;
  /** How many of them, from the first, are tokens of the text. */
  readonly tokens: number;
}

/** A place in the sequence whose hidden state predicts a target token. */
interface Row {
  readonly place: number;
  readonly target: number;
}

/**
 * One sequence for a pair: prompt, chosen, rejected. The rejected answer's positions restart after the prompt. An
 * answer's last token is only predicted, never read, so it is left out. A first token without a prompt before it has
 * nothing to predict it and does not count, as in a shifted label mask.
 * @param least places that prompt and answers take at least: shorter ones are filled up with what nobody looks at
 */
function layOut(pair: PackablePair, least: { readonly prompt: number; readonly answer: number }): Layout {
  const ids: number[] = [];
  const positions: number[] = [];
  const spans: Span[] = [];
  const add = (tokens: Int32Array, from: number, atLeast: number): number => {
    const length = Math.max(tokens.length, atLeast);
    spans.push({ start: ids.length, length, tokens: tokens.length });
    for (let place = 0; place < length; place++) {
      positions.push(from + place);
      ids.push(tokens[place] ?? 0);
    }
    return ids.length - length;
  };
  const read = (answer: Int32Array): Int32Array => answer.subarray(0, Math.max(0, answer.length - 1));
  const promptLength = pair.prompt.length;
  add(pair.prompt, 0, least.prompt);
  const chosenStart = add(read(pair.chosen), promptLength, least.answer);
  const rejectedStart = add(read(pair.rejected), promptLength, least.answer);
  const rows = (answer: Int32Array, start: number): Row[] =>
    Array.from(answer, (target, place) => ({
      place: place === 0 ? promptLength - 1 : start + place - 1,
      target,
    })).filter(({ place }) => place >= 0);
  return {
    ids,
    positions,
    spans,
    chosenRows: rows(pair.chosen, chosenStart),
    rejectedRows: rows(pair.rejected, rejectedStart),
  };
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
}

export interface PairPackingOptions extends PackingOptions {
  /** Blocks that the graph's attention cuts the prompt into. */
  readonly promptBlocks: number;
}

/** Packs a single pair; its numbers never depend on other pairs. */
export function packPair(pair: PackablePair, options: PairPackingOptions): PackedBatch {
  // No block may be empty: the runtime leaves a product over no terms as whatever its memory held.
  const layout = layOut(pair, { prompt: options.promptBlocks, answer: 1 });
  return assemble([layout], layout.ids.length, blockFeeds(layout, options), options);
}

/** Lengths of the blocks that `pairAttention` looks at, and the mask of each. */
function blockFeeds({ spans }: Layout, { groups, promptBlocks }: PairPackingOptions): Record<string, Feed> {
  const [prompt, ...answers] = spans as [Span, Span, Span];
  const lengths: number[] = [];
  const feeds: Record<string, Feed> = {};
  /** @param before keys before the block's own, as they follow from the sequence's start */
  const addBlock = (rows: number, before: number): void => {
    const keys = before + rows;
    const mask = new Float32Array(groups * rows * keys);
    for (let row = 0; row < rows; row++) {
      const start = row * keys;
      // It sees what is before it; of the prompt, what is of the text; and itself, or its softmax would be over nothing.
      mask.fill(-Infinity, start + before + row + 1, start + keys);
      const filled = Math.min(before, prompt.length);
      if (prompt.tokens < filled) mask.fill(-Infinity, start + prompt.tokens, start + filled);
    }
    repeatFirstBlock(mask, rows * keys);
    feeds[`mask_${lengths.length}`] = { data: mask, shape: [groups * rows, keys] };
    lengths.push(rows);
  };
  for (let block = 0; block < promptBlocks; block++) {
    const [from, to] = [block, block + 1].map((place) => Math.floor((place * prompt.length) / promptBlocks));
    addBlock(to! - from!, from!);
  }
  for (const { length } of answers) addBlock(length, prompt.length);
  feeds['block_lengths'] = { data: int64(lengths), shape: [lengths.length] };
  return feeds;
}

/**
 * Packs sequences of prompt and chosen side by side, padded on the right to the longest: causal attention never looks
 * at the padding. For supervised fine-tuning, where no reference asks for equal bits.
 */
export function packBatch(pairs: readonly PackablePair[], options: PackingOptions): PackedBatch {
  const layouts = pairs.map((pair) =>
    layOut({ ...pair, rejected: new Int32Array() }, { prompt: 0, answer: 0 }),
  );
  const length = Math.max(...layouts.map(({ ids }) => ids.length));
  const mask = new Float32Array(options.groups * length * length).fill(-Infinity);
  for (let query = 0; query < length; query++) mask.fill(0, query * length, query * length + query + 1);
  repeatFirstBlock(mask, length * length);
  const feeds = { mask: { data: mask, shape: [options.groups * length, length] } };
  return assemble(layouts, length, feeds, options);
}

function repeatFirstBlock(mask: Float32Array, size: number): void {
  if (size === 0) return;
  for (let start = size; start < mask.length; start += size) mask.copyWithin(start, 0, size);
}

function assemble(
  layouts: readonly Layout[],
  length: number,
  masks: Readonly<Record<string, Feed>>,
  { chunks }: PackingOptions,
): PackedBatch {
  const batch = layouts.length;
  const ids = new BigInt64Array(batch * length);
  const positions = new BigInt64Array(batch * length);
  const rows: { place: number; target: number; sequence: number; chosen: boolean }[] = [];
  layouts.forEach((layout, sequence) => {
    layout.ids.forEach((id, place) => (ids[sequence * length + place] = BigInt(id)));
    layout.positions.forEach((position, place) => (positions[sequence * length + place] = BigInt(position)));
    const addRows = (list: readonly Row[], chosen: boolean): void =>
      list.forEach(({ place, target }) =>
        rows.push({ place: sequence * length + place, target, sequence, chosen }),
      );
    addRows(layout.chosenRows, true);
    addRows(layout.rejectedRows, false);
  });
  const feeds: Record<string, Feed> = {
    token_ids: { data: ids, shape: [batch * length] },
    positions: { data: positions, shape: [batch, length] },
    ...masks,
    chosen_tokens: { data: Float32Array.from(layouts, (layout) => layout.chosenRows.length), shape: [batch] },
    rejected_tokens: {
      data: Float32Array.from(layouts, (layout) => layout.rejectedRows.length),
      shape: [batch],
    },
  };
  const chunkRows: number[] = [];
  for (let chunk = 0; chunk < chunks; chunk++) {
    const from = Math.floor((chunk * rows.length) / chunks);
    const to = Math.floor(((chunk + 1) * rows.length) / chunks);
    const own = rows.slice(from, to);
    const segment = (chosen: boolean): Feed => {
      const data = new Float32Array(batch * own.length);
      own.forEach((row, place) => {
        if (row.chosen === chosen) data[row.sequence * own.length + place] = 1;
      });
      return { data, shape: [batch, own.length] };
    };
    feeds[`rows_${chunk}`] = { data: int64(own.map(({ place }) => place)), shape: [own.length] };
    feeds[`targets_${chunk}`] = { data: int64(own.map(({ target }) => target)), shape: [own.length] };
    feeds[`chosen_segment_${chunk}`] = segment(true);
    feeds[`rejected_segment_${chunk}`] = segment(false);
    chunkRows.push(own.length);
  }
  return {
    feeds,
    sequences: layouts.map((layout) => ({
      length: layout.ids.length,
      chosenRows: layout.chosenRows.length,
      rejectedRows: layout.rejectedRows.length,
    })),
    chunkRows,
  };
}
