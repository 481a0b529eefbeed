import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { reachableNodes, verify } from './verify.ts';
import type {
  ConstantData,
  DType,
  OnnxAttribute,
  OnnxForm,
  Shape,
  StoredDtype,
  Value,
  WeightLocation,
} from './types.ts';

/**
 * Writes a graph as an ONNX model. Only the dozen messages a plain model needs, by the field numbers of onnx.proto
 * (IR version 10, operator set 21).
 */
const irVersion = 10;
const operatorSets = [
  { domain: '', version: 21 },
  { domain: 'com.microsoft', version: 1 },
];

/** TensorProto.DataType. */
const elementTypes: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
};
const storedTypes: Readonly<Record<StoredDtype, number>> = { F32: 1, F16: 10, BF16: 16 };

/** Bytes of a constant above which it is not looked for among the others: text of its bytes would be as long. */
const longestKey = 1 << 20;

export interface EncodedGraph {
  readonly bytes: Uint8Array;
  readonly inputs: ReadonlyMap<string, Value>;
  /** Whether weights lie outside the bytes, in the weights folder. */
  readonly hasExternalWeights: boolean;
}

/**
 * @param outputs graph outputs by name; every node must have an ONNX form (see lower/)
 * @param repacks whether the runtime will repack frozen weights; if not, an `unrepacked` weight is the weight itself
 * @throws Error where the graph does not verify or a node has none
 */
export function encodeOnnx(outputs: Readonly<Record<string, Value>>, repacks = true): EncodedGraph {
  const results = Object.values(outputs);
  verify(results);
  return new GraphWriter(outputs, repacks).write();
}

class GraphWriter {
  readonly #outputs: Readonly<Record<string, Value>>;
  readonly #repacks: boolean;
  readonly #weights = new Set<string>();
  readonly #names = new Map<Value, string>();
  readonly #constants = new Map<string, string>();
  readonly #inputs = new Map<string, Value>();
  readonly #initializers: Uint8Array[] = [];
  readonly #overridable: Uint8Array[] = [];
  readonly #nodes: Uint8Array[] = [];
  readonly #widenings: Uint8Array[] = [];
  /** Types of what widening makes and reads. */
  readonly #widened: Uint8Array[] = [];
  #externalWeights = false;

  constructor(outputs: Readonly<Record<string, Value>>, repacks: boolean) {
    this.#outputs = outputs;
    this.#repacks = repacks;
  }

