import { InputError } from '../../shared/errors.ts';
import type { GgufFile, GgufTensor } from './gguf.ts';
import { readGgufTensor } from './gguf.ts';

/** What a GGUF architecture is called by Hugging Face. */
interface Family {
  readonly architecture: string;
  readonly modelType: string;
  /** Whether llama.cpp's converter reorders the rows of q and k for its interleaved rotary embedding. */
  readonly permuted: boolean;
}

const families: Readonly<Record<string, Family>> = {
  llama: { architecture: 'LlamaForCausalLM', modelType: 'llama', permuted: true },
};

/** A tensor under its Hugging Face name, read when asked for. */
export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Float32, row-major, in Hugging Face's row order. */
  readonly read: () => Float32Array;
}

/**
 * The Hugging Face architecture of a GGUF file, e.g. `LlamaForCausalLM`.
 * @throws InputError if `general.architecture` is missing or unknown.
 */
export function ggufArchitecture(file: GgufFile): string {
  return family(file).architecture;
}

function family(file: GgufFile): Family {
  const name = file.metadata['general.architecture'];
  if (typeof name !== 'string') throw new InputError('names no general.architecture', { file: file.path });
  if (!Object.hasOwn(families, name)) {
    throw new InputError(`unknown architecture ${name}; known are ${Object.keys(families).join(', ')}`, {
      file: file.path,
    });
  }
  return families[name]!;
}

const outerNames: Readonly<Record<string, string>> = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
};
const layerModules: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

/** The Hugging Face name of a GGUF tensor, e.g. `blk.3.attn_q.weight` → `model.layers.3.self_attn.q_proj.weight`. */
export function huggingFaceName(name: string): string | undefined {
  if (Object.hasOwn(outerNames, name)) return outerNames[name];
  const match = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name);
  if (match === null || !Object.hasOwn(layerModules, match[2]!)) return undefined;
  return `model.layers.${match[1]}.${layerModules[match[2]!]}.${match[3]}`;
}

/**
 * A GGUF model's tensors under their Hugging Face names, with q and k in Hugging Face's row order. The head is absent
 * where it is tied to the embedding. `rope_freqs.weight` is left out: the config says the same.
 * @throws InputError for an unknown architecture or tensor name.
 */
export function namedTensors(file: GgufFile): NamedTensor[] {
  const { permuted } = family(file);
  const heads = ggufNumber(file, 'attention.head_count');
  const groups = ggufNumber(file, 'attention.head_count_kv', heads);
  const result: NamedTensor[] = [];
  for (const tensor of file.tensors.values()) {
    if (tensor.name === 'rope_freqs.weight') continue;
    const name = huggingFaceName(tensor.name);
    if (name === undefined) {
      throw new InputError(`tensor ${tensor.name} has no place in the architecture`, { file: file.path });
    }
    const headCount = !permuted
      ? undefined
      : tensor.name.includes('.attn_q.')
        ? heads
        : tensor.name.includes('.attn_k.')
          ? groups
          : undefined;
    result.push({ name, shape: tensor.shape, read: () => readRows(file, tensor, headCount) });
  }
  return result;
}

function readRows(file: GgufFile, tensor: GgufTensor, heads: number | undefined): Float32Array {
  const data = readGgufTensor(file, tensor);
  if (heads === undefined) return data;
  const rows = tensor.shape[0]!;
  if (!Number.isInteger(heads) || heads < 1 || rows % (2 * heads) !== 0) {
    throw new InputError(`tensor ${tensor.name} has ${rows} rows, not a multiple of 2 × ${heads} heads`, {
      file: file.path,
    });
  }
  return undoRotaryPermutation(data, rows, heads);
}

/**
 * Undoes llama.cpp's `permute` (convert_hf_to_gguf.py): within each head it interleaves the two halves of the rows, so
 * GGUF's row 2i + h is Hugging Face's row h × half + i.
 * @param data `[rows, columns]` row-major; a bias has one column
 */
export function undoRotaryPermutation(data: Float32Array, rows: number, heads: number): Float32Array {
  const result = new Float32Array(data.length);
  const columns = data.length / rows;
  const half = rows / heads / 2;
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / (2 * half));
    const within = row % (2 * half);
    const source = head * 2 * half + (within % half) * 2 + Math.floor(within / half);
    result.set(data.subarray(source * columns, (source + 1) * columns), row * columns);
  }
  return result;
}

/** A number under the architecture's prefix in the metadata. @throws InputError if it is missing or no number. */
function ggufNumber(file: GgufFile, key: string, otherwise?: number): number {
  const full = `${String(file.metadata['general.architecture'])}.${key}`;
  const value = file.metadata[full] ?? otherwise;
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) {
    throw new InputError(`${full} should be a number in the metadata`, { file: file.path });
  }
  return number;
}

