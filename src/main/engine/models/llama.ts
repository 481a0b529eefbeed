import { add, gather, mul, reshape, rmsNorm, rotary, silu } from '../graph/ops/index.ts';
import { unrepacked, type Value } from '../graph/types.ts';
import { parseLlamaConfig, type DecoderConfig } from './config.ts';
import type { ForwardInputs, LinearLayer, ModelFamily, Parameters } from './family.ts';

/**
 * Llama: pre-norm blocks of grouped-query attention with rotary positions and a SwiGLU feed-forward layer.
 * Reference: transformers' modeling_llama.py. Shapes: N = batch·length tokens, H hidden, D head size.
 */
const block = (layer: number): string => `model.layers.${layer}`;

function attention(
  config: DecoderConfig,
  parameters: Parameters,
  inputs: ForwardInputs,
  layer: number,
  x: Value,
  asked: (rows: Value) => Value,
): Value {
  const { hiddenSize, heads, keyValueHeads, headSize, attentionBias: bias } = config;
  const path = `${block(layer)}.self_attn`;
  const queryWidth = heads * headSize;
  const keyWidth = keyValueHeads * headSize;
  const projections = [
    ['q_proj', queryWidth],
    ['k_proj', keyWidth],
    ['v_proj', keyWidth],
  ] as const;
  const projected = parameters.linears(
    x,
    projections.map(([name, out]) => ({ path: `${path}.${name}`, sizes: { in: hiddenSize, out, bias } })),
  );
  const rotate = (value: Value, width: number): Value => {
    const sequences = reshape(value, [inputs.batch, inputs.length, width]);
    return reshape(rotary(sequences, inputs.positions, inputs.rotary, headSize), value.shape);
  };
  const query = rotate(projected[0]!, queryWidth); // [N, heads·D]
  const key = rotate(projected[1]!, keyWidth); // [N, keyValueHeads·D]
  const value = projected[2]!; // [N, keyValueHeads·D]
  const mixed = inputs.attention.attend(layer, query, key, value); // [N, heads·D]
  return parameters.linear(`${path}.o_proj`, asked(mixed), { in: queryWidth, out: hiddenSize, bias });
}

function feedForward(config: DecoderConfig, parameters: Parameters, layer: number, x: Value): Value {
  const { hiddenSize, intermediateSize, mlpBias: bias } = config;
  const path = `${block(layer)}.mlp`;
  const up = { in: hiddenSize, out: intermediateSize, bias };
  const inner = ['gate_proj', 'up_proj'].map((name) => ({ path: `${path}.${name}`, sizes: up }));
  const [gate, opened] = parameters.linears(x, inner) as [Value, Value]; // [N, intermediate]
  const gated = mul(silu(gate), opened);
  return parameters.linear(`${path}.down_proj`, gated, { in: intermediateSize, out: hiddenSize, bias });
}

function forward(config: DecoderConfig, parameters: Parameters, inputs: ForwardInputs): Value {
  const { hiddenSize, vocabularySize, normEpsilon } = config;
  const norm = (name: string, x: Value): Value =>
    rmsNorm(x, parameters.tensor(`${name}.weight`, [hiddenSize]), normEpsilon);
  const table = parameters.tensor('model.embed_tokens.weight', [vocabularySize, hiddenSize]);
  let x = gather(unrepacked(table), inputs.tokenIds);
  inputs.onLayer?.(x);
  for (let layer = 0; layer < config.layers; layer++) {
    const { rows } = inputs;
    // Keys and values of the last layer are needed everywhere, all that follows only where somebody looks.
    const asked = (value: Value): Value =>
      rows && layer === config.layers - 1 ? gather(value, rows) : value;
    const normed = norm(`${block(layer)}.input_layernorm`, x);
    x = add(asked(x), attention(config, parameters, inputs, layer, normed, asked));
    x = add(x, feedForward(config, parameters, layer, norm(`${block(layer)}.post_attention_layernorm`, x)));
    inputs.onLayer?.(x);
  }
  return norm('model.norm', x); // [N, H]
}

function linearLayers(config: DecoderConfig): readonly LinearLayer[] {
  const { hiddenSize, intermediateSize, heads, keyValueHeads, headSize } = config;
  return Array.from({ length: config.layers }, (_, layer) => {
    const at = (name: string, sizeIn: number, out: number): LinearLayer => ({
      path: `${block(layer)}.${name}`,
      in: sizeIn,
      out,
    });
    return [
      at('self_attn.q_proj', hiddenSize, heads * headSize),
      at('self_attn.k_proj', hiddenSize, keyValueHeads * headSize),
      at('self_attn.v_proj', hiddenSize, keyValueHeads * headSize),
      at('self_attn.o_proj', heads * headSize, hiddenSize),
      at('mlp.gate_proj', hiddenSize, intermediateSize),
      at('mlp.up_proj', hiddenSize, intermediateSize),
      at('mlp.down_proj', intermediateSize, hiddenSize),
    ];
  }).flat();
}

const headName = (config: DecoderConfig): string =>
  config.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight';

function parameterShapes(config: DecoderConfig): ReadonlyMap<string, readonly number[]> {
  const { hiddenSize, vocabularySize } = config;
  const shapes = new Map<string, readonly number[]>();
  shapes.set('model.embed_tokens.weight', [vocabularySize, hiddenSize]);
  const layers = linearLayers(config);
  for (let layer = 0; layer < config.layers; layer++) {
    shapes.set(`${block(layer)}.input_layernorm.weight`, [hiddenSize]);
    shapes.set(`${block(layer)}.post_attention_layernorm.weight`, [hiddenSize]);
    for (const linear of layers.filter(({ path }) => path.startsWith(`${block(layer)}.`))) {
      shapes.set(`${linear.path}.weight`, [linear.out, linear.in]);
      const bias = linear.path.includes('.mlp.') ? config.mlpBias : config.attentionBias;
      if (bias) shapes.set(`${linear.path}.bias`, [linear.out]);
    }
  }
  shapes.set('model.norm.weight', [hiddenSize]);
  shapes.set(headName(config), [vocabularySize, hiddenSize]);
  return shapes;
}

export const llama: ModelFamily = {
  architecture: 'LlamaForCausalLM',
  parseConfig: (json, file) => parseLlamaConfig('LlamaForCausalLM', json, file),
  parameterShapes,
  linearLayers,
  headName,
  forward,
};
