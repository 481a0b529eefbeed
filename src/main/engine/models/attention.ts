import {
  add,
  blockAttention,
  concat,
  either,
  gather,
  joinBlocks,
  matmul,
  mul,
  reduceSum,
  reshape,
  reshapeRows,
  softmax,
  split,
  splitBlocks,
  transpose,
  type AttentionAttributes,
  type BlockAttributes,
} from '../graph/ops/index.ts';
import { timesDim } from '../graph/shape.ts';
import { constant, input, scalar, type Dim, type Value } from '../graph/types.ts';
import type { DecoderConfig } from './config.ts';
import type { Attention } from './family.ts';

/**
 * Query, key or value heads as attention wants them: [batch·length, heads·D] → [batch·keyValueHeads, groups·length, D].
 * Query heads that share a key head are stacked along the length, so keys and values are never repeated.
 */
function stackHeads(config: DecoderConfig, batch: number, length: Dim, value: Value): Value {
  const { keyValueHeads, headSize } = config;
  const heads = (value.shape[1] as number) / headSize;
  const split = transpose(reshape(value, [batch, length, heads, headSize]), [0, 2, 1, 3]);
  return reshape(split, [batch * keyValueHeads, timesDim(length, heads / keyValueHeads), headSize]);
}

/**
 * Scaled dot-product attention; each mask is added to the scores [batch·keyValueHeads, groups·length, K] in turn.
 * @param queries [batch·keyValueHeads, groups·length, D]
 * @param keys, values [batch·keyValueHeads, K, D]
 * @returns [batch·length, heads·D]
 */
function mix(
  { heads, headSize }: DecoderConfig,
  batch: number,
  length: Dim,
  [queries, keys, values]: readonly [Value, Value, Value],
  masks: readonly Value[],
): Value {
  const scores = matmul(queries, keys, { transposeB: true, alpha: 1 / Math.sqrt(headSize) });
  const mixed = matmul(softmax(masks.reduce(add, scores)), values); // [batch·KV, groups·T, D]
  const split = reshape(mixed, [batch, heads, length, headSize]);
  return reshape(transpose(split, [0, 2, 1, 3]), [timesDim(length, batch), heads * headSize]);
}

/**
 * Attention of whole sequences under one additive mask [groups·length, length]: 0 where a query sees a key, −∞ where
 * not, its rows repeated once per group of query heads.
 */
export function packedAttention(config: DecoderConfig, batch: number, length: Dim, mask: Value): Attention {
  return {
    attend(_layer, query, key, value) {
      const queries = stackHeads(config, batch, length, query);
      const keys = stackHeads(config, batch, length, key);
      const values = stackHeads(config, batch, length, value);
      return mix(config, batch, length, [queries, keys, values], [mask]);
    },
  };
}

/**
 * How a sequence of pairs falls into blocks: what all prompts begin with, in none, one or more; then each prompt, or what it
 * goes on with, in one or more, and chosen and rejected of each of its pairs, in one or more as well.
 */
export interface PairBlocks {
  /** Of what all prompts begin with; 0 if that is nothing. */
  readonly prefixBlocks: number;
  /** Prompts side by side that a graph has room for. */
  readonly prompts: number;
  /** Pairs of each. */
  readonly pairsPerPrompt: number;
  /** Of a prompt: what a row may not see lies mostly in blocks that it need not even look at. */
  readonly promptBlocks: number;
  /** Of each answer, for the same reason; 1 if absent. */
  readonly answerBlocks?: number | undefined;
  /** Whether a layer's probabilities are kept for the backward pass; otherwise they are made again. */
  readonly keepProbabilities: boolean;
  /**
   * Key heads whose products are one operation: all of them, as many as so many threads share evenly, or each for itself. An operation deals
   * its products out to the threads whole: of three heads two threads have one in turns, and three quarters of the time.
   */
  readonly headGroups: 'all' | 'apart' | { readonly evenFor: number };
  /**
   * Whether a prompt and the answers of its only pair are one block, under a mask that keeps the answers apart. Behind a long beginning that all of
   * them see, this costs little, and its keys and values are joined to theirs once instead of three times.
   */
  readonly isTogether?: boolean;
}

interface Block {
  readonly symbol: string;
  /** Places of the blocks whose keys its rows see, the last being its own. */
  readonly sees: readonly number[];
}

