import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { encodeNode, encodeTensor, encodeValueInfo } from './onnx-messages.ts';
import { input, type Value } from './types.ts';

/** Nodes of the graph, of one branch or of a round, and what has to be read wider for them. */
export class Scope {
  readonly #nodes: Uint8Array[] = [];
  readonly #widenings: Uint8Array[] = [];
  readonly #types: Uint8Array[] = [];

  add(node: Uint8Array): void {
    this.#nodes.push(node);
  }

  /** @param type of what it makes */
  widen(node: Uint8Array, type: Uint8Array): void {
    this.#widenings.push(node);
    this.#types.push(type);
  }

  /** The type of a value that no node of ours has. */
  declare(type: Uint8Array): void {
    this.#types.push(type);
  }

  /** @param ends written behind all nodes */
  write(graph: BinaryWriter, ends: readonly Uint8Array[] = []): void {
    // Of a node's inputs the runtime begins with the one made last. Written before all else, a widening waits for its product:
    // it is done right before it, and what it makes is freed right after.
    for (const node of [...this.#widenings, ...this.#nodes, ...ends])
      graph.tag(1, WireType.LengthDelimited).bytes(node);
  }

  writeTypes(graph: BinaryWriter): void {
    this.#types.forEach((info) => graph.tag(13, WireType.LengthDelimited).bytes(info));
  }
}

export interface WrittenRound {
  /** What the rounds together make, by name. */
  readonly names: readonly string[];
  /** The name by which a round is told to go on. */
  readonly condition: string;
  readonly round: { readonly name: string; readonly value: Value };
  /** What one round makes. */
  readonly results: readonly { readonly name: string; readonly value: Value }[];
}

/** Writes the body of a Loop: it gets what the rounds before have made, and puts its own rows behind them. */
export function writeRound(
  body: BinaryWriter,
  scope: Scope,
  { names, condition, round, results }: WrittenRound,
): void {
  const goesOn = `${condition}_too`;
  const flag = input(condition, 'bool', []);
  const carried = results.map(({ name, value }, place) => {
    const [before, after] = [`${names[place]}_before`, `${names[place]}_after`];
    const joined = { operator: 'Concat', attributes: { axis: { int: 0 } } };
    const typed = (own: string): Uint8Array =>
      encodeValueInfo(own, { ...value, shape: [own, ...value.shape.slice(1)] });
    return { node: encodeNode(joined, [before, name], [after]), before: typed(before), after: typed(after) };
  });
  const ends = carried.map(({ node }) => node);
  scope.write(body, [encodeNode({ operator: 'Identity' }, [condition], [goesOn]), ...ends]);
  body.tag(2, WireType.LengthDelimited).string('round');
  const given = [encodeValueInfo(round.name, round.value), encodeValueInfo(condition, flag)];
  for (const info of [...given, ...carried.map(({ before }) => before)])
    body.tag(11, WireType.LengthDelimited).bytes(info);
  for (const info of [encodeValueInfo(goesOn, flag), ...carried.map(({ after }) => after)])
    body.tag(12, WireType.LengthDelimited).bytes(info);
}

/** The branch that is taken where nobody asks: its results have no elements. */
export function writeNothing(
  results: readonly { readonly name: string; readonly value: Value }[],
): Uint8Array {
  const branch = new BinaryWriter();
  // No rows; if rounds make them, those of one round follow those of another.
  const none = results.map(({ name, value }) => ({
    name,
    value: {
      ...value,
      shape: value.shape.map((dim, axis) => (axis === 0 || typeof dim === 'string' ? 0 : dim)),
    },
  }));
  for (const { name, value } of none) {
    const tensor = encodeTensor(name, value, new Uint8Array());
    const form = { operator: 'Constant', attributes: { value: { tensor } } };
    branch.tag(1, WireType.LengthDelimited).bytes(encodeNode(form, [], [name]));
  }
  branch.tag(2, WireType.LengthDelimited).string('unwanted');
  for (const { name, value } of none)
    branch.tag(12, WireType.LengthDelimited).bytes(encodeValueInfo(name, value));
  return branch.finish();
}
