import { add, concat, matmul, reshape, split } from '../graph/ops/index.ts';
import { weight, type Value } from '../graph/types.ts';
import type { FrozenTensor, FrozenWeights, LinearLayer, Parameters } from './family.ts';

/** Most bytes of a float32 copy that a product with two-byte numbers needs at once, as far as blocks of rows can be smaller. */
const largestCopy = 64 << 20;

/** Weights read from their files; they carry no gradient. */
export function frozenParameters(weights: FrozenWeights): Parameters {
  const made = new Map<string, Value>();
  const find = (name: string): FrozenTensor => {
    const tensor = weights.tensors.get(name);
    if (!tensor) throw new Error(`the model has no tensor ${name}`);
    return tensor;
  };
  const tensor = (name: string, shape: readonly number[]): Value => {
    const known = made.get(name);
    if (known) return known;
    const { file, offset, length, dtype } = find(name);
    const value = weight({ name, file, offset, length, dtype }, shape);
    made.set(name, value);
    return value;
  };
  return parametersFrom(tensor, (name, [rows, columns]) => {
    const { file, offset, dtype } = find(name);
    const count = dtype === 'F32' ? 1 : Math.ceil((4 * rows * columns) / largestCopy);
    if (count === 1) return [tensor(name, [rows, columns])];
    const height = Math.ceil(rows / count);
    const rowBytes = 2 * columns;
    return Array.from({ length: Math.ceil(rows / height) }, (_, block) => {
      const start = block * height;
      const own = Math.min(height, rows - start);
      const place = { file, offset: offset + start * rowBytes, length: own * rowBytes, dtype };
      return weight({ name: `${name}[${start}:${start + own}]`, ...place }, [own, columns]);
    });
  });
}

/** Weights that are graph values already: trainable ones, or constants in tests. */
export function valueParameters(values: ReadonlyMap<string, Value>): Parameters {
  const tensor = (name: string): Value => {
    const value = values.get(name);
    if (!value) throw new Error(`there is no parameter ${name}`);
    return value;
  };
  return parametersFrom(tensor, (name) => [tensor(name)]);
}

function parametersFrom(tensor: Parameters['tensor'], blocks: Parameters['blocks']): Parameters {
  const linear: Parameters['linear'] = (path, x, sizes) => {
    const product = matmul(x, tensor(`${path}.weight`, [sizes.out, sizes.in]), { transposeB: true });
    return sizes.bias ? add(product, tensor(`${path}.bias`, [sizes.out])) : product;
  };
  return {
    tensor,
    blocks,
    linear,
    linears: (x, layers) => layers.map(({ path, sizes }) => linear(path, x, sizes)),
  };
}

/** One linear layer's low-rank update: x → scale · (x Aᵀ) Bᵀ with A [rank, in] and B [out, rank]. */
export interface AdapterValues {
  readonly a: Value;
  readonly b: Value;
}

/**
 * LoRA (Hu et al. 2021) on top of other parameters, as PEFT computes it: base(x) + B(A(x))·scale. With B = 0 the
 * second term is exactly 0, and so is every log-ratio to the base.
 */
export function withAdapter(
  base: Parameters,
  layers: ReadonlyMap<string, AdapterValues>,
  scale: number,
): Parameters {
  // Thin products are slow: the first factors of layers that read the same x are multiplied as one, [N, Σ rank].
  const linears: Parameters['linears'] = (x, all) => {
    const products = base.linears(x, all);
    const adapters = all.map(({ path }) => layers.get(path));
    const firsts = adapters.flatMap((adapter) => adapter?.a ?? []);
    if (firsts.length === 0) return products;
    const inner = matmul(x, firsts.length === 1 ? firsts[0]! : concat(firsts, 0), {
      transposeB: true,
      alpha: scale,
    });
    const ranks = firsts.map(({ shape }) => shape[0] as number);
    const inners = firsts.length === 1 ? [inner] : split(inner, ranks, 1);
    let next = 0;
    return products.map((product, place) => {
      const adapter = adapters[place];
      return adapter ? add(product, matmul(inners[next++]!, adapter.b, { transposeB: true })) : product;
    });
  };
  return {
    tensor: (name, shape) => base.tensor(name, shape),
    blocks: (name, shape) => base.blocks(name, shape),
    linear: (path, x, sizes) => linears(x, [{ path, sizes }])[0]!,
    linears,
  };
}

/** Where each trainable tensor lies in one flat vector: the graph has a single parameter input and gradient output. */
export interface ParameterLayout {
  readonly entries: readonly LayoutEntry[];
  readonly size: number;
}

export interface LayoutEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly size: number;
}

export function makeLayout(
  shapes: Iterable<readonly [name: string, shape: readonly number[]]>,
): ParameterLayout {
  const entries: LayoutEntry[] = [];
  let offset = 0;
  for (const [name, shape] of shapes) {
    const size = shape.reduce((product, dim) => product * dim, 1);
    entries.push({ name, shape, offset, size });
    offset += size;
  }
  return { entries, size: offset };
}

export const loraA = (path: string): string => `${path}.lora_A`;
export const loraB = (path: string): string => `${path}.lora_B`;

/** A and B of each target, in forward order. */
export function loraLayout(layers: readonly LinearLayer[], rank: number): ParameterLayout {
  return makeLayout(
    layers.flatMap((layer) => [
      [loraA(layer.path), [rank, layer.in]] as const,
      [loraB(layer.path), [layer.out, rank]] as const,
    ]),
  );
}

/** The tensors of a flat parameter value [size]. */
export function layoutValues(flat: Value, layout: ParameterLayout): ReadonlyMap<string, Value> {
  const pieces = split(
    flat,
    layout.entries.map(({ size }) => size),
  );
  return new Map(layout.entries.map(({ name, shape }, place) => [name, reshape(pieces[place]!, shape)]));
}

export function adapterValues(
  values: ReadonlyMap<string, Value>,
  layers: readonly LinearLayer[],
): ReadonlyMap<string, AdapterValues> {
  return new Map(
    layers.map(({ path }) => [path, { a: values.get(loraA(path))!, b: values.get(loraB(path))! }]),
  );
}
