import { concat, gather, matmul } from '../graph/ops/index.ts';
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
 * One pass over new tokens after cached ones. For one sequence at a time they are its next T tokens; for several, the next
 * token of each of S sequences, then T tokens of a prompt that is being read meanwhile (`cachedAttention`).
 * Outputs: `logits` [R, V] at `rows` and the new tokens' keys and values.
 * Inputs: `token_ids` [N], `positions` [1, N], `rows` [R] among the N, those of the attention, and the trainable tensors by name.
 */
export function decodingGraph(
  source: ModelSource,
  trainable: Trainable,
  { batch, maxLength }: DecodingSizes,
): Readonly<Record<string, Value>> {
  const { family, config } = source;
  const length = batch === 1 ? 'T' : 'N';
  const attention = cachedAttention(config, batch === 1 ? 'whole' : 'places');
  const parameters = bindSeparately(source, trainable);
  const hidden = family.forward(config, parameters, {
    batch: 1,
    length,
    tokenIds: input('token_ids', 'int64', [length]),
    positions: input('positions', 'int64', [1, length]),
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
