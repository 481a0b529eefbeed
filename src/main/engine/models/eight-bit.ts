import { join } from 'node:path';
import { InputError } from '../../../shared/errors.ts';
import { readTensorFloat32 } from '../../formats/safetensors.ts';
import { add, eightBitMatmul, zeroByte } from '../graph/ops/index.ts';
import { constant, type Value } from '../graph/types.ts';
import type { FrozenWeights, Parameters } from './family.ts';
import { frozenParameters } from './parameters.ts';

/** Weights in a row that share a scale. */
export const eightBitBlock = 32;

export interface EightBitRows {
  /** [out, blocks, block size] */
  readonly bytes: Uint8Array;
  /** [out, blocks] */
  readonly scales: Float32Array;
}

/**
 * Rounds weights to bytes, symmetrically: in each block the largest magnitude becomes 127 from 128, and 0 stays 0.
 * @param weights [out, width]
 */
export function toEightBit(weights: Float32Array, width: number): EightBitRows {
  const out = weights.length / width;
  const blocks = Math.ceil(width / eightBitBlock);
  const bytes = new Uint8Array(out * blocks * eightBitBlock).fill(zeroByte);
  const scales = new Float32Array(out * blocks);
  for (let row = 0; row < out; row++) {
    for (let block = 0; block < blocks; block++) {
      const from = row * width + block * eightBitBlock;
      const to = Math.min(from + eightBitBlock, (row + 1) * width);
      let largest = 0;
      for (let at = from; at < to; at++) largest = Math.max(largest, Math.abs(weights[at]!));
      const place = row * blocks + block;
      scales[place] = largest / 127;
      const scale = scales[place]!;
      if (scale === 0) continue;
      for (let at = from; at < to; at++)
        bytes[place * eightBitBlock + at - from] = Math.round(weights[at]! / scale) + zeroByte;
    }
  }
  return { bytes, scales };
}

/** A base model's weights with its matrices as bytes. */
export interface EightBitWeights {
  /** The embeddings, norms and biases are as they are stored. */
  readonly parameters: Parameters;
  /** Logits [N, V] of hidden states by the output head. */
  head(name: string, hidden: Value, vocabulary: number): Value;
}

/** The bytes lie in the graph, and the runtime opens none of 2 GiB. */
const mostBytes = 2e9;

/**
 * Matrices are read and rounded where a graph first asks for them.
 * @throws InputError (when asked) where they are too large together
 */
export function eightBitWeights(weights: FrozenWeights): EightBitWeights {
  const base = frozenParameters(weights);
  const made = new Map<string, readonly [Value, Value]>();
  let total = 0;
  const rowsOf = (name: string, out: number, width: number): readonly [Value, Value] => {
    const known = made.get(name);
    if (known) return known;
    const tensor = weights.tensors.get(name);
    if (!tensor) throw new Error(`the model has no tensor ${name}`);
    const read = readTensorFloat32({ path: join(weights.folder, tensor.file) }, { name, ...tensor });
    const { bytes, scales } = toEightBit(read, width);
    total += bytes.byteLength + scales.byteLength;
    if (total > mostBytes)
      throw new InputError('the model is too large for 8-bit weights: they take more than 2 GB', {
        file: weights.folder,
      });
    const values = [
      constant(bytes, [out, scales.length / out, eightBitBlock], 'uint8'),
      constant(scales, [scales.length]),
    ] as const;
    made.set(name, values);
    return values;
  };
  const product = (name: string, x: Value, out: number): Value =>
    eightBitMatmul(x, ...rowsOf(name, out, x.shape[1] as number));
  const linear: Parameters['linear'] = (path, x, sizes) => {
    const own = product(`${path}.weight`, x, sizes.out);
    return sizes.bias ? add(own, base.tensor(`${path}.bias`, [sizes.out])) : own;
  };
  return {
    head: product,
    parameters: {
      tensor: (name, shape) => base.tensor(name, shape),
      blocks: (name, shape) => base.blocks(name, shape),
      linear,
      linears: (x, layers) => layers.map(({ path, sizes }) => linear(path, x, sizes)),
    },
  };
}
