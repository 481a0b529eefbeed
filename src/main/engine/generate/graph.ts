import { argMax, concat, gather, matmul, reduceSum } from '../graph/ops/index.ts';
import { input, type Value } from '../graph/types.ts';
import { cachedAttention } from '../models/attention.ts';
import type { EightBitWeights } from '../models/eight-bit.ts';
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
 * Outputs: `logits` [R, V] at `rows`, int64 `likeliest` [R] the places of the largest, `total` [R] their sums, which are finite only
 * where all of them are; the new tokens' keys and values.
 * @param eightBit the base's weights, where they are not to be as they are stored
 * Inputs: `token_ids` [N], `positions` [1, N], `rows` [R] among the N, those of the attention, and the trainable tensors by name.
 */
export function decodingGraph(
  source: ModelSource,
  trainable: Trainable,
  { batch, maxLength }: DecodingSizes,
  eightBit?: EightBitWeights,
): Readonly<Record<string, Value>> {
  const { family, config } = source;
  const length = batch === 1 ? 'T' : 'N';
  const attention = cachedAttention(config, batch === 1 ? 'whole' : 'places');
  const parameters = bindSeparately(source, trainable, eightBit?.parameters);
  const hidden = family.forward(config, parameters, {
    batch: 1,
    length,
    tokenIds: input('token_ids', 'int64', [length]),
    positions: input('positions', 'int64', [1, length]),
    rotary: rotaryTables(config, maxLength),
    attention,
  });
  const asked = gather(hidden, input('rows', 'int64', ['R'])); // [R, H]
  const name = family.headName(config);
  const head = (): Value => {
    const blocks = parameters.blocks(name, [config.vocabularySize, config.hiddenSize]);
    const logits = blocks.map((block) => matmul(asked, block, { transposeB: true }));
    return logits.length === 1 ? logits[0]! : concat(logits, 1);
  };
  const logits = eightBit ? eightBit.head(name, asked, config.vocabularySize) : head();
  return {
    logits,
    likeliest: argMax(logits),
    total: reduceSum(logits, [-1], false),
    ...attention.fresh,
  };
}

/**
 * Trainable tensors as one input each, fed by views of the flat vector. Training splits the vector inside the graph,
 * which would copy every trainable number once per token here.
 */
function bindSeparately(
  source: ModelSource,
  trainable: Trainable,
  frozen: Parameters | undefined,
): Parameters {
  const { entries } = trainableLayout(source, trainable);
  const values = new Map(entries.map(({ name, shape }) => [name, input(name, 'float32', shape)]));
  if (trainable.kind === 'full') return valueParameters(values);
  if (!source.weights) throw new Error('a model without weights needs all its parameters fed');
  const base = frozen ?? frozenParameters(source.weights);
  if (trainable.kind === 'none') return base;
  return withAdapter(base, adapterValues(values, trainable.targets), trainable.scale);
}
