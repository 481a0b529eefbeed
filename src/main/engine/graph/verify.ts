import { roundsOp, type RoundsAttributes } from './ops/rounds.ts';
import { describe, dimParts, sameShape } from './shape.ts';
import { nodeOf, type Node, type Value } from './types.ts';

/**
 * The nodes that the outputs need, in an order in which every input comes before its use.
 * @param isEnd nodes whose own inputs are not followed
 */
export function reachableNodes(
  outputs: readonly Value[],
  isEnd: (node: Node) => boolean = () => false,
): readonly Node[] {
  const seen = new Set<Node>();
  const pending = [...outputs];
  while (pending.length > 0) {
    const { source } = pending.pop()!;
    if (source.kind !== 'node' || seen.has(source.node)) continue;
    seen.add(source.node);
    if (!isEnd(source.node)) pending.push(...source.node.inputs);
  }
  // A node is always made after its inputs, so its id orders it.
  return [...seen].sort((a, b) => a.id - b.id);
}

/** The nodes that values need beyond those that are there already, with all that those need, in order. */
export function missingNodes(values: readonly Value[], isThere: (node: Node) => boolean): readonly Node[] {
  return reachableNodes(values, isThere).filter((node) => !isThere(node));
}

/**
 * Checks a graph before it is encoded: types recomputed from every node's inputs must equal those its values carry,
 * input names must be unique with one type each, and symbols well formed.
 * @throws Error naming the operation at fault (a defect of this program, never of a person's file).
 */
export function verify(outputs: readonly Value[]): void {
  const inputs = new Map<string, Value>();
  const rounds = new Set<Value>();
  const check = (value: Value): void => {
    for (const dim of value.shape) {
      const [factor] = dimParts(dim);
      if (!Number.isInteger(factor) || factor < 0)
        throw new Error(`verify: bad dimension in ${describe(value)}`);
    }
    if (value.source.kind !== 'input' || rounds.has(value)) return;
    const known = inputs.get(value.source.name);
    if (known && known !== value) throw new Error(`verify: two inputs are named ${value.source.name}`);
    inputs.set(value.source.name, value);
  };
  outputs.forEach(check);
  const verifyNode = (node: Node): void => {
    node.inputs.forEach(check);
    if (!node.op.onnx && !node.op.decompose) throw new Error(`verify: ${node.op.name} has no lowering`);
    const types = node.op.infer(node.inputs, node.attributes);
    types.forEach((type, place) => {
      const value = node.outputs[place]!;
      if (value.dtype !== type.dtype || !sameShape(value.shape, type.shape)) {
        throw new Error(`verify: output ${place} of ${node.op.name} is ${describe(value)}`);
      }
    });
  };
  const done = new Set<Node>();
  for (const node of reachableNodes(outputs)) {
    if (node.op === roundsOp) {
      const { round, results } = node.attributes as RoundsAttributes;
      rounds.add(round);
      const read = new Set(node.inputs);
      for (const own of missingNodes(results, (each) => done.has(each))) {
        if (own.inputs.some((value) => done.has(nodeOf(value)!) && !read.has(value)))
          throw new Error(`verify: ${own.op.name} reads what its rounds do not`);
        verifyNode(own);
      }
    }
    verifyNode(node);
    done.add(node);
  }
}