function blocksOf(options: PairBlocks): readonly Block[] {
  const { prefixBlocks, prompts, pairsPerPrompt, promptBlocks, answerBlocks = 1, isTogether } = options;
  if (isTogether && pairsPerPrompt > 1) throw new Error('in one block is only one pair of a prompt');
  const blocks: Block[] = [];
  /** @returns the places of `before` and, behind them, the new block's */
  const add = (symbol: string, before: readonly number[]): readonly number[] => {
    const sees = [...before, blocks.length];
    blocks.push({ symbol, sees });
    return sees;
  };
  let prefix: readonly number[] = [];
  for (let part = 0; part < prefixBlocks; part++) prefix = add(`S${part}`, prefix);
  for (let prompt = 0; prompt < prompts; prompt++) {
    let before = prefix;
    if (isTogether) {
      add(`Q${prompt}`, before);
      continue;
    }
    for (let part = 0; part < promptBlocks; part++) before = add(`P${prompt}_${part}`, before);
    for (let pair = 0; pair < pairsPerPrompt; pair++)
      for (const answer of ['C', 'R']) {
        const symbol = `${answer}${prompt}_${pair}`;
        let own = before;
        for (let part = 0; part < answerBlocks; part++)
          own = add(answerBlocks === 1 ? symbol : `${symbol}_${part}`, own);
      }
  }
  return blocks;
}

/** @returns sizes of the groups, in the order of the heads */
export function headGroupsOf(heads: number, groups: PairBlocks['headGroups']): readonly number[] {
  if (groups === 'all') return [heads];
  if (groups === 'apart') return new Array<number>(heads).fill(1);
  const threads = groups.evenFor;
  const rest = heads % threads;
  if (rest === 0 || threads % heads === 0) return [heads];
  return heads > threads ? [heads - rest, ...headGroupsOf(rest, groups)] : headGroupsOf(heads, 'apart');
}

/**
 * Cuts keys or values of a sequence into what each block sees of them. What all prompts begin with is one piece for all behind it: joined of its
 * blocks for each of them, it would be cut and added up block by block in the backward pass.
 */
interface Seen {
  /** Of each block, the length of what it sees, as a dimension. */
  readonly lengths: readonly string[];
  /** @param rows keys or values [keyHeads, T, D]. @returns what each block sees */
  of(rows: Value): readonly Value[];
}

/** @param lengths of the blocks, int64 [blocks] */
function seenByBlocks(blocks: readonly Block[], prefixBlocks: number, lengths: Value): Seen {
  const symbols = blocks.map(({ symbol }) => symbol);
  const prefix = symbols.slice(0, prefixBlocks);
  const lengthsOf = (places: readonly number[]): Value =>
    gather(lengths, constant(places, [places.length], 'int64'));
  const isPiece = prefix.length > 1;
  const prefixLengths = lengthsOf([...prefix.keys()]);
  /** Of blocks from the first on: what they are cut into or joined of. */
  const piecesOf = (
    places: readonly number[],
  ): { readonly dims: readonly string[]; readonly sizes: Value } => {
    if (!isPiece || places.length < prefix.length)
      return { dims: places.map((place) => symbols[place]!), sizes: lengthsOf(places) };
    const behind = places.slice(prefix.length);
    const whole = reduceSum(prefixLengths, [0]);
    return {
      dims: [prefix.join('+'), ...behind.map((place) => symbols[place]!)],
      sizes: behind.length === 0 ? whole : concat([whole, lengthsOf(behind)], 0),
    };
  };
  const seen = blocks.map(({ sees }) => ({
    sees,
    ...piecesOf(sees),
    whole: sees.map((block) => symbols[block]!).join('+'),
  }));
  const all = piecesOf([...symbols.keys()]);
  return {
    lengths: seen.map(({ whole }) => whole),
    of(rows) {
      const pieces = splitBlocks(rows, all.sizes, { axis: 1, lengths: all.dims, whole: 'T' });
      const parts = isPiece
        ? splitBlocks(pieces[0]!, prefixLengths, { axis: 1, lengths: prefix, whole: all.dims[0]! })
        : [];
      const byBlock = [...parts, ...pieces.slice(isPiece ? 1 : 0)];
      return seen.map(({ sees, dims, sizes, whole }) => {
        const seesPiece = dims.length < sees.length;
        const behind = sees.slice(seesPiece ? prefix.length : 0).map((block) => byBlock[block]!);
        const several = seesPiece ? [pieces[0]!, ...behind] : behind;
        return several.length === 1
          ? several[0]!
          : joinBlocks(several, sizes, { axis: 1, lengths: dims, whole });
      });
    },
  };
}

/**
 * Attention of a sequence of T tokens, for every prompt: prompt, chosen, rejected, chosen, … A row of a prompt sees its blocks up to
 * its own, and what all prompts begin with; answers see their prompt and themselves, never each other. So no more is multiplied than is needed, but for
 * the upper halves of the diagonal blocks. Inputs of the graph: `block_lengths` int64 [blocks], and for every block `mask_0`, …
 * [rows·groups, keys], each row of it as often as there are query heads to a key head.
 */
