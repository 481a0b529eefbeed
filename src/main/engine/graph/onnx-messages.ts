import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
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

/** TensorProto.DataType. */
export const elementTypes: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
};
export const storedTypes: Readonly<Record<StoredDtype, number>> = { F32: 1, F16: 10, BF16: 16 };

/** Beside an operation's own: an encoded tensor, an encoded graph. */
type WrittenAttribute = OnnxAttribute | { readonly tensor: Uint8Array } | { readonly graph: Uint8Array };

interface WrittenForm extends Omit<OnnxForm, 'attributes' | 'inputs'> {
  readonly attributes?: Readonly<Record<string, WrittenAttribute>>;
}

export function encodeNode(
  form: WrittenForm,
  inputs: readonly string[],
  outputs: readonly string[],
): Uint8Array {
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

export function rawBytes(data: ConstantData, dtype: DType): Uint8Array {
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

export function encodeTensor(name: string, value: Value, raw: Uint8Array): Uint8Array {
  return tensorHead(name, value.shape, elementTypes[value.dtype])
    .tag(9, WireType.LengthDelimited)
    .bytes(raw)
    .finish();
}

export function encodeExternal(location: WeightLocation, value: Value): Uint8Array {
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

function encodeAttribute(name: string, attribute: WrittenAttribute): Uint8Array {
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
  } else if ('tensor' in attribute) {
    writer.tag(5, WireType.LengthDelimited).bytes(attribute.tensor);
    type = 4;
  } else if ('graph' in attribute) {
    writer.tag(6, WireType.LengthDelimited).bytes(attribute.graph);
    type = 5;
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

export function encodeValueInfo(name: string, value: Value): Uint8Array {
  return encodeTypeInfo(name, elementTypes[value.dtype], value.shape);
}

export function encodeTypeInfo(name: string, elementType: number, shape: Shape): Uint8Array {
  const info = new BinaryWriter();
  info.tag(1, WireType.LengthDelimited).string(name);
  info.tag(2, WireType.LengthDelimited).bytes(encodeType(elementType, shape));
  return info.finish();
}

/** A graph of 20,000 values has some hundred types. */
const encodedTypes = new Map<string, Uint8Array>();
const mostTypes = 4096;

function encodeType(elementType: number, shape: Shape): Uint8Array {
  const key = `${elementType} ${shape.join()}`;
  const known = encodedTypes.get(key);
  if (known) return known;
  const tensor = new BinaryWriter();
  tensor.tag(1, WireType.Varint).int32(elementType);
  tensor.tag(2, WireType.LengthDelimited).bytes(encodeShape(shape));
  const type = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(tensor.finish()).finish();
  if (encodedTypes.size >= mostTypes) encodedTypes.clear();
  encodedTypes.set(key, type);
  return type;
}

/** Only the dozen messages that a plain model needs are written, by the field numbers of onnx.proto. */
const irVersion = 10;
const operatorSets = [
  { domain: '', version: 21 },
  { domain: 'com.microsoft', version: 1 },
];

/** @param graph a GraphProto */
export function encodeModel(graph: Uint8Array): Uint8Array {
  const model = new BinaryWriter();
  model.tag(1, WireType.Varint).int64(irVersion);
  model.tag(2, WireType.LengthDelimited).string('plumbline');
  model.tag(7, WireType.LengthDelimited).bytes(graph);
  for (const { domain, version } of operatorSets) {
    const set = new BinaryWriter();
    set.tag(1, WireType.LengthDelimited).string(domain);
    set.tag(2, WireType.Varint).int64(version);
    model.tag(8, WireType.LengthDelimited).bytes(set.finish());
  }
  return model.finish();
}
