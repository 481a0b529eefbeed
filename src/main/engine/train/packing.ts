import { int64, type Feed } from '../session/session.ts';

/** Token ids of one pair, cut as the tokenizer's rules say. `rejected` is empty for supervised fine-tuning. */
export interface PackablePair {
  readonly prompt: Int32Array;
  readonly chosen: Int32Array;
  readonly rejected: Int32Array;
}

/** How one sequence was packed: what its rows mean. */
export interface PackedSequence {
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
  /** First index of the rejected answer's own tokens. */
  readonly rejectedStart: number;
  readonly promptLength: number;
  readonly chosenRows: readonly Row[];
  readonly rejectedRows: readonly Row[];
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
 */
function layOut(pair: PackablePair): Layout {
  const prompt = Array.from(pair.prompt);
  const chosenInputs = Array.from(pair.chosen.subarray(0, Math.max(0, pair.chosen.length - 1)));
  const rejectedInputs = Array.from(pair.rejected.subarray(0, Math.max(0, pair.rejected.length - 1)));
  const rejectedStart = prompt.length + chosenInputs.length;
  const rows = (answer: Int32Array, start: number): Row[] =>
    Array.from(answer, (target, place) => ({
      place: place === 0 ? prompt.length - 1 : start + place - 1,
      target,
    })).filter(({ place }) => place >= 0);
  return {
    ids: [...prompt, ...chosenInputs, ...rejectedInputs],
    positions: [
      ...prompt.map((_, place) => place),
      ...chosenInputs.map((_, place) => prompt.length + place),
      ...rejectedInputs.map((_, place) => prompt.length + place),
    ],
    rejectedStart,
    promptLength: prompt.length,
    chosenRows: rows(pair.chosen, prompt.length),
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

/** Packs a single pair; its numbers never depend on other pairs, and nothing is padded. */
export function packPair(pair: PackablePair, options: PackingOptions): PackedBatch {
  const layout = layOut(pair);
  const length = layout.ids.length;
  const mask = new Float32Array(options.groups * length * length).fill(-Infinity);
  for (let query = 0; query < length; query++) {
    const row = query * length;
    const start = query >= layout.rejectedStart ? layout.rejectedStart : 0;
    if (start > 0) mask.fill(0, row, row + layout.promptLength);
    mask.fill(0, row + start, row + query + 1);
  }
  repeatFirstBlock(mask, length * length);
  return assemble([layout], length, mask, options);
}

/**
 * Packs sequences of prompt and chosen side by side, padded on the right to the longest: causal attention never looks
 * at the padding. For supervised fine-tuning, where no reference asks for equal bits.
 */
export function packBatch(pairs: readonly PackablePair[], options: PackingOptions): PackedBatch {
  const layouts = pairs.map((pair) => layOut({ ...pair, rejected: new Int32Array() }));
  const length = Math.max(...layouts.map(({ ids }) => ids.length));
  const mask = new Float32Array(options.groups * length * length).fill(-Infinity);
  for (let query = 0; query < length; query++) mask.fill(0, query * length, query * length + query + 1);
  repeatFirstBlock(mask, length * length);
  return assemble(layouts, length, mask, options);
}

function repeatFirstBlock(mask: Float32Array, size: number): void {
  for (let start = size; start < mask.length; start += size) mask.copyWithin(start, 0, size);
}

function assemble(
  layouts: readonly Layout[],
  length: number,
  mask: Float32Array,
  { groups, chunks }: PackingOptions,
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
    mask: { data: mask, shape: [groups * length, length] },
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
