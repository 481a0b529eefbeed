import { concat, gather, matmul } from '../graph/ops/index.ts';
import { timesDim } from '../graph/shape.ts';
import { input, type Value } from '../graph/types.ts';
import { cachedAttention } from '../models/attention.ts';
import type { ModelSource, Parameters } from '../models/family.ts';
import { adapterValues, frozenParameters, valueParameters, withAdapter } from '../models/parameters.ts';
import { rotaryTables } from '../models/rotary-tables.ts';
import { trainableLayout, type Trainable } from '../train/graphs.ts';

export interface DecodingSizes {
  /** Sequences side by side. */
  readonly batch: number;
  /** Most tokens that one sequence may hold, prompt and answer together. */
  readonly maxLength: number;
}

/**
 * One pass over T new tokens per sequence after P cached ones; prompts and single tokens go through the same graph.
 * Outputs: `logits` [R, V] at `rows` and the new tokens' keys and values (`cachedAttention`).
 * Inputs: `token_ids` [batch·T], `positions` [batch, T], `rows` [R] among the batch·T, `causal` [groups·T, P + T] (additive, over
 * cache slots, the same for all sequences), for several sequences `padding` [batch·keyValueHeads, 1, P + T] (additive),
 * the cache, and the trainable tensors by name.
 */
export function decodingGraph(
  source: ModelSource,
  trainable: Trainable,
  { batch, maxLength }: DecodingSizes,
): Readonly<Record<string, Value>> {
  const { family, config } = source;
  const groups = config.heads / config.keyValueHeads;
  const masks = [input('causal', 'float32', [timesDim('T', groups), 'P+T'])];
  if (batch > 1) masks.push(input('padding', 'float32', [batch * config.keyValueHeads, 1, 'P+T']));
  const attention = cachedAttention(config, batch, 'T', masks);
  const parameters = bindSeparately(source, trainable);
  const hidden = family.forward(config, parameters, {
    batch,
    length: 'T',
    tokenIds: input('token_ids', 'int64', [timesDim('T', batch)]),
    positions: input('positions', 'int64', [batch, 'T']),
    rotary: rotaryTables(config, maxLength),
    attention,
  });
  const asked = gather(hidden, input('rows', 'int64', ['R'])); // [R, H]
  const head = parameters.blocks(family.headName(config), [config.vocabularySize, config.hiddenSize]);
  const logits = head.map((block) => matmul(asked, block, { transposeB: true }));
  return { logits: logits.length === 1 ? logits[0]! : concat(logits, 1), ...attention.fresh };
}

/**
 * Trainable tensors as one input each, fed by views of the flat vector. Training splits the vector inside the graph,
 * which would copy every trainable number once per token here.
 */
function bindSeparately(source: ModelSource, trainable: Trainable): Parameters {
  const { entries } = trainableLayout(source, trainable);
  const values = new Map(entries.map(({ name, shape }) => [name, input(name, 'float32', shape)]));
  if (trainable.kind === 'full') return valueParameters(values);
  if (!source.weights) throw new Error('a model without weights needs all its parameters fed');
  const base = frozenParameters(source.weights);
  if (trainable.kind === 'none') return base;
  return withAdapter(base, adapterValues(values, trainable.targets), trainable.scale);
}
