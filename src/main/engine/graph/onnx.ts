import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { missingNodes, reachableNodes, verify } from './verify.ts';
import {
  elementTypes,
  encodeExternal,
  encodeModel,
  encodeNode,
  encodeTensor,
  encodeTypeInfo,
  encodeValueInfo,
  rawBytes,
  storedTypes,
} from './onnx-messages.ts';
import { placeNodes, type Placement } from './branches.ts';
import { constant, input as makeInput, nodeOf } from './types.ts';
import { Scope, writeNothing, writeRound } from './onnx-scope.ts';
import { eitherOp, onDemandOp } from './ops/blocks.ts';
import { roundsOp, type RoundsAttributes } from './ops/rounds.ts';
import type { Node, OnnxForm, Value, WeightLocation } from './types.ts';

/** Bytes of a constant above which it is not looked for among the others: text of its bytes would be as long. */
const longestKey = 1 << 20;

export interface EncodedGraph {
  readonly bytes: Uint8Array;
  readonly inputs: ReadonlyMap<string, Value>;
  /** Whether weights lie outside the bytes, in the weights folder. */
  readonly hasExternalWeights: boolean;
}

/** Outputs that a run may leave out, with all that only they need. */
export interface OnDemand {
  /** The graph's bool input [] by which a run asks for them. */
  readonly input: string;
  /** Names of outputs; a run that does not ask for them gets them with no elements. */
  readonly outputs: readonly string[];
  /**
   * Names of values that are no outputs, in groups that are made one after the other. What a group reads is kept until all of it is
   * there: the more groups, the earlier memory is free for others.
   */
  readonly stages?: readonly (readonly string[])[];
}

/**
 * Writes a graph as an ONNX model.
 * @param outputs graph outputs by name; every node must have an ONNX form (see lower/)
 * @param options repacks: whether the runtime will repack frozen weights; if not, an `unrepacked` weight is the weight itself
 * @throws Error where the graph does not verify or a node has none
 */
export function encodeOnnx(
  outputs: Readonly<Record<string, Value>>,
  { repacks = true, onDemand }: { readonly repacks?: boolean; readonly onDemand?: OnDemand | undefined } = {},
): EncodedGraph {
  const results = Object.values(outputs);
  verify(results);
  return new GraphWriter(outputs, repacks, onDemand).write();
}

class GraphWriter {
  readonly #outputs: readonly (readonly [string, Value])[];
  /** Their names. */
  readonly #given: ReadonlySet<string>;
  /** Asked for, and made where the graph makes them (`onDemandOp`). */
  readonly #inPlace: readonly (readonly [string, Value])[];
  /** Asked for, and made after all else. */
  readonly #onDemand: readonly (readonly [string, Value])[];
  readonly #stages: readonly (readonly Value[])[];
  readonly #condition: string | undefined;
  readonly #repacks: boolean;
  readonly #weights = new Set<string>();
  readonly #names = new Map<Value, string>();
  readonly #constants = new Map<string, string>();
  readonly #inputs = new Map<string, Value>();
  readonly #initializers: Uint8Array[] = [];
  readonly #overridable: Uint8Array[] = [];
  /** What nodes or the caller read: rounds make nothing else. */
  readonly #used: ReadonlySet<Value>;
  /** Nodes of the graph, not of a branch or of rounds. */
  readonly #made = new Set<Node>();
  readonly #isMade = (node: Node): boolean => this.#made.has(node);
  #scope = new Scope();
  #widened = 0;
  #branches = 0;
  #externalWeights = false;

  constructor(outputs: Readonly<Record<string, Value>>, repacks: boolean, onDemand: OnDemand | undefined) {
    const asked = new Set(onDemand?.outputs);
    const staged = new Set(onDemand?.stages?.flat());
    const all = Object.entries(outputs);
    const isInPlace = ([, value]: (typeof all)[number]): boolean =>
      [onDemandOp, roundsOp].some((op) => nodeOf(value)?.op === op);
    this.#outputs = all.filter(([name]) => !asked.has(name) && !staged.has(name));
    this.#given = new Set(this.#outputs.map(([name]) => name));
    this.#inPlace = all.filter((entry) => asked.has(entry[0]) && isInPlace(entry));
    this.#onDemand = all.filter((entry) => asked.has(entry[0]) && !isInPlace(entry));
    this.#stages = (onDemand?.stages ?? []).map((names) => names.map((name) => outputs[name]!));
    this.#condition = onDemand?.input;
    const values = Object.values(outputs);
    this.#used = new Set([...values, ...reachableNodes(values).flatMap(({ inputs }) => inputs)]);
    this.#repacks = repacks;
  }

