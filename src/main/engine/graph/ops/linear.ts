import { broadcast, describe, isFloat, normaliseAxis } from '../shape.ts';
import { apply, constant, scalar, type Dim, type Op, type Value } from '../types.ts';
import { mul, sub } from './elementwise.ts';
import { expandLike, transpose } from './shape-ops.ts';

export interface MatmulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Scales the product. */
  readonly alpha: number;
}

function swapLastTwo(value: Value): Value {
  const rank = value.shape.length;
  const permutation = Array.from({ length: rank }, (_, axis) => axis);
  permutation[rank - 2] = rank - 1;
  permutation[rank - 1] = rank - 2;
  return transpose(value, permutation);
}

/**
 * alpha · op(A) · op(B) over the last two dimensions, leading ones broadcast. Hugging Face stores a linear layer as
 * [out, in], which the forward pass reads transposed and the backward pass plain: no second copy of a weight.
 */
export const matmulOp: Op<MatmulAttributes> = {
  name: 'Matmul',
  infer: ([a, b], { transposeA, transposeB }) => {
    const rankA = a!.shape.length;
    const rankB = b!.shape.length;
    if (!isFloat(a!) || a!.dtype !== b!.dtype || rankA < 2 || rankB < 2) {
      throw new Error(`Matmul: cannot multiply ${describe(a!)} by ${describe(b!)}`);
    }
    const rows = a!.shape[rankA - (transposeA ? 1 : 2)]!;
    const innerA = a!.shape[rankA - (transposeA ? 2 : 1)]!;
    const innerB = b!.shape[rankB - (transposeB ? 1 : 2)]!;
    const columns = b!.shape[rankB - (transposeB ? 2 : 1)]!;
    if (innerA !== innerB) {
      throw new Error(
        `Matmul: inner dimensions ${innerA} and ${innerB} of ${describe(a!)} and ${describe(b!)} differ`,
      );
    }
    const leading = broadcast('Matmul', a!.shape.slice(0, -2), b!.shape.slice(0, -2));
    return [{ dtype: a!.dtype, shape: [...leading, rows, columns] }];
  },
  vjp: ({ gradients, inputs, attributes: { transposeA, transposeB, alpha }, needs }) => {
    const [a, b] = inputs as [Value, Value];
    const gradient = gradients[0]!;
    return [
      !needs[0]
        ? undefined
        : transposeA
          ? matmul(b, gradient, { transposeA: transposeB, transposeB: true, alpha })
          : matmul(gradient, b, { transposeB: !transposeB, alpha }),
      !needs[1]
        ? undefined
        : transposeB
          ? matmul(gradient, a, { transposeA: true, transposeB: transposeA, alpha })
          : matmul(a, gradient, { transposeA: !transposeA, alpha }),
    ];
  },
  onnx: ([a, b], { transposeA, transposeB, alpha }) => {
    const attributes = {
      transA: { int: transposeA ? 1 : 0 },
      transB: { int: transposeB ? 1 : 0 },
      alpha: { float: alpha },
    };
    return a!.shape.length === 2 && b!.shape.length === 2
      ? { operator: 'Gemm', attributes }
      : { operator: 'FusedMatMul', domain: 'com.microsoft', attributes };
  },
  fusedFor: ['float32'],
  decompose: ([a, b], { transposeA, transposeB, alpha }) => {
    const product = apply(
      plainMatmulOp,
      [transposeA ? swapLastTwo(a!) : a!, transposeB ? swapLastTwo(b!) : b!],
      {},
    );
    return [alpha === 1 ? product : mul(product, scalar(alpha, a!.dtype))];
  },
  gradientCases: [
    {
      attributes: { transposeA: false, transposeB: false, alpha: 1 },
      inputs: [{ shape: [2, 3] }, { shape: [3, 4] }],
    },
    {
      attributes: { transposeA: true, transposeB: false, alpha: 0.5 },
      inputs: [{ shape: [3, 2] }, { shape: [3, 4] }],
    },
    {
      attributes: { transposeA: false, transposeB: true, alpha: 2 },
      inputs: [{ shape: [5, 2, 3] }, { shape: [4, 3] }],
    },
    {
      attributes: { transposeA: true, transposeB: true, alpha: 1 },
      inputs: [{ shape: [2, 3, 2] }, { shape: [2, 4, 3] }],
    },
  ],
};

const plainMatmulOp: Op<Readonly<Record<string, never>>> = {
  name: 'PlainMatmul',
  infer: ([a, b]) => matmulOp.infer([a!, b!], { transposeA: false, transposeB: false, alpha: 1 }),
  onnx: () => ({ operator: 'MatMul' }),
};