export function pairAttention(config: DecoderConfig, options: PairBlocks): Attention {
  const { heads, keyValueHeads, headSize } = config;
  const groups = heads / keyValueHeads;
  const blocks = blocksOf(options);
  const symbols = blocks.map(({ symbol }) => symbol);
  const lengths = input('block_lengths', 'int64', [symbols.length]);
  const seen = seenByBlocks(blocks, options.prefixBlocks, lengths);
  const masks = seen.lengths.map((whole, place) =>
    input(`mask_${place}`, 'float32', [timesDim(symbols[place]!, groups), whole]),
  );
  // Query heads of one key head lie beside each other in every row, so that a block's queries are rows in one piece.
  const rowsAlong: BlockAttributes = {
    axis: 1,
    lengths: symbols.map((symbol) => timesDim(symbol, groups)),
    whole: timesDim('T', groups),
  };
  const rowLengths = reduceSum(
    concat(new Array<Value>(groups).fill(reshape(lengths, [1, symbols.length])), 0),
    [0],
    false,
  );
  const blockAttributes: AttentionAttributes = {
    scale: 1 / Math.sqrt(headSize),
    keep: options.keepProbabilities,
  };
  /** @param own queries [keyHeads, T, groups·D], keys and values [keyHeads, T, D] of one group of key heads; returned as queries */
  const attendGroup = (keyHeads: number, own: readonly [Value, Value, Value]): Value => {
    const rows = reshape(own[0], [keyHeads, timesDim('T', groups), headSize]);
    const queries = splitBlocks(rows, rowLengths, rowsAlong);
    const [keys, values] = [seen.of(own[1]), seen.of(own[2])];
    const mixed = queries.map((each, place) =>
      blockAttention([each, keys[place]!, values[place]!, masks[place]!], blockAttributes),
    );
    return reshape(joinBlocks(mixed, rowLengths, rowsAlong), [keyHeads, 'T', groups * headSize]);
  };
  const headGroups = headGroupsOf(keyValueHeads, options.headGroups);
  const byGroup = (rows: Value): readonly Value[] => {
    const width = (rows.shape[1] as number) / keyValueHeads;
    const byHead = transpose(reshape(rows, ['T', keyValueHeads, width]), [1, 0, 2]); // [keyValueHeads, T, width]
    return headGroups.length === 1 ? [byHead] : split(byHead, headGroups);
  };
  return {
    attend(_layer, query, key, value) {
      const [queries, keys, values] = [query, key, value].map(byGroup) as [Value[], Value[], Value[]];
      const mixed = headGroups.map((keyHeads, group) =>
        attendGroup(keyHeads, [queries[group]!, keys[group]!, values[group]!]),
      );
      const joined = mixed.length === 1 ? mixed[0]! : concat(mixed, 0);
      return reshape(transpose(joined, [1, 0, 2]), ['T', heads * headSize]);
    },
  };
}

export interface CachedAttention extends Attention {
  /** Keys and values of the new tokens of every layer, [new tokens, keyValueHeads·D], by output name. */
  readonly fresh: Readonly<Record<string, Value>>;
}

/**
 * Rows of a pass over a cache. `whole`: all of them are new tokens of one sequence. `places`: first comes one new token of each
 * sequence at a place, then new tokens of one sequence more.
 */
export type CachedRows = 'whole' | 'places';

/** Names of one layer's keys or of its values: what is fed, and what the pass gives out to be written behind it. */
export interface CacheNames {
  /** [places·keyValueHeads, 1, P, D] */
  readonly places: string;
  /** [keyValueHeads, Q, D], of the sequence that has several new tokens. */
  readonly past: string;
  readonly fresh: string;
}

export function cacheNames(layer: number): readonly CacheNames[] {
  return ['key', 'value'].map((name) => ({
    places: `places_${name}_${layer}`,
    past: `past_${name}_${layer}`,
    fresh: `fresh_${name}_${layer}`,
  }));
}

/**
 * Attention of new tokens to themselves and to a cache of earlier keys and values (`CacheNames`), which is fed and not given
 * out. What is cached is multiplied where it lies: new keys and values are never joined to it, only their scores are. Each
 * sequence fills its own slots from the first on, and what follows is masked, so that its sums do not depend on how many slots
 * there are, nor on its neighbours.
 *
 * Inputs of the graph: `causal` [groups·T, T + Q] (additive, over the T new tokens of one sequence and its slots), int64
 * `causal_lengths` [T, Q]; with places also `seen` [places·keyValueHeads, 1, 1, 1 + P] (additive, over the new token and the slots),
 * int64 `seen_lengths` [1, P], `row_lengths` [S, T], and bool `has_sequence` []: whether T is not 0. P and Q are never 0; S or T
 * may be.
 */
