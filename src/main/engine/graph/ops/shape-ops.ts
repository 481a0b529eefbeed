import { describe, dimParts, elementCount, isFloat, normaliseAxis } from '../shape.ts';
import { apply, applyAll, constant, scalar, type Dim, type Op, type Shape, type Value } from '../types.ts';

/** New dimensions over the same elements; at most one symbolic length may change its place. */
export const reshapeOp: Op<{ readonly shape: Shape }> = {
  name: 'Reshape',
  infer: ([value], { shape }) => {
    if (elementCount(value!.shape) !== elementCount(shape)) {
      throw new Error(`Reshape: ${describe(value!)} does not fill [${shape.join(', ')}]`);
    }
    return [{ dtype: value!.dtype, shape }];
  },
  vjp: ({ gradients, inputs }) => [reshape(gradients[0]!, inputs[0]!.shape)],
  onnx: ([value], { shape }) => ({
    operator: 'Reshape',
    inputs: [value, constant(reshapeTarget(value!.shape, shape), [shape.length], 'int64')],
  }),
  gradientCases: [{ attributes: { shape: [3, 2] }, inputs: [{ shape: [2, 3] }] }],
};

/** The runtime target: 0 copies the input's dimension at that place, −1 infers the single remaining one. */
function reshapeTarget(from: Shape, to: Shape): number[] {
  let inferred = 0;
  return to.map((dim, axis) => {
    if (typeof dim === 'number') return dim;
    if (from[axis] === dim) return 0;
    inferred += 1;
    if (inferred > 1)
      throw new Error(`Reshape: [${from.join(', ')}] to [${to.join(', ')}] moves two lengths`);
    return -1;
  });
}

/**
 * New dimensions over the same elements, where the only length of the result is called otherwise than the value's: which of them it is is
 * for the run to see to.
 */
const reshapeRowsOp: Op<{ readonly shape: Shape }> = {
  name: 'ReshapeRows',
  infer: ([value], { shape }) => [{ dtype: value!.dtype, shape }],
  onnx: ([value], { shape }) => {
    const target = shape.map((dim) => (typeof dim === 'number' ? dim : -1));
    return { operator: 'Reshape', inputs: [value, constant(target, [shape.length], 'int64')] };
  },
};

export const transposeOp: Op<{ readonly permutation: readonly number[] }> = {
  name: 'Transpose',
  infer: ([value], { permutation }) => [
    {
      dtype: value!.dtype,
      shape: permutation.map((axis) => value!.shape[normaliseAxis(axis, value!.shape.length)]!),
    },
  ],
  vjp: ({ gradients, attributes }) => {
    const inverse = attributes.permutation.map((_, axis) => attributes.permutation.indexOf(axis));
    return [transpose(gradients[0]!, inverse)];
  },
  onnx: (_inputs, { permutation }) => ({
    operator: 'Transpose',
    attributes: { perm: { ints: permutation } },
  }),
  gradientCases: [{ attributes: { permutation: [2, 0, 1] }, inputs: [{ shape: [2, 3, 4] }] }],
};

/** Cuts [start, end) of one axis. On a symbolic axis the bounds are in multiples of its symbol's factor. */
export const sliceOp: Op<{ readonly axis: number; readonly start: number; readonly end: number }> = {
  name: 'Slice',
  infer: ([value], { axis, start, end }) => {
    const dim = value!.shape[axis];
    if (typeof dim !== 'number' || start < 0 || end > dim || start >= end) {
      throw new Error(`Slice: [${start}, ${end}) of axis ${axis} does not lie inside ${describe(value!)}`);
    }
    return [
      { dtype: value!.dtype, shape: value!.shape.map((own, place) => (place === axis ? end - start : own)) },
    ];
  },
  vjp: ({ gradients, inputs, attributes: { axis, start, end } }) => [
    pad(gradients[0]!, axis, start, (inputs[0]!.shape[axis] as number) - end),
  ],
  onnx: ([value], { axis, start, end }) => ({
    operator: 'Slice',
    inputs: [
      value,
      constant([start], [1], 'int64'),
      constant([end], [1], 'int64'),
      constant([axis], [1], 'int64'),
    ],
  }),
  gradientCases: [{ attributes: { axis: 1, start: 1, end: 3 }, inputs: [{ shape: [2, 4] }] }],
};