interface ReduceAttributes {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

function reduceOp(name: string, vjp?: Op<ReduceAttributes>['vjp']): Op<ReduceAttributes> {
  return {
    name,
    infer: ([value], { axes, keepDims }) => {
      const reduced = new Set(axes.map((axis) => normaliseAxis(axis, value!.shape.length)));
      const shape: Dim[] = [];
      value!.shape.forEach((dim, axis) => {
        if (!reduced.has(axis)) shape.push(dim);
        else if (keepDims) shape.push(1);
      });
      return [{ dtype: value!.dtype, shape }];
    },
    ...(vjp && {
      vjp,
      gradientCases: [
        { attributes: { axes: [-1], keepDims: true }, inputs: [{ shape: [2, 3] }] },
        { attributes: { axes: [0, 2], keepDims: true }, inputs: [{ shape: [2, 3, 4] }] },
      ],
    }),
    onnx: ([value], { axes, keepDims }) => ({
      operator: name,
      inputs: [value, constant(axes, [axes.length], 'int64')],
      attributes: { keepdims: { int: keepDims ? 1 : 0 } },
    }),
  };
}

export const reduceSumOp = reduceOp('ReduceSum', ({ gradients, inputs, attributes }) => {
  if (!attributes.keepDims) throw new Error('ReduceSum: differentiate it with keepDims and reshape');
  return [expandLike(gradients[0]!, inputs[0]!)];
});
export const reduceMeanOp = reduceOp('ReduceMean', ({ gradients, inputs, attributes }) => {
  const size = attributes.axes.reduce((product, axis) => {
    const dim = inputs[0]!.shape[normaliseAxis(axis, inputs[0]!.shape.length)];
    if (typeof dim !== 'number') throw new Error('ReduceMean: no gradient over a symbolic axis');
    return product * dim;
  }, 1);
  if (!attributes.keepDims) throw new Error('ReduceMean: differentiate it with keepDims and reshape');
  return [expandLike(mul(gradients[0]!, scalar(1 / size, gradients[0]!.dtype)), inputs[0]!)];
});
/** Not differentiable here: used for metrics and inside operations with a gradient of their own. */
export const reduceMaxOp = reduceOp('ReduceMax');

/** log Σ over the axes. Of a single column it is a logarithm whose last bit does not depend on the row's place, as Log's does. */
export const reduceLogSumOp = reduceOp('ReduceLogSum');

/** Place of the largest number along the last axis, the first of equals, as int64. What is not a number may hide the largest. */
export const argMaxOp: Op<Readonly<Record<string, never>>> = {
  name: 'ArgMax',
  infer: ([value]) => [{ dtype: 'int64', shape: value!.shape.slice(0, -1) }],
  onnx: () => ({ operator: 'ArgMax', attributes: { axis: { int: -1 }, keepdims: { int: 0 } } }),
};

/** Softmax over the last axis. */
export const softmaxOp: Op<Readonly<Record<string, never>>> = {
  name: 'Softmax',
  infer: ([value]) => [{ dtype: value!.dtype, shape: value!.shape }],
  vjp: ({ gradients, outputs }) => {
    const weighted = mul(gradients[0]!, outputs[0]!);
    return [sub(weighted, mul(outputs[0]!, reduceSum(weighted, [-1])))];
  },
  onnx: () => ({ operator: 'Softmax', attributes: { axis: { int: -1 } } }),
  gradientCases: [{ attributes: {}, inputs: [{ shape: [2, 2, 4] }] }],
};

export const matmul = (a: Value, b: Value, attributes: Partial<MatmulAttributes> = {}): Value =>
  apply(matmulOp, [a, b], { transposeA: false, transposeB: false, alpha: 1, ...attributes });
export const reduceSum = (value: Value, axes: readonly number[], keepDims = true): Value =>
  apply(reduceSumOp, [value], { axes, keepDims });
export const reduceMean = (value: Value, axes: readonly number[], keepDims = true): Value =>
  apply(reduceMeanOp, [value], { axes, keepDims });
export const reduceMax = (value: Value, axes: readonly number[], keepDims = true): Value =>
  apply(reduceMaxOp, [value], { axes, keepDims });
export const reduceLogSum = (value: Value, axes: readonly number[], keepDims = true): Value =>
  apply(reduceLogSumOp, [value], { axes, keepDims });
export const argMax = (value: Value): Value => apply(argMaxOp, [value], {});
export const softmax = (value: Value): Value => apply(softmaxOp, [value], {});
