import { reachableNodes } from '../graph/verify.ts';
import { add, reduceSum, reshape } from '../graph/ops/index.ts';
import { describe, sameShape } from '../graph/shape.ts';
import type { Dim, Node, Shape, Value } from '../graph/types.ts';

/**
 * Reverse-mode gradients as graph values.
 * @param outputs values with the upstream gradient of each, of the same shape
 * @param wanted the values to differentiate by
 * @returns one gradient per wanted value, of its shape; undefined where it has no influence
 * @throws Error naming an operation on the path that has no gradient rule
 */
export function gradients(
  outputs: readonly { readonly value: Value; readonly upstream: Value }[],
  wanted: readonly Value[],
): readonly (Value | undefined)[] {
  const nodes = reachableNodes(outputs.map(({ value }) => value));
  const onPath = pathTo(nodes, wanted);
  const collected = new Map<Value, Value>();
  const collect = (value: Value, gradient: Value): void => {
    const reduced = unbroadcast(gradient, value.shape);
    const earlier = collected.get(value);
    collected.set(value, earlier ? add(earlier, reduced) : reduced);
  };
  for (const { value, upstream } of outputs) if (onPath.has(value)) collect(value, upstream);

  for (const node of [...nodes].reverse()) {
    const upstream = node.outputs.map((output) => collected.get(output));
    if (upstream.every((gradient) => gradient === undefined)) continue;
    const needs = node.inputs.map((value) => onPath.has(value));
    if (!needs.includes(true)) continue;
    if (!node.op.vjp) throw new Error(`${node.op.name} has no gradient rule`);
    const found = node.op.vjp({
      inputs: node.inputs,
      outputs: node.outputs,
      attributes: node.attributes,
      gradients: upstream,
      needs,
    });
    found.forEach((gradient, place) => {
      if (gradient && needs[place]) collect(node.inputs[place]!, gradient);
    });
  }
  return wanted.map((value) => collected.get(value));
}

/** All values through which a wanted one reaches the outputs, the wanted ones included. */
function pathTo(nodes: readonly Node[], wanted: readonly Value[]): ReadonlySet<Value> {
  const onPath = new Set(wanted);
  for (const node of nodes) {
    if (node.inputs.some((value) => onPath.has(value))) node.outputs.forEach((output) => onPath.add(output));
  }
  return onPath;
}

/** Sums a gradient down to the shape its value had before broadcasting. */
export function unbroadcast(gradient: Value, shape: Shape): Value {
  if (sameShape(gradient.shape, shape)) return gradient;
  const extra = gradient.shape.length - shape.length;
  const axes: number[] = [];
  gradient.shape.forEach((dim: Dim, axis) => {
    if (axis < extra || (shape[axis - extra] === 1 && dim !== 1)) axes.push(axis);
  });
  const summed = axes.length > 0 ? reduceSum(gradient, axes) : gradient;
  const result = sameShape(summed.shape, shape) ? summed : reshape(summed, shape);
  if (!sameShape(result.shape, shape))
    throw new Error(`unbroadcast: ${describe(gradient)} to [${shape.join(', ')}]`);
  return result;
}
