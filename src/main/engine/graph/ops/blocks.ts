import { describe, sameShape } from '../shape.ts';
import { apply, applyAll, type Dim, type Op, type Value } from '../types.ts';
import { reshapeAfter, reshapeTo, zerosLike } from './shape-ops.ts';

export interface BlockAttributes {
  readonly axis: number;
  /** Symbols of the blocks' lengths, in order. */
  readonly lengths: readonly Dim[];
  /** Length of the whole. */
  readonly whole: Dim;
}

/**
 * Cuts one axis into consecutive blocks whose lengths are fed: (value, int64 lengths [blocks]) → one value a block. A
 * block may be empty.
 */
export const splitBlocksOp: Op<BlockAttributes> = {
  name: 'SplitBlocks',
  infer: ([value, lengths], attributes) => {
    requireLengths('SplitBlocks', lengths!, attributes);
    if (value!.shape[attributes.axis] !== attributes.whole) {
      throw new Error(`SplitBlocks: axis ${attributes.axis} of ${describe(value!)} is not the whole`);
    }
    return attributes.lengths.map((length) => ({
      dtype: value!.dtype,
      shape: resized(value!, attributes.axis, length),
    }));
  },
  vjp: ({ gradients, inputs, outputs, attributes }) => [
    joinBlocks(
      gradients.map((gradient, place) => gradient ?? zerosLike(outputs[place]!)),
      inputs[1]!,
      attributes,
    ),
    undefined,
  ],
  onnx: (_inputs, { axis }) => ({ operator: 'Split', attributes: { axis: { int: axis } } }),
  gradientCases: [
    {
      attributes: { axis: 1, lengths: [1, 2], whole: 3 },
      inputs: [{ shape: [2, 3] }, { shape: [2], dtype: 'int64', values: [1, 2] }],
    },
  ],
};

/** The other way round: (blocks …, int64 lengths [blocks]) → the whole. */
export const joinBlocksOp: Op<BlockAttributes> = {
  name: 'JoinBlocks',
  infer: (inputs, attributes) => {
    const blocks = inputs.slice(0, -1);
    requireLengths('JoinBlocks', inputs.at(-1)!, attributes);
    const whole = resized(blocks[0]!, attributes.axis, attributes.whole);
    blocks.forEach((block, place) => {
      const expected = resized(blocks[0]!, attributes.axis, attributes.lengths[place]!);
      if (block.dtype !== blocks[0]!.dtype || !sameShape(block.shape, expected))
        throw new Error(`JoinBlocks: block ${place} is ${describe(block)}`);
    });
    return [{ dtype: blocks[0]!.dtype, shape: whole }];
  },
  vjp: ({ gradients, inputs, attributes }) => [
    ...splitBlocks(gradients[0]!, inputs.at(-1)!, attributes),
    undefined,
  ],
  onnx: (inputs, { axis }) => ({
    operator: 'Concat',
    inputs: inputs.slice(0, -1),
    attributes: { axis: { int: axis } },
  }),
  gradientCases: [
    {
      attributes: { axis: 0, lengths: [1, 2], whole: 3 },
      inputs: [{ shape: [1, 2] }, { shape: [2, 2] }, { shape: [2], dtype: 'int64', values: [1, 2] }],
    },
  ],
};

function resized(value: Value, axis: number, length: Dim): readonly Dim[] {
  return value.shape.map((dim, place) => (place === axis ? length : dim));
}

function requireLengths(name: string, lengths: Value, attributes: BlockAttributes): void {
  if (lengths.dtype !== 'int64' || lengths.shape[0] !== attributes.lengths.length)
    throw new Error(`${name}: the lengths of ${attributes.lengths.length} blocks are ${describe(lengths)}`);
}

/**
 * A value that is made only after another is there, though it does not depend on it: what is made again for the
 * backward pass must not be made long before its turn. Costs next to nothing: a reshape to its own shape, which is read
 * together with none of the other's dimensions.
 */
export function after(value: Value, other: Value): Value {
  return sameShape(value.shape, other.shape) ? reshapeTo(value, other) : reshapeAfter(value, other);
}

/**
 * Values that only some runs ask for, as they are: where the graph is encoded with a condition (`OnDemand`), a run that does not ask
 * gets them with no elements, and all that only they need is left out.
 */
export const onDemandOp: Op<Readonly<Record<string, never>>> = {
  name: 'OnDemand',
  infer: (inputs) => inputs.map(({ dtype, shape }) => ({ dtype, shape })),
  vjp: ({ gradients }) => gradients,
  // Of one value; the encoder has its own way for several, and with a condition.
  onnx: () => ({ operator: 'Identity' }),
  gradientCases: [{ attributes: {}, inputs: [{ shape: [2, 3] }] }],
};

/**
 * One of two values: (bool [], first, second) → the first where it holds, else the second. What only one of them needs is made only
 * where it is the one. Both have as many axes; the result is said to have the first's lengths, which must hold for the second in
 * runs that take it.
 */
export const eitherOp: Op<Readonly<Record<string, never>>> = {
  name: 'Either',
  infer: ([condition, first, second]) => {
    if (condition!.dtype !== 'bool' || condition!.shape.length > 0)
      throw new Error(`Either: the condition is ${describe(condition!)}`);
    if (first!.dtype !== second!.dtype || first!.shape.length !== second!.shape.length)
      throw new Error(`Either: ${describe(first!)} or ${describe(second!)}`);
    return [{ dtype: first!.dtype, shape: first!.shape }];
  },
  // The encoder writes the branches.
  onnx: () => ({ operator: 'If' }),
};

export const either = (condition: Value, first: Value, second: Value): Value =>
  apply(eitherOp, [condition, first, second], {});
export const onDemand = (values: readonly Value[]): readonly Value[] => applyAll(onDemandOp, values, {});
export const splitBlocks = (value: Value, lengths: Value, attributes: BlockAttributes): readonly Value[] =>
  applyAll(splitBlocksOp, [value, lengths], attributes);
export const joinBlocks = (blocks: readonly Value[], lengths: Value, attributes: BlockAttributes): Value =>
  apply(joinBlocksOp, [...blocks, lengths], attributes);