/** Zeros before and after one axis. */
export const padOp: Op<{ readonly axis: number; readonly before: number; readonly after: number }> = {
  name: 'Pad',
  infer: ([value], { axis, before, after }) => {
    const dim = value!.shape[axis];
    if (typeof dim !== 'number')
      throw new Error(`Pad: axis ${axis} of ${describe(value!)} has no fixed size`);
    return [
      {
        dtype: value!.dtype,
        shape: value!.shape.map((own, place) => (place === axis ? before + dim + after : own)),
      },
    ];
  },
  vjp: ({ gradients, inputs, attributes: { axis, before } }) => [
    slice(gradients[0]!, axis, before, before + (inputs[0]!.shape[axis] as number)),
  ],
  onnx: ([value], { axis, before, after }) => {
    const rank = value!.shape.length;
    const pads = Array.from({ length: 2 * rank }, (_, place) =>
      place === axis ? before : place === rank + axis ? after : 0,
    );
    return { operator: 'Pad', inputs: [value, constant(pads, [2 * rank], 'int64'), scalar(0, value!.dtype)] };
  },
  gradientCases: [{ attributes: { axis: 1, before: 1, after: 2 }, inputs: [{ shape: [2, 3] }] }],
};

/** The value itself, as a number that nothing is learnt through. */
export const stopGradientOp: Op<object> = {
  name: 'StopGradient',
  infer: ([value]) => [{ dtype: value!.dtype, shape: value!.shape }],
  vjp: () => [undefined],
  decompose: ([value]) => [value],
};

export const concatOp: Op<{ readonly axis: number }> = {
  name: 'Concat',
  infer: (inputs, { axis }) => {
    const [first] = inputs;
    const total = inputs.reduce<Dim>((sum, value) => addDims(sum, value.shape[axis]!), 0);
    return [{ dtype: first!.dtype, shape: first!.shape.map((dim, place) => (place === axis ? total : dim)) }];
  },
  vjp: ({ gradients, inputs, attributes: { axis } }) => {
    const sizes = inputs.map((value) => {
      const size = value.shape[axis];
      if (typeof size !== 'number') throw new Error('Concat: no gradient along a symbolic axis');
      return size;
    });
    return split(gradients[0]!, sizes, axis);
  },
  onnx: (_inputs, { axis }) => ({ operator: 'Concat', attributes: { axis: { int: axis } } }),
  gradientCases: [{ attributes: { axis: 1 }, inputs: [{ shape: [2, 3] }, { shape: [2, 1] }] }],
};

function addDims(a: Dim, b: Dim): Dim {
  if (a === 0) return b;
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  const [left, symbol] = dimParts(a);
  const [right, other] = dimParts(b);
  if (symbol !== other) return `${symbol || left}+${other || right}`;
  return `${left + right}*${symbol}`;
}

/** Cuts one axis into consecutive pieces of fixed sizes: how a single parameter input becomes every adapter tensor. */
export const splitOp: Op<{ readonly sizes: readonly number[]; readonly axis: number }> = {
  name: 'Split',
  infer: ([value], { sizes, axis }) => {
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (value!.shape[axis] !== total) {
      throw new Error(`Split: pieces of ${total} in all do not make up axis ${axis} of ${describe(value!)}`);
    }
    return sizes.map((size) => ({
      dtype: value!.dtype,
      shape: value!.shape.map((dim, place) => (place === axis ? size : dim)),
    }));
  },
  vjp: ({ gradients, attributes: { axis }, outputs }) => [
    concat(
      gradients.map((gradient, place) => gradient ?? zerosLike(outputs[place]!)),
      axis,
    ),
  ],
  onnx: ([value], { sizes, axis }) => ({
    operator: 'Split',
    inputs: [value, constant(sizes, [sizes.length], 'int64')],
    attributes: { axis: { int: axis } },
  }),
  gradientCases: [
    { attributes: { sizes: [2, 3, 1], axis: 0 }, inputs: [{ shape: [6] }] },
    { attributes: { sizes: [1, 2], axis: 1 }, inputs: [{ shape: [2, 3, 2] }] },
  ],
};

