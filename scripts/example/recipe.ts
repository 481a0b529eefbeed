import { demoSettings } from '../../src/shared/demo.ts';

/** Everything the bundled example depends on. One seed gives one example, bit for bit on the same machine. */
export const recipe = {
  seed: 0,
  problems: { sft: 40_000, pairs: 1200, eval: 100, test: 200 },
  model: {
    hiddenSize: 128,
    layers: 4,
    heads: 4,
    keyValueHeads: 2,
    headDimension: 32,
    intermediateSize: 384,
    maximumLength: 128,
  },
  /** Supervised fine-tuning from random weights, all parameters; the loss is over the solution's tokens. */
  sft: {
    epochs: 1,
    batchSize: 16,
    learningRate: 2e-3,
    scheduler: 'cosine',
    warmup: 0.05,
    weightDecay: 0,
    maxGradNorm: 1,
  },
  /** The model's own answers, of which preference pairs are made. */
  sampling: { perProblem: 4, temperature: 1, maxTokens: 28 },
  pairs: { train: 400, eval: 60 },
  demo: demoSettings,
} as const;

export type Recipe = typeof recipe;

/** The model's config.json, in transformers 5's form. */
export function modelConfig(
  model: Recipe['model'],
  tokenizer: { readonly vocabularySize: number; readonly endId: number; readonly padId: number },
): object {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    attention_bias: false,
    attention_dropout: 0,
    bos_token_id: tokenizer.endId,
    dtype: 'float16',
    eos_token_id: tokenizer.endId,
    head_dim: model.headDimension,
    hidden_act: 'silu',
    hidden_size: model.hiddenSize,
    initializer_range: 0.02,
    intermediate_size: model.intermediateSize,
    max_position_embeddings: model.maximumLength,
    mlp_bias: false,
    num_attention_heads: model.heads,
    num_hidden_layers: model.layers,
    num_key_value_heads: model.keyValueHeads,
    pad_token_id: tokenizer.padId,
    pretraining_tp: 1,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10_000, rope_type: 'default' },
    tie_word_embeddings: true,
    use_cache: true,
    vocab_size: tokenizer.vocabularySize,
  };
}
