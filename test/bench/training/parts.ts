import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** Where the time of an optimizer update goes. */
export const parts = {
  base: 'frozen layers',
  lora: 'LoRA',
  attention: 'attention',
  vocabulary: 'vocabulary: embedding, head, log-probs, loss',
  elementwise: 'norms, activations, rotary, layout',
  optimizer: 'optimizer: gradient norm, AdamW',
  script: 'other JavaScript: packing, telemetry, sums',
  runtime: 'around kernels: feeds, results, scheduling',
} as const;
export type Part = keyof typeof parts;
/** Parts that a node of the graph can be of. */
export type NodePart = Exclude<Part, 'script' | 'runtime'>;

export interface GraphNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** What an encoded ONNX model says of its graph. */
export interface ReadGraph {
  readonly nodes: readonly GraphNode[];
  /** Names of values stored with the graph, with whether they lie in a file beside it: the model's weights do. */
  readonly initializers: ReadonlyMap<string, { readonly isWeight: boolean }>;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

type FieldReader = Readonly<Record<number, (reader: BinaryReader) => void>>;

/** Reads a message's fields by their numbers in onnx.proto, passing over all others. */
function readMessage(bytes: Uint8Array, fields: FieldReader): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const read = fields[field];
    if (read && type === WireType.LengthDelimited) read(reader);
    else reader.skip(type, field);
  }
}

export function readGraph(model: Uint8Array): ReadGraph {
  const nodes: GraphNode[] = [];
  const initializers = new Map<string, { isWeight: boolean }>();
  const inputs: string[] = [];
  const outputs: string[] = [];
  const text = (into: (value: string) => void) => (reader: BinaryReader) => into(reader.string());
  const message = (fields: FieldReader) => (reader: BinaryReader) => readMessage(reader.bytes(), fields);
  const node = (reader: BinaryReader): void => {
    const found = { operator: '', inputs: [] as string[], outputs: [] as string[] };
    readMessage(reader.bytes(), {
      1: text((name) => found.inputs.push(name)),
      2: text((name) => found.outputs.push(name)),
      4: text((name) => (found.operator = name)),
    });
    nodes.push(found);
  };
  const initializer = (reader: BinaryReader): void => {
    let name = '';
    let isWeight = false;
    readMessage(reader.bytes(), {
      8: text((value) => (name = value)),
      13: (location) => {
        location.bytes();
        isWeight = true;
      },
    });
    initializers.set(name, { isWeight });
  };
  const graph = message({
    1: node,
    5: initializer,
    11: message({ 1: text((name) => inputs.push(name)) }),
    12: message({ 1: text((name) => outputs.push(name)) }),
  });
  readMessage(model, { 7: graph });
  return { nodes, initializers, inputs, outputs };
}

const isProduct = ({ operator }: GraphNode): boolean => /MatMul|Gemm/.test(operator);
const isAttention = ({ operator }: GraphNode): boolean => /Attention/.test(operator);
/** What moves numbers and computes none. */
const layoutOperators = new Set([
  'Identity',
  'Reshape',
  'Transpose',
  'Split',
  'Slice',
  'Concat',
  'Squeeze',
  'Unsqueeze',
  'Expand',
  'Cast',
]);
/** What lies between a product and the gradient that it is a part of. */
const gatheringOperators = new Set([...layoutOperators, 'Add', 'Sum', 'Mul']);
const isVocabulary = (weight: string): boolean => /embed_tokens|lm_head/.test(weight);

/**
 * Which part each node of a training graph belongs to, by where its numbers come from and go to:
 * products with the model's weights are frozen layers or vocabulary; products with the trained numbers, or whose result is
 * gathered into their gradient, are LoRA; all other products of heads are attention, and so is what lies between two of those. What
 * is computed from the head's products alone, and all other products of whole matrices, belong to the vocabulary. A graph that reads no tokens is the optimizer's.
 */
export function attribute(graph: ReadGraph): readonly NodePart[] {
  const { nodes, initializers, inputs } = graph;
  if (!inputs.includes('token_ids')) return nodes.map(() => 'optimizer');
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const weightOf = (name: string): string | undefined =>
    initializers.get(traceBack(name, makers))?.isWeight ? traceBack(name, makers) : undefined;
  const intoGradient = reached(nodes, new Set(['gradient']), (node) => gatheringOperators.has(node.operator));
  const found = new Map<GraphNode, NodePart>();
  /** Nodes that compute from inputs and constants alone. */
  const given = new Set<GraphNode>();

  for (const node of nodes) {
    const weights = node.inputs.map(weightOf).filter((name) => name !== undefined);
    if (isAttention(node)) found.set(node, 'attention');
    else if (weights.some(isVocabulary)) found.set(node, 'vocabulary');
    else if (isProduct(node)) {
      if (weights.length > 0) found.set(node, 'base');
      else if (node.inputs.some((name) => traceBack(name, makers) === 'parameters')) found.set(node, 'lora');
      else if (node.outputs.some((name) => intoGradient.has(name))) found.set(node, 'lora');
    }
    if (found.has(node)) continue;
    // What depends on the head's results, on nothing else that is computed, and not on the layers below.
    const computed = node.inputs
      .flatMap((name) => makers.get(traceBack(name, makers)) ?? [])
      .filter((maker) => !given.has(maker));
    const isHead = (maker: GraphNode): boolean => found.get(maker) === 'vocabulary' && !isEmbedding(maker);
    if (computed.length === 0) given.add(node);
    else if (computed.every(isHead)) found.set(node, 'vocabulary');
    // Attention's are one a head; what is left of whole matrices sums rows for what is told of every token.
    else if (isProduct(node)) found.set(node, node.operator === 'Gemm' ? 'vocabulary' : 'attention');
  }

  const attentionNodes = nodes.filter((node) => found.get(node) === 'attention');
  const before = reached(
    nodes,
    new Set(attentionNodes.flatMap((node) => node.inputs)),
    (node) => !found.has(node),
  );
  const after = new Set(attentionNodes.flatMap((node) => node.outputs));
  for (const node of nodes) {
    if (found.has(node) || !node.inputs.some((name) => after.has(name))) continue;
    node.outputs.forEach((name) => after.add(name));
    if (node.outputs.some((name) => before.has(name))) found.set(node, 'attention');
  }
  return nodes.map((node) => found.get(node) ?? 'elementwise');

  /** The lookup of tokens reads the head's weight where both are tied; what follows from it is the model. */
  function isEmbedding({ operator, inputs: [, indices] }: GraphNode): boolean {
    return operator === 'Gather' && indices !== undefined && traceBack(indices, makers) === 'token_ids';
  }
}

/** The value that a value has its numbers from, unchanged but for their order. */
function traceBack(name: string, makers: ReadonlyMap<string, GraphNode>): string {
  for (let at = name; ;) {
    const maker = makers.get(at);
    if (!maker || !layoutOperators.has(maker.operator)) return at;
    at = maker.inputs[0]!;
  }
}

/** All values from which nodes of a kind lead to one of the given values, these included. */
function reached(
  nodes: readonly GraphNode[],
  values: ReadonlySet<string>,
  leads: (node: GraphNode) => boolean,
): ReadonlySet<string> {
  const found = new Set(values);
  for (const node of nodes.toReversed()) {
    if (leads(node) && node.outputs.some((name) => found.has(name))) {
      node.inputs.forEach((name) => found.add(name));
    }
  }
  return found;
}
