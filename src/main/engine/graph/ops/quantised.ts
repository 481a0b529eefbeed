import { describe } from '../shape.ts';
import { apply, constant, type Dim, type Op, type Value } from '../types.ts';
import { cast, mul, sub } from './elementwise.ts';
import { matmul } from './linear.ts';
import { reshape, slice } from './shape-ops.ts';

/** What a byte stands for 0. */
export const zeroByte = 128;

/**
 * x · Wᵀ of frozen weights in bytes, each block of a row with a scale of its own: W = (byte − 128) · scale.
 * Inputs: x [N, in], uint8 bytes [out, blocks, block size], float32 scales [out · blocks]. What a last block has beyond `in`
 * is not looked at. The fused kernel rounds each block of x to bytes as well, which the decomposition does not.
 */
export const eightBitMatmulOp: Op<{ readonly width: number }> = {
  name: 'EightBitMatmul',
  infer: ([x, bytes, scales], { width }) => {
    const [out, blocks, size] = bytes!.shape as [number, number, number];
    const fits =
      x!.shape.length === 2 &&
      x!.shape[1] === width &&
      bytes!.dtype === 'uint8' &&
      Math.ceil(width / size) === blocks &&
      scales!.shape[0] === out * blocks;
    if (!fits) throw new Error(`EightBitMatmul: got ${[x!, bytes!, scales!].map(describe).join(', ')}`);
    return [{ dtype: x!.dtype, shape: [x!.shape[0] as Dim, out] }];
  },
  onnx: ([, bytes], { width }) => ({
    operator: 'MatMulNBits',
    domain: 'com.microsoft',
    attributes: {
      K: { int: width },
      N: { int: bytes!.shape[0] as number },
      bits: { int: 8 },
      block_size: { int: bytes!.shape[2] as number },
      // Products of bytes with sums in 32 bits. Without, the kernel would make float32 weights again in every pass.
      accuracy_level: { int: 4 },
    },
  }),
  fusedFor: ['float32'],
  decompose: ([x, bytes, scales], { width }) => {
    const [out, blocks, size] = bytes!.shape as [number, number, number];
    const { dtype } = x!;
    const centred = sub(cast(bytes!, dtype), constant([zeroByte], [], dtype));
    const weights = reshape(mul(centred, reshape(scales!, [out, blocks, 1])), [out, blocks * size]);
    return [
      matmul(x!, blocks * size === width ? weights : slice(weights, 1, 0, width), { transposeB: true }),
    ];
  },
};

export const eightBitMatmul = (x: Value, bytes: Value, scales: Value): Value =>
  apply(eightBitMatmulOp, [x, bytes, scales], { width: x.shape[1] as number });
