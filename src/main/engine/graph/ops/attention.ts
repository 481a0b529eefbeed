import { describe } from '../shape.ts';
import { applyAll, constant, type Op, type Value } from '../types.ts';
import { add, mul, sub } from './elementwise.ts';
import { after } from './blocks.ts';
import { matmul, softmax } from './linear.ts';

export interface AttentionAttributes {
  /** Scales the scores: usually 1/√D. */
  readonly scale: number;
  /** Keep the probabilities for the backward pass; otherwise they are made again there. */
  readonly keep: boolean;
}

/**
 * softmax(scale · q kᵀ + mask) v for some rows of queries over the keys that they may see.
 * Inputs: queries [heads, Q, D], keys and values [heads, K, D], additive mask [Q, K] (0 or −∞).
 * Outputs: 0 the mixed values [heads, Q, D] · 1 the probabilities [heads, Q, K].
 *
 * The gradient by the scores is p · (dp − Σ dp·p), and that sum is Σ g·out over D instead of K (Dao et al. 2022). With
 * `keep` off nothing of the size Q·K outlives a layer.
 */
export const blockAttentionOp: Op<AttentionAttributes> = {
  name: 'BlockAttention',
  infer: ([queries, keys, values, mask]) => {
    const [heads, rows, width] = queries!.shape;
    const [keyHeads, columns, keyWidth] = keys!.shape;
    const fits =
      heads === keyHeads &&
      width === keyWidth &&
      keys!.shape.every((dim, axis) => dim === values!.shape[axis]) &&
      mask!.shape[0] === rows &&
      mask!.shape[1] === columns;
    if (!fits)
      throw new Error(`BlockAttention: got ${[queries!, keys!, values!, mask!].map(describe).join(', ')}`);
    const dtype = queries!.dtype;
    return [
      { dtype, shape: queries!.shape },
      { dtype, shape: [heads!, rows!, columns!] },
    ];
  },
  vjp: ({ gradients, inputs, outputs, attributes }) => {
    if (gradients[1]) throw new Error('BlockAttention: only the mixed values carry a gradient');
    const [queries, keys, values, mask] = inputs as [Value, Value, Value, Value];
    const gradient = gradients[0]!;
    const { scale, keep } = attributes;
    const p = keep ? outputs[1]! : probabilities(after(queries, gradient), keys, mask, scale);
    // As a product, for the runtime's ReduceSum leaves an empty block's last axis as it is.
    const width = queries.shape[2] as number;
    const ones = constant(new Array<number>(width).fill(1), [width, 1], queries.dtype);
    const pull = matmul(mul(gradient, outputs[0]!), ones); // [heads, Q, 1]
    const slope = mul(p, sub(matmul(gradient, values, { transposeB: true }), pull));
    return [
      matmul(slope, keys, { alpha: scale }),
      matmul(slope, queries, { transposeA: true, alpha: scale }),
      matmul(p, gradient, { transposeA: true }),
      undefined,
    ];
  },
  decompose: ([queries, keys, values, mask], { scale }) => {
    const p = probabilities(queries!, keys!, mask!, scale);
    return [matmul(p, values!), p];
  },
  gradientCases: [true, false].map((keep) => ({
    attributes: { scale: 0.5, keep },
    inputs: [
      { shape: [2, 3, 4] },
      { shape: [2, 2, 4] },
      { shape: [2, 2, 4] },
      { shape: [3, 2], values: [0, -Infinity, 0, 0, 0, 0] },
    ],
  })),
};

function probabilities(queries: Value, keys: Value, mask: Value, scale: number): Value {
  return softmax(add(matmul(queries, keys, { transposeB: true, alpha: scale }), mask));
}

export const blockAttention = (
  inputs: readonly [queries: Value, keys: Value, values: Value, mask: Value],
  attributes: AttentionAttributes,
): Value => applyAll(blockAttentionOp, inputs, attributes)[0]!;