  write(): EncodedGraph {
    const placement = this.#place([...this.#outputs, ...this.#inPlace].map(([, value]) => value));
    const { nodes, branches } = placement;
    for (const node of [...nodes, ...[...branches.values()].flat(2)]) this.#made.add(node);
    this.#nameOutputs(new Set(nodes));
    this.#addAll(placement);
    const results = this.#outputs.map(([name, value]) => this.#alias(name, value));
    this.#inPlace.forEach(([name, value]) => this.#alias(name, value));
    this.#addBranches();
    results.push(
      // Of a length that only the run decides.
      ...[...this.#inPlace, ...this.#onDemand].map(([name, value]) =>
        encodeValueInfo(name, { ...value, shape: value.shape.map((_, axis) => `${name}_${axis}`) }),
      ),
    );

    const graph = new BinaryWriter();
    this.#scope.write(graph);
    graph.tag(2, WireType.LengthDelimited).string('plumbline');
    this.#initializers.forEach((tensor) => graph.tag(5, WireType.LengthDelimited).bytes(tensor));
    for (const [name, value] of this.#inputs) {
      graph.tag(11, WireType.LengthDelimited).bytes(encodeValueInfo(name, value));
    }
    this.#overridable.forEach((info) => graph.tag(11, WireType.LengthDelimited).bytes(info));
    results.forEach((info) => graph.tag(12, WireType.LengthDelimited).bytes(info));
    this.#writeShapes(graph, nodes);
    this.#scope.writeTypes(graph);

    return {
      bytes: encodeModel(graph.finish()),
      inputs: this.#inputs,
      hasExternalWeights: this.#externalWeights,
    };
  }

  /** What a node of every run makes has the caller's name at once. */
  #nameOutputs(made: ReadonlySet<Node>): void {
    for (const [name, value] of this.#outputs) {
      const node = nodeOf(value);
      if (node && made.has(node) && node.op !== onDemandOp && !this.#names.has(value))
        this.#names.set(value, name);
    }
  }

  /** What values need of nodes that are not made yet. */
  #place(values: readonly Value[]): Placement {
    return placeNodes(values, this.#condition !== undefined, this.#isMade);
  }

