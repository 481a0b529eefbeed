/**
 * Graph values: immutable, typed, with known shapes. A value remembers the node that makes it, so a graph is simply the
 * set of values reachable from its outputs; there is no builder to carry around.
 */
export type DType = 'float32' | 'float64' | 'int64' | 'int32' | 'uint8' | 'bool';

/**
 * One dimension: a size known when the graph is built, or a symbolic length written `T` or `3*T` (a whole multiple of
 * one symbol). Symbols let one session serve every sequence length. A symbolic dimension never broadcasts.
 */
export type Dim = number | string;
export type Shape = readonly Dim[];

export interface Value {
  readonly id: number;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly source: Source;
}

export type Source =
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'constant'; readonly data: ConstantData }
  | { readonly kind: 'weight'; readonly location: WeightLocation }
  | { readonly kind: 'node'; readonly node: Node; readonly output: number };

/** A tensor stored inside the graph, a small one or one of bytes; numbers are rounded to the value's dtype when encoded. */
export type ConstantData = readonly number[] | Float32Array | Float64Array | Uint8Array;

/** How a file stores a weight's numbers: float32, or two bytes of which float32 holds every value exactly. */
export type StoredDtype = 'F32' | 'F16' | 'BF16';

/** A tensor inside a `.safetensors` file: ONNX Runtime maps it from there, nothing is copied. */
export interface WeightLocation {
  readonly name: string;
  /** File name inside the weights folder. */
  readonly file: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly length: number;
  /** The graph's value is float32 whatever this is: where it is read, the encoder has two-byte numbers widened. */
  readonly dtype: StoredDtype;
  /** As `unrepacked` gives it. */
  readonly isUnrepacked?: boolean;
}

export interface Node {
  readonly id: number;
  readonly op: AnyOp;
  readonly inputs: readonly Value[];
  // Each op's own attribute type is known to its record; outside it a node's attributes are opaque.
  readonly attributes: unknown;
  readonly outputs: readonly Value[];
}

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** How a node is written as ONNX: one node of one operator. */
export interface OnnxForm {
  readonly operator: string;
  /** Empty for the standard operators. */
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
  /** Inputs; by default the node's own. `undefined` leaves an optional input out. */
  readonly inputs?: readonly (Value | undefined)[];
}

export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] };

/**
 * One record says all about an operation: its type rule, its gradient and its ONNX lowering.
 * Either `onnx` (one operator) or `decompose` (other operations) must be there; an operation with both is a fused
 * kernel that some providers or dtypes lack, and `decompose` is its meaning.
 */
export interface Op<Attributes> {
  readonly name: string;
  infer(inputs: readonly Value[], attributes: Attributes): readonly TensorType[];
  /**
   * Gradients with respect to each input, `undefined` where there is none (integers, masks). `gradients[i]` belongs
   * to output i and is undefined where nothing flows back into it. An elementwise rule may return the broadcast
   * shape: the driver sums it down. Absent: differentiating the operation fails by its name.
   */
  vjp?(context: VjpContext<Attributes>): readonly (Value | undefined)[];
  onnx?(inputs: readonly Value[], attributes: Attributes): OnnxForm;
  decompose?(inputs: readonly Value[], attributes: Attributes): readonly (Value | undefined)[];
  /** dtypes for which the fused `onnx` form exists; every dtype if absent. */
  readonly fusedFor?: readonly DType[];
  /** Cases for the gradient check against finite differences in double precision. */
  readonly gradientCases?: readonly GradientCase<Attributes>[];
}

export interface VjpContext<Attributes> {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
  readonly gradients: readonly (Value | undefined)[];
  /** Whether anything asks for the gradient of input i; a rule may skip work where not. */
  readonly needs: readonly boolean[];
}

export interface GradientCase<Attributes> {
  readonly attributes: Attributes;
  /** Shapes of the inputs; `values` fixes one (indices, masks), `positive` keeps it away from 0 and below. */
  readonly inputs: readonly {
    readonly shape: readonly number[];
    readonly dtype?: DType;
    readonly values?: readonly number[];
    readonly positive?: boolean;
  }[];
}

// Function parameters are contravariant, so no narrower type accepts every op record.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyOp = Op<any>;

let nextId = 0;

export function makeValue(dtype: DType, shape: Shape, source: Source): Value {
  return { id: nextId++, dtype, shape, source };
}

/** A graph input, fed at each run. */
export function input(name: string, dtype: DType, shape: Shape): Value {
  return makeValue(dtype, shape, { kind: 'input', name });
}

/** A constant stored in the graph; `shape` [] makes a scalar. */
export function constant(data: ConstantData, shape: readonly number[], dtype: DType = 'float32'): Value {
  const size = shape.reduce((product, dim) => product * dim, 1);
  if (size !== data.length) {
    throw new Error(`constant: ${data.length} values do not fill the shape [${shape.join(', ')}]`);
  }
  return makeValue(dtype, shape, { kind: 'constant', data });
}

export function scalar(value: number, dtype: DType = 'float32'): Value {
  return constant([value], [], dtype);
}

/** A frozen float32 weight read from its file. */
export function weight(location: WeightLocation, shape: readonly number[]): Value {
  return makeValue('float32', shape, { kind: 'weight', location });
}

const unrepackedOf = new WeakMap<Value, Value>();

/**
 * A frozen weight as the products that use it find it in its file: the runtime keeps no copy of it in another order, which
 * makes them a little slower. Of any other value, and of two-byte numbers, which are never repacked, the value itself.
 */
export function unrepacked(value: Value): Value {
  if (value.source.kind !== 'weight' || value.source.location.dtype !== 'F32') return value;
  if (value.source.location.isUnrepacked) return value;
  const known = unrepackedOf.get(value);
  if (known) return known;
  const location = { ...value.source.location, isUnrepacked: true };
  const other = makeValue(value.dtype, value.shape, { kind: 'weight', location });
  unrepackedOf.set(value, other);
  return other;
}

/** The node that makes a value; undefined of inputs, constants and weights. */
export const nodeOf = ({ source }: Value): Node | undefined =>
  source.kind === 'node' ? source.node : undefined;

/** Nodes made from now on have this id or a higher one. */
export function nextNodeId(): number {
  return nextId;
}

/** Applies an operation and returns all its outputs. */
export function applyAll<Attributes>(
  op: Op<Attributes>,
  inputs: readonly Value[],
  attributes: Attributes,
): readonly Value[] {
  const types = op.infer(inputs, attributes);
  const outputs: Value[] = [];
  const node: Node = { id: nextId++, op, inputs, attributes, outputs };
  types.forEach((type, output) => {
    outputs.push(makeValue(type.dtype, type.shape, { kind: 'node', node, output }));
  });
  return outputs;
}

/** Applies an operation and returns its first output. */
export function apply<Attributes>(
  op: Op<Attributes>,
  inputs: readonly Value[],
  attributes: Attributes,
): Value {
  return applyAll(op, inputs, attributes)[0]!;
}