/** Broadcasts to a shape without symbols. */
export const expandOp: Op<{ readonly shape: readonly number[] }> = {
  name: 'Expand',
  infer: ([value], { shape }) => [{ dtype: value!.dtype, shape }],
  vjp: ({ gradients }) => [gradients[0]],
  onnx: ([value], { shape }) => ({
    operator: 'Expand',
    inputs: [value, constant(shape, [shape.length], 'int64')],
  }),
  gradientCases: [{ attributes: { shape: [4, 2, 3] }, inputs: [{ shape: [2, 1] }] }],
};

/** Rows of a table: [N, …] and int64 indices [R] → [R, …]. */
export const gatherOp: Op<Readonly<Record<string, never>>> = {
  name: 'Gather',
  infer: ([table, indices]) => {
    if (indices!.dtype !== 'int64') throw new Error(`Gather: indices are ${describe(indices!)}`);
    return [{ dtype: table!.dtype, shape: [...indices!.shape, ...table!.shape.slice(1)] }];
  },
  vjp: ({ gradients, inputs }) => [scatterAdd(inputs[0]!, inputs[1]!, gradients[0]!), undefined],
  onnx: () => ({ operator: 'Gather', attributes: { axis: { int: 0 } } }),
  gradientCases: [
    { attributes: {}, inputs: [{ shape: [3, 2] }, { shape: [4], dtype: 'int64', values: [2, 0, 2, 1] }] },
  ],
};

/**
 * Adds rows into zeros shaped like a table: (table [N, …], int64 indices [R], rows [R, …]) → [N, …]. The table lends
 * only its shape. Equal indices add up: both answers of a pair start at the prompt's last position.
 */
export const scatterAddOp: Op<Readonly<Record<string, never>>> = {
  name: 'ScatterAdd',
  infer: ([table, indices, rows]) => {
    if (indices!.dtype !== 'int64' || !isFloat(rows!)) {
      throw new Error(`ScatterAdd: got ${describe(indices!)} and ${describe(rows!)}`);
    }
    return [{ dtype: rows!.dtype, shape: table!.shape }];
  },
  vjp: ({ gradients, inputs }) => [undefined, undefined, gather(gradients[0]!, inputs[1]!)],
  decompose: ([table, indices, rows]) => {
    const zeroTable = zerosLike(table!);
    return [apply(scatterNdAddOp, [zeroTable, reshape(indices!, [...indices!.shape, 1]), rows!], {})];
  },
  gradientCases: [
    {
      attributes: {},
      inputs: [
        { shape: [3, 2], values: [0, 0, 0, 0, 0, 0] },
        { shape: [4], dtype: 'int64', values: [2, 0, 2, 1] },
        { shape: [4, 2] },
      ],
    },
  ],
};

/** Zeros of the input's runtime shape. */
export const zerosLikeOp: Op<Readonly<Record<string, never>>> = {
  name: 'ZerosLike',
  infer: ([value]) => [{ dtype: value!.dtype, shape: value!.shape }],
  vjp: () => [undefined],
  decompose: ([value]) => [expandLike(scalar(0, value!.dtype), value!)],
};

const shapeOfOp: Op<Readonly<Record<string, never>>> = {
  name: 'Shape',
  infer: ([value]) => [{ dtype: 'int64', shape: [value!.shape.length] }],
  vjp: () => [undefined],
  onnx: () => ({ operator: 'Shape' }),
};

