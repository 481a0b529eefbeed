import type { RotaryTables } from '../graph/ops/index.ts';
import type { Dim, StoredDtype, Value } from '../graph/types.ts';
import type { DecoderConfig } from './config.ts';

/**
 * Where a model's tensors come from: frozen weights, trainable ones, adapters on top. Names are Hugging Face's.
 */
export interface Parameters {
  /** A weight by its full name. */
  tensor(name: string, shape: readonly number[]): Value;
  /**
   * The same [rows, columns] as blocks of consecutive rows, so that no product needs a large float32 copy of two-byte numbers;
   * one block where nothing is copied.
   */
  blocks(name: string, shape: readonly [rows: number, columns: number]): readonly Value[];
  /** x [N, in] through a linear layer [out, in] at a module path, its adapter included → [N, out]. */
  linear(path: string, x: Value, sizes: LinearSizes): Value;
  /** The same x through several linear layers: their adapters share products. */
  linears(
    x: Value,
    layers: readonly { readonly path: string; readonly sizes: LinearSizes }[],
  ): readonly Value[];
}

export interface LinearSizes {
  readonly in: number;
  readonly out: number;
  readonly bias: boolean;
}

/** What attention does with one layer's projections: whole packed sequences, or one more token on a cache. */
export interface Attention {
  /**
   * @param query [batch·length, heads·headSize]
   * @param key, value [batch·length, keyValueHeads·headSize]
   * @returns [batch·length, heads·headSize]
   */
  attend(layer: number, query: Value, key: Value, value: Value): Value;
}

export interface ForwardInputs {
  readonly batch: number;
  /** Length of each sequence: a symbol. */
  readonly length: Dim;
  /** int64 [batch·length] */
  readonly tokenIds: Value;
  /** int64 [batch, length] */
  readonly positions: Value;
  readonly rotary: RotaryTables;
  readonly attention: Attention;
  /** The places among the batch·length that are asked for, int64 [N]: the last layer goes on with these alone. All if absent. */
  readonly rows?: Value | undefined;
  /** Told the hidden states before the first layer and after each one: [batch·length, hidden], or the asked rows after the last. */
  readonly onLayer?: ((hidden: Value) => void) | undefined;
}

export interface LinearLayer {
  readonly path: string;
  readonly in: number;
  readonly out: number;
}

/** One model family: all that differs between architectures. A new family is one file and one line in index.ts. */
export interface ModelFamily {
  /** `architectures[0]` of config.json. */
  readonly architecture: string;
  parseConfig(json: unknown, file: string): DecoderConfig;
  /** Every tensor a checkpoint must have, by name, with its shape. */
  parameterShapes(config: DecoderConfig): ReadonlyMap<string, readonly number[]>;
  /** Every linear layer but the output head, in forward order: PEFT's `all-linear`. */
  linearLayers(config: DecoderConfig): readonly LinearLayer[];
  /** Name of the output head's weight [V, H]. */
  headName(config: DecoderConfig): string;
  /** Final normed hidden states [batch·length, hidden], or [N, hidden] where rows are asked for. */
  forward(config: DecoderConfig, parameters: Parameters, inputs: ForwardInputs): Value;
}

/** Where a checkpoint's tensor lies, and how. */
export interface FrozenTensor {
  readonly file: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly length: number;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
}

/** Tensors of a checkpoint in `.safetensors` files, by Hugging Face name. */
export interface FrozenWeights {
  /** Absolute path of the folder that the files lie in. */
  readonly folder: string;
  readonly tensors: ReadonlyMap<string, FrozenTensor>;
}

/** A model to build graphs from. */
export interface ModelSource {
  readonly family: ModelFamily;
  readonly config: DecoderConfig;
  /** Absent when training from scratch. */
  readonly weights?: FrozenWeights;
}