  write(): EncodedGraph {
    const results = Object.values(this.#outputs);
    const nodes = reachableNodes(results).map((node) => {
      if (!node.op.onnx) throw new Error(`${node.op.name} has no ONNX form; lower the graph first`);
      return { node, form: node.op.onnx(node.inputs, node.attributes) };
    });
    for (const { node, form } of nodes) {
      const given = form.inputs ?? node.inputs;
      const table = form.operator === 'Gather' ? twoByteWeight(given[0]) : undefined;
      if (table) {
        this.#gatherWidened(form, given as readonly Value[], node.outputs[0]!, table);
        continue;
      }
      const inputs = given.map((value) => (value ? this.#read(value) : ''));
      const names = node.outputs.map((value) => this.#name(value));
      this.#nodes.push(encodeNode(form, inputs, names));
    }
    const aliases = Object.entries(this.#outputs).map(([name, value]) => this.#alias(name, value));

    const graph = new BinaryWriter();
    // Of a node's inputs the runtime begins with the one made last. Written before all else, a widening waits for its product:
    // it is done right before it, and what it makes is freed right after.
    for (const node of [...this.#widenings, ...this.#nodes])
      graph.tag(1, WireType.LengthDelimited).bytes(node);
    graph.tag(2, WireType.LengthDelimited).string('plumbline');
    this.#initializers.forEach((tensor) => graph.tag(5, WireType.LengthDelimited).bytes(tensor));
    for (const [name, value] of this.#inputs) {
      graph.tag(11, WireType.LengthDelimited).bytes(encodeValueInfo(name, value));
    }
    this.#overridable.forEach((info) => graph.tag(11, WireType.LengthDelimited).bytes(info));
    aliases.forEach((info) => graph.tag(12, WireType.LengthDelimited).bytes(info));
    // Without shapes the runtime's planner compares every buffer with every other: 40 s for 10,000 nodes instead of 2.
    for (const { node } of nodes)
      for (const value of node.outputs)
        graph.tag(13, WireType.LengthDelimited).bytes(encodeValueInfo(this.#name(value), value));
    this.#widened.forEach((info) => graph.tag(13, WireType.LengthDelimited).bytes(info));

    const model = new BinaryWriter();
    model.tag(1, WireType.Varint).int64(irVersion);
    model.tag(2, WireType.LengthDelimited).string('plumbline');
    model.tag(7, WireType.LengthDelimited).bytes(graph.finish());
    for (const { domain, version } of operatorSets) {
      const set = new BinaryWriter();
      set.tag(1, WireType.LengthDelimited).string(domain);
      set.tag(2, WireType.Varint).int64(version);
      model.tag(8, WireType.LengthDelimited).bytes(set.finish());
    }
    return { bytes: model.finish(), inputs: this.#inputs, hasExternalWeights: this.#externalWeights };
  }

  /** Graph outputs carry the caller's names, so each gets an Identity of its own. */
  #alias(name: string, value: Value): Uint8Array {
    this.#nodes.push(encodeNode({ operator: 'Identity' }, [this.#read(value)], [name]));
    return encodeValueInfo(name, value);
  }

  /** The name by which a node reads a value. Each reading of a two-byte weight has a float32 copy of its own. */
  #read(value: Value): string {
    const location = twoByteWeight(value);
    if (!location) return this.#name(value);
    const name = `widened${this.#widenings.length}`;
    this.#widenings.push(encodeNode(widening, [this.#name(value)], [name]));
    this.#widened.push(encodeValueInfo(name, value));
    return name;
  }

  /** Rows of a two-byte table: they are widened, not the table. */
  #gatherWidened(form: OnnxForm, given: readonly Value[], rows: Value, { dtype }: WeightLocation): void {
    const narrow = `${this.#name(rows)}_stored`;
    this.#nodes.push(
      encodeNode(
        form,
        given.map((value) => this.#name(value)),
        [narrow],
      ),
      encodeNode(widening, [narrow], [this.#name(rows)]),
    );
    this.#widened.push(encodeTypeInfo(narrow, storedTypes[dtype], rows.shape));
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

function encodeNode(form: OnnxForm, inputs: readonly string[], outputs: readonly string[]): Uint8Array {
  const writer = new BinaryWriter();
  inputs.forEach((name) => writer.tag(1, WireType.LengthDelimited).string(name));
  outputs.forEach((name) => writer.tag(2, WireType.LengthDelimited).string(name));
  writer.tag(4, WireType.LengthDelimited).string(form.operator);
  for (const [name, attribute] of Object.entries(form.attributes ?? {})) {
    writer.tag(5, WireType.LengthDelimited).bytes(encodeAttribute(name, attribute));
  }
  if (form.domain) writer.tag(7, WireType.LengthDelimited).string(form.domain);
  return writer.finish();
}

function rawBytes(data: ConstantData, dtype: DType): Uint8Array {
  if (data instanceof Uint8Array) return data;
  const typed =
    dtype === 'float32'
      ? Float32Array.from(data)
      : dtype === 'float64'
        ? Float64Array.from(data)
        : dtype === 'int64'
          ? BigInt64Array.from(data as readonly number[], (value) => BigInt(value))
          : dtype === 'int32'
            ? Int32Array.from(data)
            : Uint8Array.from(data);
  return new Uint8Array(typed.buffer);
}

function tensorHead(name: string, shape: Shape, elementType: number): BinaryWriter {
  const writer = new BinaryWriter();
  shape.forEach((dim) => writer.tag(1, WireType.Varint).int64(dim as number));
  writer.tag(2, WireType.Varint).int32(elementType);
  writer.tag(8, WireType.LengthDelimited).string(name);
  return writer;
}

function encodeTensor(name: string, value: Value, raw: Uint8Array): Uint8Array {
  return tensorHead(name, value.shape, elementTypes[value.dtype])
    .tag(9, WireType.LengthDelimited)
    .bytes(raw)
    .finish();
}

function encodeExternal(location: WeightLocation, value: Value): Uint8Array {
  const writer = tensorHead(location.name, value.shape, storedTypes[location.dtype]);
  const entries = {
    location: location.file,
    offset: String(location.offset),
    length: String(location.length),
  };
  for (const [key, text] of Object.entries(entries)) {
    const entry = new BinaryWriter();
    entry.tag(1, WireType.LengthDelimited).string(key);
    entry.tag(2, WireType.LengthDelimited).string(text);
    writer.tag(13, WireType.LengthDelimited).bytes(entry.finish());
  }
  const external = 1;
  return writer.tag(14, WireType.Varint).int32(external).finish();
}

function encodeAttribute(name: string, attribute: OnnxAttribute): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(name);
  let type: number;
  if ('float' in attribute) {
    writer.tag(2, WireType.Bit32).float(attribute.float);
    type = 1;
  } else if ('int' in attribute) {
    writer.tag(3, WireType.Varint).int64(attribute.int);
    type = 2;
  } else if ('string' in attribute) {
    writer.tag(4, WireType.LengthDelimited).string(attribute.string);
    type = 3;
  } else {
    attribute.ints.forEach((value) => writer.tag(8, WireType.Varint).int64(value));
    type = 7;
  }
  return writer.tag(20, WireType.Varint).int32(type).finish();
}

function encodeShape(shape: Shape): Uint8Array {
  const writer = new BinaryWriter();
  for (const dim of shape) {
    const encoded = new BinaryWriter();
    if (typeof dim === 'number') encoded.tag(1, WireType.Varint).int64(dim);
    else encoded.tag(2, WireType.LengthDelimited).string(dim);
    writer.tag(1, WireType.LengthDelimited).bytes(encoded.finish());
  }
  return writer.finish();
}

function encodeValueInfo(name: string, value: Value): Uint8Array {
  return encodeTypeInfo(name, elementTypes[value.dtype], value.shape);
}

function encodeTypeInfo(name: string, elementType: number, shape: Shape): Uint8Array {
  const tensor = new BinaryWriter();
  tensor.tag(1, WireType.Varint).int32(elementType);
  tensor.tag(2, WireType.LengthDelimited).bytes(encodeShape(shape));
  const type = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(tensor.finish());
  const info = new BinaryWriter();
  info.tag(1, WireType.LengthDelimited).string(name);
  info.tag(2, WireType.LengthDelimited).bytes(type.finish());
  return info.finish();
}
