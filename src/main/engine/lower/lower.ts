import { roundsOp, type RoundsAttributes } from '../graph/ops/rounds.ts';
import { applyAll, type AnyOp, type DType, type Node, type Value } from '../graph/types.ts';

/** What a provider runs as one kernel. Everything else is rewritten to its decomposition. */
export interface Target {
  readonly name: string;
  hasFused(op: AnyOp, dtype: DType): boolean;
}

/** ONNX Runtime's CPU provider: every fused form in the dtypes its record names. */
export const cpu: Target = {
  name: 'cpu',
  hasFused: (op, dtype) => op.fusedFor === undefined || op.fusedFor.includes(dtype),
};

/** Standard operators only: the meaning of each fused kernel, to check it against, and a base for other providers. */
export const portable: Target = {
  name: 'portable',
  hasFused: (op) => op.decompose === undefined,
};

/**
 * Rewrites a graph so that every node is one operator of the target.
 * @returns the outputs in the same order
 */
export function lower(outputs: readonly Value[], target: Target): readonly Value[] {
  const lowered = new Map<Value, Value>();
  lowerInto(outputs, target, lowered);
  return outputs.map((value) => lowered.get(value) ?? value);
}

function lowerInto(outputs: readonly Value[], target: Target, lowered: Map<Value, Value>): void {
  for (const node of pendingNodes(outputs, lowered)) {
    const inputs = node.inputs.map((value) => lowered.get(value) ?? value);
    const results = lowerNode(node, inputs, target, lowered);
    node.outputs.forEach((output, place) => {
      const result = results[place];
      if (result) lowered.set(output, result);
    });
  }
}

function lowerNode(
  node: Node,
  inputs: readonly Value[],
  target: Target,
  lowered: Map<Value, Value>,
): readonly (Value | undefined)[] {
  const { op } = node;
  const attributes = op === roundsOp ? lowerRound(node, target, lowered) : node.attributes;
  if (op.onnx && target.hasFused(op, node.outputs[0]!.dtype)) {
    const isSame = attributes === node.attributes;
    const results =
      isSame && inputs.every((value, place) => value === node.inputs[place])
        ? node.outputs
        : applyAll(op, inputs, attributes);
    results.forEach((value) => lowered.set(value, value));
    return results;
  }
  if (!op.decompose) throw new Error(`${op.name} has no form for ${target.name}`);
  const parts = op.decompose(inputs, attributes);
  lowerInto(
    parts.filter((part) => part !== undefined),
    target,
    lowered,
  );
  return parts.map((part) => part && (lowered.get(part) ?? part));
}

/** What a round is made of; what it reads from without is lowered before. */
function lowerRound(node: Node, target: Target, lowered: Map<Value, Value>): RoundsAttributes {
  const attributes = node.attributes as RoundsAttributes;
  lowerInto(attributes.results, target, lowered);
  const results = attributes.results.map((value) => lowered.get(value) ?? value);
  return { ...attributes, results };
}

/** Nodes not lowered yet, inputs before uses. Stops at what is done, so that the whole pass stays linear. */
function pendingNodes(outputs: readonly Value[], lowered: ReadonlyMap<Value, Value>): readonly Node[] {
  const seen = new Set<Node>();
  const pending = [...outputs];
  while (pending.length > 0) {
    const value = pending.pop()!;
    if (value.source.kind !== 'node' || lowered.has(value) || seen.has(value.source.node)) continue;
    seen.add(value.source.node);
    pending.push(...value.source.node.inputs);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}