export function cachedAttention(config: DecoderConfig, rows: CachedRows): CachedAttention {
  const { heads, keyValueHeads, headSize } = config;
  const groups = heads / keyValueHeads;
  const fresh: Record<string, Value> = {};
  const several: CachedPart = {
    mask: input('causal', 'float32', [timesDim('T', groups), 'T+Q']),
    lengths: input('causal_lengths', 'int64', [2]),
    along: { axis: 2, lengths: ['T', 'Q'], whole: 'T+Q' },
    scale: 1 / Math.sqrt(headSize),
  };
  const single: CachedPart = {
    mask: input('seen', 'float32', [timesDim('S', keyValueHeads), 1, 1, '1+P']),
    lengths: input('seen_lengths', 'int64', [2]),
    along: { axis: 3, lengths: [1, 'P'], whole: '1+P' },
    scale: 1,
  };
  const rowLengths = input('row_lengths', 'int64', [2]);
  const byRows = { axis: 0, lengths: ['S', 'T'], whole: 'N' };
  const hasSequence = input('has_sequence', 'bool', []);
  return {
    fresh,
    attend(layer, query, key, value) {
      const [keyNames, valueNames] = cacheNames(layer) as [CacheNames, CacheNames];
      fresh[keyNames.fresh] = key;
      fresh[valueNames.fresh] = value;
      const ofSequence = (length: Dim, own: readonly [Value, Value, Value]): Value => {
        const [queries, keys, values] = own.map((each) => stackHeads(config, 1, length, each));
        const past = (name: string): Value => input(name, 'float32', [keyValueHeads, 'Q', headSize]);
        const cache = [past(keyNames.past), past(valueNames.past)] as const;
        const mixed = mixCached(several, queries!, [keys!, values!], cache); // [KV, groups·T, D]
        const split = transpose(reshape(mixed, [heads, length, headSize]), [1, 0, 2]);
        return reshape(split, [length, heads * headSize]);
      };
      if (rows === 'whole') return ofSequence('T', [query, key, value]);
      const past = (name: string): Value =>
        input(name, 'float32', [timesDim('S', keyValueHeads), 1, 'P', headSize]);
      const cache = [past(keyNames.places), past(valueNames.places)] as const;
      /** @param own queries, keys and values of S rows, whatever their length is called */
      const ofPlaces = (own: readonly Value[]): Value => {
        // The runtime has a much faster product for a single row, but only unscaled: each query head has products of its own.
        const [queries, keys, values] = own.map((each) =>
          reshapeRows(each, [
            timesDim('S', keyValueHeads),
            (each.shape[1] as number) / headSize / keyValueHeads,
            1,
            headSize,
          ]),
        );
        const scaled = mul(queries!, scalar(1 / Math.sqrt(headSize)));
        const mixed = mixCached(single, scaled, [keys!, values!], cache); // [S·KV, groups, 1, D]
        return reshape(mixed, ['S', heads * headSize]);
      };
      // Most passes read no prompt: they do without all that is for its sequence, and without cutting and joining.
      const cut = [query, key, value].map((each) => splitBlocks(each, rowLengths, byRows));
      const others = ofSequence('T', cut.map(([, each]) => each!) as [Value, Value, Value]);
      const both = joinBlocks([ofPlaces(cut.map(([each]) => each!)), others], rowLengths, byRows);
      return either(hasSequence, both, ofPlaces([query, key, value]));
    },
  };
}

interface CachedPart {
  readonly mask: Value;
  readonly lengths: Value;
  /** Scores over new tokens, then over slots. */
  readonly along: BlockAttributes;
  /** Of the scores, where the queries do not bring it along. */
  readonly scale: number;
}

/**
 * @param queries [heads …, rows, D]
 * @param added keys and values of the new tokens, [heads …, new tokens, D]
 * @param cached keys and values [heads …, slots, D]
 */
function mixCached(
  { mask, lengths, along, scale }: CachedPart,
  queries: Value,
  added: readonly [Value, Value],
  cached: readonly [Value, Value],
): Value {
  // Over a single new token each product is one multiplication, or a sum of a row of them.
  const isOne = along.lengths[0] === 1;
  const over = (keys: Value): Value => matmul(queries, keys, { transposeB: true, alpha: scale });
  const scores = [isOne ? reduceSum(mul(queries, added[0]), [-1]) : over(added[0]), over(cached[0])];
  const probabilities = softmax(add(joinBlocks(scores, lengths, along), mask));
  const [own, earlier] = splitBlocks(probabilities, lengths, along);
  const mixed = isOne ? mul(own!, added[1]) : matmul(own!, added[1]);
  return add(mixed, matmul(earlier!, cached[1]));
}