  #addAll({ nodes, branches }: Placement): void {
    for (const node of nodes) {
      const parts = branches.get(node);
      if (node.op === roundsOp) this.#addRounds(node);
      else if (!parts) this.#add(node);
      else if (node.op === eitherOp) this.#choose(node, parts);
      else this.#guard(node, parts[0]!);
    }
  }

  /** Adds nodes to a scope of their own. */
  #within(add: () => void): Scope {
    const outer = this.#scope;
    const own = new Scope();
    this.#scope = own;
    add();
    this.#scope = outer;
    return own;
  }

  /** Each round adds its rows to those of the rounds before. */
  #addRounds({ inputs: [count], attributes, outputs: all }: Node): void {
    const { round, results: made } = attributes as RoundsAttributes;
    const outputs = all.filter((value) => this.#used.has(value));
    const results = made.filter((_, place) => this.#used.has(all[place]!));
    const names = outputs.map((value) => this.#name(value));
    const condition = `${names[0]}_goes_on`;
    this.#names.set(round, `${names[0]}_round`);
    const placement = this.#place(results);
    const own = this.#within(() => this.#addAll(placement));
    const body = new BinaryWriter();
    writeRound(body, own, {
      names,
      condition,
      round: { name: this.#name(round), value: round },
      results: results.map((value) => ({ name: this.#name(value), value })),
    });
    this.#writeShapes(body, placement.nodes);
    own.writeTypes(body);
    const none = results.map(({ dtype, shape: [, ...rest] }) =>
      this.#name(constant([], [0, ...(rest as number[])], dtype)),
    );
    const loop = { operator: 'Loop', attributes: { body: { graph: body.finish() } } };
    this.#scope.add(encodeNode(loop, [this.#name(count!), '', ...none], names));
  }

  #guard(guard: Node, own: readonly Node[]): void {
    const only = new Set(own);
    if (guard.inputs.some((value) => !only.has(nodeOf(value)!)))
      throw new Error('what is on demand is there without being asked for');
    const condition = this.#name(makeInput(this.#condition!, 'bool', []));
    this.#scope.add(this.#branch(condition, own, guard.inputs, new Map()));
    guard.outputs.forEach((value, place) => this.#names.set(value, this.#name(guard.inputs[place]!)));
  }

  /** One of two values, each made where it is the one. */
  #choose(node: Node, parts: readonly (readonly Node[])[]): void {
    const [condition, ...values] = node.inputs;
    const [output] = node.outputs;
    const name = this.#name(output!);
    const [wanted, other] = ['then', 'else'].map((branch, place) =>
      this.#subgraph(branch, parts[place]!, [values[place]!], [`${name}_${branch}`]),
    );
    const attributes = { then_branch: { graph: wanted! }, else_branch: { graph: other! } };
    this.#scope.add(encodeNode({ operator: 'If', attributes }, [this.#name(condition!)], [name]));
  }

  #add(node: Node): void {
    if (node.op === onDemandOp) {
      node.outputs.forEach((value, place) => this.#names.set(value, this.#read(node.inputs[place]!)));
      return;
    }
    if (!node.op.onnx) throw new Error(`${node.op.name} has no ONNX form; lower the graph first`);
    const form = node.op.onnx(node.inputs, node.attributes);
    const given = form.inputs ?? node.inputs;
    const table = form.operator === 'Gather' ? twoByteWeight(given[0]) : undefined;
    if (table) {
      this.#gatherWidened(form, given as readonly Value[], node.outputs[0]!, table);
      return;
    }
    const inputs = given.map((value) => (value ? this.#read(value) : ''));
    const names = node.outputs.map((value) => this.#name(value));
    this.#scope.add(encodeNode(form, inputs, names));
  }

  /** Without shapes the runtime's planner compares every buffer with every other: 40 s for 10,000 nodes instead of 2. */
  #writeShapes(graph: BinaryWriter, nodes: readonly Node[]): void {
    // What is on demand has no shape of its own that every run has.
    const told = nodes.filter(({ op }) => op !== onDemandOp && op !== roundsOp);
    for (const value of told.flatMap(({ outputs }) => outputs))
      if (!this.#given.has(this.#name(value)))
        graph.tag(13, WireType.LengthDelimited).bytes(encodeValueInfo(this.#name(value), value));
  }

  /**
   * What only the outputs on demand need, as one node for each stage: it reads what the graph and the stages before have made.
   */
  #addBranches(): void {
    if (this.#onDemand.length === 0) return;
    const outputs = new Map(this.#onDemand.map(([name, value]) => [value, name]));
    const condition = this.#name(makeInput(this.#condition!, 'bool', []));
    const stages = [...this.#stages, [...outputs.keys()]].map((values) => {
      const nodes = missingNodes(values, this.#isMade);
      nodes.forEach((node) => this.#made.add(node));
      return { nodes, passedOn: new Set<Value>() };
    });
    const stageOf = new Map(stages.flatMap((stage) => stage.nodes.map((node) => [node, stage])));
    for (const stage of stages) {
      for (const value of stage.nodes.flatMap(({ inputs }) => inputs)) {
        const from = stageOf.get(nodeOf(value)!);
        if (from !== stage) from?.passedOn.add(value);
      }
    }
    for (const [value, name] of outputs) {
      const from = stageOf.get(nodeOf(value)!);
      if (!from) throw new Error(`${name} is there without being asked for`);
      from.passedOn.add(value);
    }
    for (const { nodes, passedOn } of stages)
      if (passedOn.size > 0) this.#scope.add(this.#branch(condition, nodes, [...passedOn], outputs));
  }

  /**
   * The graph of a branch that makes these nodes.
   * @param names by which it gives out results that others have made
   */
  #subgraph(
    name: string,
    nodes: readonly Node[],
    results: readonly Value[],
    names: readonly string[],
  ): Uint8Array {
    const made = new Set(nodes);
    let handed: readonly string[] = [];
    const own = this.#within(() => {
      nodes.forEach((node) => this.#add(node));
      handed = results.map((value, place) => {
        const node = nodeOf(value);
        if (node && made.has(node) && node.op !== onDemandOp) return this.#name(value);
        this.#scope.add(encodeNode({ operator: 'Identity' }, [this.#read(value)], [names[place]!]));
        return names[place]!;
      });
    });
    const graph = new BinaryWriter();
    own.write(graph);
    graph.tag(2, WireType.LengthDelimited).string(name);
    handed.forEach((given, place) =>
      graph.tag(12, WireType.LengthDelimited).bytes(encodeValueInfo(given, results[place]!)),
    );
    this.#writeShapes(graph, nodes);
    own.writeTypes(graph);
    return graph.finish();
  }

  #branch(
    condition: string,
    nodes: readonly Node[],
    results: readonly Value[],
    outputs: ReadonlyMap<Value, string>,
  ): Uint8Array {
    const places = results.map((_, place) => `b${this.#branches}_${place}`);
    this.#branches += 1;
    const wanted = this.#subgraph('wanted', nodes, results, places);

    const none = results.map((value, place) => ({ name: `${places[place]}_none`, value }));
    // A name counts for the whole graph: what a branch hands on has another outside.
    const names = results.map((value, place) => outputs.get(value) ?? `${places[place]}_handed`);
    results.forEach((value, place) => this.#names.set(value, names[place]!));
    const attributes = {
      then_branch: { graph: wanted },
      else_branch: { graph: writeNothing(none) },
    };
    return encodeNode({ operator: 'If', attributes }, [condition], names);
  }

  /** Graph outputs carry the caller's names: what is no node's gets an Identity of its own, or has two names. */
  #alias(name: string, value: Value): Uint8Array {
    if (this.#names.get(value) !== name)
      this.#scope.add(encodeNode({ operator: 'Identity' }, [this.#read(value)], [name]));
    return encodeValueInfo(name, value);
  }

  /** The name by which a node reads a value. Each reading of a two-byte weight has a float32 copy of its own. */
  #read(value: Value): string {
    const location = twoByteWeight(value);
    if (!location) return this.#name(value);
    const name = `widened${this.#widened++}`;
    this.#scope.widen(encodeNode(widening, [this.#name(value)], [name]), encodeValueInfo(name, value));
    return name;
  }

  /** Rows of a two-byte table: they are widened, not the table. */
  #gatherWidened(form: OnnxForm, given: readonly Value[], rows: Value, { dtype }: WeightLocation): void {
    const narrow = `${this.#name(rows)}_stored`;
    this.#scope.add(
      encodeNode(
        form,
        given.map((value) => this.#name(value)),
        [narrow],
      ),
    );
    this.#scope.add(encodeNode(widening, [narrow], [this.#name(rows)]));
    this.#scope.declare(encodeTypeInfo(narrow, storedTypes[dtype], rows.shape));
  }

  #name(value: Value): string {
    const known = this.#names.get(value);
    if (known !== undefined) return known;
    const name = this.#newName(value);
    this.#names.set(value, name);
    return name;
  }

  #newName(value: Value): string {
    const { source } = value;
    switch (source.kind) {
      case 'input':
        this.#inputs.set(source.name, value);
        return source.name;
      case 'node':
        // Names count from 0 in each graph, so that the same graph always encodes to the same bytes.
        return `v${this.#names.size}`;
      case 'weight': {
        this.#externalWeights = true;
        const { location } = source;
        const isApart = location.isUnrepacked === true && this.#repacks;
        const name = isApart ? `${location.name} as it lies` : location.name;
        if (this.#weights.has(name)) return name;
        this.#weights.add(name);
        this.#initializers.push(encodeExternal({ ...location, name }, value));
        // What a caller could feed is no constant to the runtime, and only constants are repacked.
        if (isApart) this.#overridable.push(encodeValueInfo(name, value));
        return name;
      }
      case 'constant': {
        const raw = rawBytes(source.data, value.dtype);
        const key =
          raw.byteLength > longestKey
            ? `constant ${value.id}`
            : `${value.dtype}[${value.shape.join()}]${Buffer.from(raw).toString('base64')}`;
        const known = this.#constants.get(key);
        if (known !== undefined) return known;
        const name = `c${this.#constants.size}`;
        this.#constants.set(key, name);
        this.#initializers.push(encodeTensor(name, value, raw));
        return name;
      }
    }
  }
}

const widening: OnnxForm = { operator: 'Cast', attributes: { to: { int: elementTypes.float32 } } };

function twoByteWeight(value: Value | undefined): WeightLocation | undefined {
  return value?.source.kind === 'weight' && value.source.location.dtype !== 'F32'
    ? value.source.location
    : undefined;
}
