import { z } from 'zod';
import { InputError } from '../../../shared/errors.ts';

/** How rotary frequencies are stretched beyond the trained length. */
export type RopeScaling =
  | { readonly type: 'default' }
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalMaxPositions: number;
    };

/** Sizes of a decoder-only transformer, free of any family's spelling. */
export interface DecoderConfig {
  readonly architecture: string;
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  readonly normEpsilon: number;
  readonly tiedEmbeddings: boolean;
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling;
  readonly maxPositions: number;
  /** Standard deviation of initial weights, for training from scratch. */
  readonly initializerRange: number;
  readonly eosTokenIds: readonly number[];
}

const ropeFields = z.object({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  factor: z.number().positive().optional(),
  low_freq_factor: z.number().positive().optional(),
  high_freq_factor: z.number().positive().optional(),
  original_max_position_embeddings: z.number().int().positive().optional(),
});

const size = z.number().int().positive();
/** A config is listed tensor by tensor; no model comes near. */
const layers = size.max(10_000);

/** The fields of Llama-shaped configs, in transformers 5's form (`rope_parameters`) and the older (`rope_theta`, `rope_scaling`). */
const llamaFields = z.object({
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: layers,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  hidden_act: z.string().default('silu'),
  rms_norm_eps: z.number().positive().default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  max_position_embeddings: size.default(2048),
  initializer_range: z.number().positive().default(0.02),
  rope_theta: z.number().positive().optional(),
  rope_scaling: ropeFields.nullish(),
  rope_parameters: ropeFields.nullish(),
  eos_token_id: z.union([z.number().int(), z.array(z.number().int())]).nullish(),
});

/**
 * Reads a Llama-shaped config.json.
 * @param file named in errors
 * @throws InputError naming the field at fault, or a feature that is not supported
 */
export function parseLlamaConfig(architecture: string, json: unknown, file: string): DecoderConfig {
  const parsed = llamaFields.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new InputError(`${issue!.path.join('.') || 'config'}: ${issue!.message}`, { file });
  }
  const fields = parsed.data;
  if (fields.hidden_act !== 'silu') {
    throw new InputError(`activation ${fields.hidden_act} is not supported (only silu)`, { file });
  }
  const keyValueHeads = fields.num_key_value_heads ?? fields.num_attention_heads;
  const headSize = fields.head_dim ?? fields.hidden_size / fields.num_attention_heads;
  if (!Number.isInteger(headSize) || headSize % 2 !== 0) {
    throw new InputError(`head size ${headSize} is not an even whole number`, { file });
  }
  if (fields.num_attention_heads % keyValueHeads !== 0) {
    throw new InputError(
      `${fields.num_attention_heads} attention heads do not divide into ${keyValueHeads} key-value heads`,
      { file },
    );
  }
  const rope = fields.rope_parameters ?? fields.rope_scaling ?? {};
  const eos = fields.eos_token_id ?? [];
  return {
    architecture,
    vocabularySize: fields.vocab_size,
    hiddenSize: fields.hidden_size,
    intermediateSize: fields.intermediate_size,
    layers: fields.num_hidden_layers,
    heads: fields.num_attention_heads,
    keyValueHeads,
    headSize,
    normEpsilon: fields.rms_norm_eps,
    tiedEmbeddings: fields.tie_word_embeddings,
    attentionBias: fields.attention_bias,
    mlpBias: fields.mlp_bias,
    ropeTheta: fields.rope_parameters?.rope_theta ?? fields.rope_theta ?? 10_000,
    ropeScaling: parseRopeScaling(rope, fields.max_position_embeddings, file),
    maxPositions: fields.max_position_embeddings,
    initializerRange: fields.initializer_range,
    eosTokenIds: typeof eos === 'number' ? [eos] : eos,
  };
}

function parseRopeScaling(
  fields: z.infer<typeof ropeFields>,
  maxPositions: number,
  file: string,
): RopeScaling {
  const type = fields.rope_type ?? fields.type ?? 'default';
  const need = (name: 'factor' | 'low_freq_factor' | 'high_freq_factor'): number => {
    const value = fields[name];
    if (value === undefined) throw new InputError(`rope type ${type} needs ${name}`, { file });
    return value;
  };
  switch (type) {
    case 'default':
      return { type };
    case 'linear':
      return { type, factor: need('factor') };
    case 'llama3':
      return {
        type,
        factor: need('factor'),
        lowFrequencyFactor: need('low_freq_factor'),
        highFrequencyFactor: need('high_freq_factor'),
        originalMaxPositions: fields.original_max_position_embeddings ?? maxPositions,
      };
    default:
      throw new InputError(`rope type ${type} is not supported (default, linear and llama3 are)`, { file });
  }
}