/** None of a value's dimensions: int64 [0]. */
const noDimsOp: Op<Readonly<Record<string, never>>> = {
  name: 'NoDims',
  infer: () => [{ dtype: 'int64', shape: [0] }],
  onnx: () => ({ operator: 'Shape', attributes: { start: { int: 0 }, end: { int: 0 } } }),
};

const expandToOp: Op<{ readonly shape: Shape }> = {
  name: 'ExpandTo',
  infer: ([value], { shape }) => [{ dtype: value!.dtype, shape }],
  onnx: ([value, target]) => ({ operator: 'Expand', inputs: [value, target] }),
};

const scatterNdAddOp: Op<Readonly<Record<string, never>>> = {
  name: 'ScatterNdAdd',
  infer: ([table]) => [{ dtype: table!.dtype, shape: table!.shape }],
  onnx: () => ({ operator: 'ScatterND', attributes: { reduction: { string: 'add' } } }),
};

/** Picks along the last axis: (table [R, V], int64 indices [R, K]) → [R, K]. Used inside operations with own gradients. */
export const gatherElementsOp: Op<Readonly<Record<string, never>>> = {
  name: 'GatherElements',
  infer: ([table, indices]) => [{ dtype: table!.dtype, shape: indices!.shape }],
  onnx: () => ({ operator: 'GatherElements', attributes: { axis: { int: -1 } } }),
};

export const gatherElements = (table: Value, indices: Value): Value =>
  apply(gatherElementsOp, [table, indices], {});
/** Takes another value's runtime shape, over as many elements: nothing is copied. */
const reshapeToOp: Op<Readonly<Record<string, never>>> = {
  name: 'ReshapeTo',
  infer: ([value]) => [{ dtype: value!.dtype, shape: value!.shape }],
  vjp: ({ gradients }) => [gradients[0], undefined],
  onnx: () => ({ operator: 'Reshape' }),
};

/** The value itself, once `other` is there. */
export const reshapeAfter = (value: Value, other: Value): Value => {
  const shape = concat([apply(shapeOfOp, [value], {}), apply(noDimsOp, [other], {})], 0);
  return apply(reshapeToOp, [value, shape], {});
};
/** `other` must have the same shape. */
export const reshapeTo = (value: Value, other: Value): Value =>
  apply(reshapeToOp, [value, apply(shapeOfOp, [other], {})], {});
export const zerosLike = (value: Value): Value => apply(zerosLikeOp, [value], {});
/** Broadcasts to the runtime shape of another value. */
export const expandLike = (value: Value, like: Value): Value =>
  apply(expandToOp, [value, apply(shapeOfOp, [like], {})], { shape: like.shape });
export const reshape = (value: Value, shape: Shape): Value => apply(reshapeOp, [value], { shape });
export const reshapeRows = (value: Value, shape: Shape): Value => apply(reshapeRowsOp, [value], { shape });
export const transpose = (value: Value, permutation: readonly number[]): Value =>
  apply(transposeOp, [value], { permutation });
export const slice = (value: Value, axis: number, start: number, end: number): Value =>
  apply(sliceOp, [value], { axis, start, end });
export const pad = (value: Value, axis: number, before: number, after: number): Value =>
  before === 0 && after === 0 ? value : apply(padOp, [value], { axis, before, after });
export const stopGradient = (value: Value): Value => apply(stopGradientOp, [value], {});
export const concat = (values: readonly Value[], axis: number): Value => apply(concatOp, values, { axis });
export const split = (value: Value, sizes: readonly number[], axis = 0): readonly Value[] =>
  applyAll(splitOp, [value], { sizes, axis });
export const expand = (value: Value, shape: readonly number[]): Value => apply(expandOp, [value], { shape });
export const gather = (table: Value, indices: Value): Value => apply(gatherOp, [table, indices], {});
export const scatterAdd = (table: Value, indices: Value, rows: Value): Value =>
  apply(scatterAddOp, [table, indices, rows], {});