/**
 * A Hugging Face `config.json` (transformers 5's form) for a GGUF file that has none beside it.
 * @throws InputError for what the metadata cannot say, such as YaRN's rotary scaling.
 */
export function configFromGguf(file: GgufFile): Record<string, unknown> {
  const { architecture, modelType } = family(file);
  const wrong = (cause: string) => new InputError(cause, { file: file.path });
  const prefix = String(file.metadata['general.architecture']);
  const embedding = file.tensors.get('token_embd.weight');
  if (embedding === undefined) throw wrong('has no tensor token_embd.weight');
  if (ggufNumber(file, 'expert_count', 0) > 0) throw wrong('mixtures of experts are not supported');
  const hidden = ggufNumber(file, 'embedding_length');
  const heads = ggufNumber(file, 'attention.head_count');
  const headSize = ggufNumber(file, 'attention.key_length', hidden / heads);
  if (ggufNumber(file, 'rope.dimension_count', headSize) !== headSize) {
    throw wrong('rotates only a part of each head, which is not supported');
  }
  const token = (key: string) => {
    const id = file.metadata[`tokenizer.ggml.${key}_token_id`];
    return id === undefined ? null : Number(id);
  };
  return {
    architectures: [architecture],
    attention_bias: file.tensors.has('blk.0.attn_q.bias'),
    attention_dropout: 0,
    bos_token_id: token('bos'),
    dtype: 'float32',
    eos_token_id: token('eos'),
    head_dim: headSize,
    hidden_act: 'silu',
    hidden_size: hidden,
    intermediate_size: ggufNumber(file, 'feed_forward_length'),
    max_position_embeddings: ggufNumber(file, 'context_length'),
    mlp_bias: file.tensors.has('blk.0.ffn_up.bias'),
    model_type: modelType,
    num_attention_heads: heads,
    num_hidden_layers: ggufNumber(file, 'block_count'),
    num_key_value_heads: ggufNumber(file, 'attention.head_count_kv', heads),
    pad_token_id: token('padding'),
    rms_norm_eps: ggufNumber(file, 'attention.layer_norm_rms_epsilon'),
    rope_parameters: ropeParameters(file, prefix, wrong),
    tie_word_embeddings: !file.tensors.has('output.weight'),
    vocab_size: embedding.shape[0]!,
  };
}

function ropeParameters(
  file: GgufFile,
  prefix: string,
  wrong: (cause: string) => InputError,
): Record<string, unknown> {
  const base = ggufNumber(file, 'rope.freq_base', 10000);
  const theta = { rope_theta: base };
  const factors = file.tensors.get('rope_freqs.weight');
  if (factors !== undefined) {
    const scaling = llama3Scaling(readGgufTensor(file, factors), base);
    if (scaling !== undefined) return { ...theta, ...scaling };
    throw wrong(
      "scales its rotary embedding in a way its metadata doesn't spell out; put its config.json beside it",
    );
  }
  const type = file.metadata[`${prefix}.rope.scaling.type`];
  const factor = ggufNumber(file, 'rope.scaling.factor', ggufNumber(file, 'rope.scale_linear', 1));
  if (type === undefined ? factor === 1 : type === 'none') return { ...theta, rope_type: 'default' };
  if (type === undefined || type === 'linear') return { ...theta, rope_type: 'linear', factor };
  throw wrong(
    `the rotary scaling ${String(type)} cannot be taken from the metadata; put the model's config.json beside it`,
  );
}

/**
 * Llama 3's rotary scaling, found from the divisors of the frequencies that GGUF stores in its place
 * (llama.cpp, convert_hf_to_gguf.py, LlamaModel.generate_extra_tensors).
 * @param divisors `[head size / 2]`, one per frequency base^(−2i / head size)
 * @returns the part of `rope_parameters` that describes it, or undefined if the divisors are not Llama 3's
 */
export function llama3Scaling(divisors: Float32Array, base: number): Record<string, unknown> | undefined {
  const factor = divisors.reduce((most, divisor) => Math.max(most, divisor), -Infinity);
  // The three that every Llama 3.1 to 3.3 model has; only the factor differs.
  const low = 1;
  const high = 4;
  const context = 8192;
  const fits = divisors.every((divisor, i) => {
    const wavelength = 2 * Math.PI * base ** (i / divisors.length);
    const smooth = Math.min(Math.max((context / wavelength - low) / (high - low), 0), 1);
    return Math.abs(divisor * ((1 - smooth) / factor + smooth) - 1) < 1e-4;
  });
  if (!fits || !Number.isFinite(factor)) return undefined;
  return {
    rope_type: 'llama3',
    factor,
    high_freq_factor: high,
    low_freq_factor: low,
    original_max_position_embeddings: context,
  };
}
