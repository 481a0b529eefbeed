import { add, concat, matmul, reshape, softmax, transpose } from '../graph/ops/index.ts';
import { timesDim } from '../graph/shape.ts';
import { input, type Dim, type Value } from '../graph/types.ts';
import type { DecoderConfig } from './config.ts';
import type { Attention } from './family.ts';

/** [batch·length, heads·D] → [batch, heads, length, D] */
function splitHeads(value: Value, batch: number, length: Dim, headSize: number): Value {
  const heads = (value.shape[1] as number) / headSize;
  return transpose(reshape(value, [batch, length, heads, headSize]), [0, 2, 1, 3]);
}

/**
 * Attention of whole sequences under one additive mask [groups·length, length]: 0 where a query sees a key, −∞ where
 * not. Query heads that share a key head are stacked along the length, so keys and values are never repeated; the
 * mask therefore comes with its rows repeated once per group.
 */
export function packedAttention(config: DecoderConfig, batch: number, length: Dim, mask: Value): Attention {
  const { heads, keyValueHeads, headSize } = config;
  const groups = heads / keyValueHeads;
  const stackedLength = timesDim(length, groups);
  return {
    attend(_layer, query, key, value) {
      const stack = (x: Value, rows: Dim): Value =>
        reshape(splitHeads(x, batch, length, headSize), [batch * keyValueHeads, rows, headSize]);
      const queries = stack(query, stackedLength); // [batch·KV, groups·T, D]
      const keys = stack(key, length); // [batch·KV, T, D]
      const values = stack(value, length);
      const scores = matmul(queries, keys, { transposeB: true, alpha: 1 / Math.sqrt(headSize) });
      const mixed = matmul(softmax(add(scores, mask)), values); // [batch·KV, groups·T, D]
      const split = reshape(mixed, [batch, heads, length, headSize]);
      return reshape(transpose(split, [0, 2, 1, 3]), query.shape);
    },
  };
}

export interface CachedAttention extends Attention {
  /** Keys and values of every layer after this pass, [batch·KV, past + length, D], by output name. */
  readonly present: Record<string, Value>;
}

/**
 * Attention over a cache of earlier keys and values plus the new tokens. Inputs `past_key_0`, `past_value_0`, …
 * [batch·KV, P, D]; mask [batch·KV, groups·length, P + length] or with a leading 1.
 */
export function cachedAttention(
  config: DecoderConfig,
  batch: number,
  length: Dim,
  mask: Value,
): CachedAttention {
  const { heads, keyValueHeads, headSize } = config;
  const stackedLength = timesDim(length, heads / keyValueHeads);
  const present: Record<string, Value> = {};
  const extend = (name: string, layer: number, fresh: Value): Value => {
    const past = input(`past_${name}_${layer}`, 'float32', [batch * keyValueHeads, 'P', headSize]);
    const stacked = reshape(splitHeads(fresh, batch, length, headSize), [
      batch * keyValueHeads,
      length,
      headSize,
    ]);
    const all = concat([past, stacked], 1);
    present[`present_${name}_${layer}`] = all;
    return all;
  };
  return {
    present,
    attend(layer, query, key, value) {
      const keys = extend('key', layer, key);
      const values = extend('value', layer, value);
      const queries = reshape(splitHeads(query, batch, length, headSize), [
        batch * keyValueHeads,
        stackedLength,
        headSize,
      ]);
      const scores = matmul(queries, keys, { transposeB: true, alpha: 1 / Math.sqrt(headSize) });
      const mixed = matmul(softmax(add(scores, mask)), values);
      const split = reshape(mixed, [batch, heads, length, headSize]);
      return reshape(transpose(split, [0, 2, 1, 3]), query.shape);
    },
  };
}
