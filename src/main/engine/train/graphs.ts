import { gradients } from '../autodiff/gradient.ts';
import { rematerialise } from '../autodiff/rematerialise.ts';
import type { OnDemand } from '../graph/onnx.ts';
import {
  after,
  concat,
  equal,
  expand,
  joinBlocks,
  matmul,
  mul,
  mulOp,
  reduceSum,
  reshape,
  rmsNormOp,
  siluOp,
  splitBlocks,
  stopGradient,
  sub,
  tokenLogProbs,
  where,
  type TokenLogProbs,
} from '../graph/ops/index.ts';
import { timesDim } from '../graph/shape.ts';
import {
  constant,
  input,
  nextNodeId,
  nodeOf,
  scalar,
  unrepacked,
  type Node,
  type Value,
} from '../graph/types.ts';
import type { Loss, LossInputs, LossValues } from '../losses/loss.ts';
import { buildLoss } from '../losses/parameters.ts';
import { packedAttention, pairAttention, type PairBlocks } from '../models/attention.ts';
import type { DecoderConfig } from '../models/config.ts';
import type { Attention, FrozenWeights, LinearLayer, ModelSource, Parameters } from '../models/family.ts';
import {
  adapterValues,
  frozenParameters,
  layoutValues,
  loraLayout,
  makeLayout,
  valueParameters,
  withAdapter,
  type ParameterLayout,
} from '../models/parameters.ts';
import { rotaryTables } from '../models/rotary-tables.ts';

/** What is trained: an adapter on frozen weights, every weight, or nothing (scoring the base). */
export type Trainable =
  | { readonly kind: 'none' }
  | { readonly kind: 'full' }
  | {
      readonly kind: 'lora';
      readonly rank: number;
      readonly scale: number;
      readonly targets: readonly LinearLayer[];
    };

export interface GraphOptions {
  /** Sequences side by side; 1 for preference pairs. */
  readonly batch: number;
  /** Largest position plus one that any sequence may reach, counted over the packed length. */
  readonly maxLength: number;
  /** Log-probs are computed in so many chunks of rows, one after the other. */
  readonly chunks: number;
  /** Whether the head's product may have a repacked copy of its weight; if not, it reads the file as the backward product does. */
  readonly repacksHead?: boolean;
  /**
   * Chunks are rounds of the same nodes instead of nodes side by side: the head is repacked once, not once for each of them, there may
   * be any number, and what they make comes in one piece. See `areRounds`.
   */
  readonly inRounds?: boolean;
  /** How the attention of a pair is cut; sequences side by side know no pairs. */
  readonly blocks: PairBlocks;
  /**
   * What is made again for the backward pass instead of being kept: all but what goes from layer to layer, or what costs little
   * beside the products.
   */
  readonly recompute?: 'layers' | 'cheap' | 'nothing';
}

/** The flat vector of trainable numbers: order and shapes. */
export function trainableLayout({ family, config }: ModelSource, trainable: Trainable): ParameterLayout {
  switch (trainable.kind) {
    case 'none':
      return makeLayout([]);
    case 'full':
      return makeLayout(family.parameterShapes(config));
    case 'lora':
      return loraLayout(trainable.targets, trainable.rank);
  }
}

/** Model parameters as graph values, and the trainable ones among them, cut from one flat input in layout order. */
export function bindParameters(
  source: ModelSource,
  trainable: Trainable,
): { readonly parameters: Parameters; readonly trained: readonly Value[] } {
  if (trainable.kind === 'none') return { parameters: frozenParameters(requireWeights(source)), trained: [] };
  const layout = trainableLayout(source, trainable);
  const values = layoutValues(input('parameters', 'float32', [layout.size]), layout);
  const trained = [...values.values()];
  if (trainable.kind === 'full') return { parameters: valueParameters(values), trained };
  const base = frozenParameters(requireWeights(source));
  return {
    parameters: withAdapter(base, adapterValues(values, trainable.targets), trainable.scale),
    trained,
  };
}

function requireWeights({ weights }: ModelSource): FrozenWeights {
  if (!weights) throw new Error('a model without weights can only be trained in full');
  return weights;
}

/** Whether a graph's chunks are rounds: not those of a head that is trained, which needs what every one of them made. */
export function areRounds(trainable: Trainable, { inRounds }: Pick<GraphOptions, 'inRounds'>): boolean {
  return inRounds === true && trainable.kind !== 'full';
}

interface ForwardValues {
  /** Summed log-probs [pairs]. */
  readonly chosen: Value;
  readonly rejected: Value;
  readonly chunks: readonly TokenLogProbs[];
  /** Hidden states before the first layer and after each. */
  readonly layers: readonly Value[];
}

/** @param isTrained whether what training needs of every chunk comes right behind it, for runs that ask for it */
function packedForward(
  source: ModelSource,
  { parameters, inRounds }: { readonly parameters: Parameters; readonly inRounds: boolean },
  options: GraphOptions,
  isTrained: boolean,
): ForwardValues {
  const { family, config } = source;
  const { batch } = options;
  const layers: Value[] = [];
  const tokens = batch === 1 ? 'T' : `${batch}*T`;
  const hidden = family.forward(config, parameters, {
    batch,
    length: 'T',
    tokenIds: input('token_ids', 'int64', [tokens]),
    positions: input('positions', 'int64', [batch, 'T']),
    rotary: rotaryTables(config, options.maxLength),
    attention: batch === 1 ? pairAttention(config, options.blocks) : batchAttention(config, batch),
    rows: input('rows', 'int64', ['N']),
    onLayer: (value) => layers.push(value),
  });
  const headShape = [config.vocabularySize, config.hiddenSize] as const;
  const weight = parameters.tensor(family.headName(config), headShape);
  const head = options.repacksHead === false ? unrepacked(weight) : weight;
  const blocks = parameters.blocks(family.headName(config), headShape);
  const chunks: TokenLogProbs[] = [];
  const pieceCount = inRounds ? 1 : options.chunks;
  const rows = Array.from({ length: pieceCount }, (_, chunk) => (pieceCount === 1 ? 'N' : `N${chunk}`));
  const cuts = inRounds
    ? {
        count: input('chunk_count', 'int64', []),
        starts: input('chunk_starts', 'int64', ['chunks']),
        ends: input('chunk_ends', 'int64', ['chunks']),
      }
    : undefined;
  const sizes = input('chunk_rows', 'int64', [rows.length]);
  const cut = { axis: 0, lengths: rows, whole: 'N' };
  const pieces = rows.length === 1 ? [hidden] : splitBlocks(hidden, sizes, cut);
  pieces.forEach((piece, chunk) => {
    const targets = input(`targets_${chunk}`, 'int64', [rows[chunk]!]);
    // One chunk's logits are free before the next one's are made.
    const last = isTrained ? chunks.at(-1) : undefined;
    const own = last ? after(piece, last.entropy) : piece;
    const choice = { onDemand: isTrained, cuts };
    chunks.push(tokenLogProbs(own, head, targets, blocks.length === 1 ? [] : blocks, choice));
  });
  const logProbs = chunks.map((chunk) => chunk.logProbs);
  const all = logProbs.length === 1 ? logProbs[0]! : joinBlocks(logProbs, sizes, cut);
  const [chosen, rejected] = answerSums(all, pairsOf(options));
  return { chosen: chosen!, rejected: rejected!, chunks, layers };
}

/** Pairs that one pass has room for. */
export function pairsOf({
  batch,
  blocks,
}: {
  readonly batch: number;
  readonly blocks: Pick<PairBlocks, 'prompts' | 'pairsPerPrompt'>;
}): number {
  return batch > 1 ? batch : blocks.prompts * blocks.pairsPerPrompt;
}

/**
 * Log-probs [N] summed over each answer, [pairs] of chosen and of rejected. Each sum is a product of its own over the answer's
 * rows: its last bits do not depend on what stands beside it.
 */
function answerSums(logProbs: Value, pairs: number): readonly Value[] {
  const lengths = Array.from({ length: pairs }, (_, pair) => [`C${pair}`, `R${pair}`]).flat();
  const counts = input('answer_rows', 'int64', [lengths.length]);
  const attributes = { axis: 0, lengths, whole: 'N' };
  const weights = splitBlocks(input('row_weights', 'float32', ['N']), counts, attributes);
  const sums = splitBlocks(logProbs, counts, attributes).map((own, place) => {
    const length = lengths[place]!;
    return reshape(matmul(reshape(weights[place]!, [1, length]), reshape(own, [length, 1])), [1]);
  });
  return [0, 1].map((answer) =>
    concat(
      sums.filter((_, place) => place % 2 === answer),
      0,
    ),
  );
}

function batchAttention(config: DecoderConfig, batch: number): Attention {
  const rows = timesDim('T', config.heads / config.keyValueHeads);
  return packedAttention(config, batch, 'T', input('mask', 'float32', [rows, 'T']));
}

function telemetry(forward: ForwardValues): Record<string, Value> {
  return Object.fromEntries(
    forward.chunks.flatMap((chunk, place) => [
      [`token_log_probs_${place}`, chunk.logProbs],
      [`mean_logits_${place}`, chunk.meanLogits],
      [`entropy_${place}`, chunk.entropy],
      [`top_tokens_${place}`, chunk.isTopToken],
    ]),
  );
}

/**
 * Log-probs without gradients: the reference, scoring and evaluation.
 * @param withTelemetry also what training tells of every token: several passes over all logits
 */
export function scoreGraph(
  source: ModelSource,
  trainable: Trainable,
  options: GraphOptions,
  withTelemetry = false,
): Readonly<Record<string, Value>> {
  const { parameters } = bindParameters(source, trainable);
  const inRounds = areRounds(trainable, options);
  const forward = packedForward(source, { parameters, inRounds }, options, false);
  const { chosen, rejected, chunks } = forward;
  if (withTelemetry) return { chosen, rejected, ...telemetry(forward) };
  const tokens = chunks.map(({ logProbs }, place) => [`token_log_probs_${place}`, logProbs] as const);
  return { chosen, rejected, ...Object.fromEntries(tokens) };
}

/**
 * One training pass: log-probs, loss and the gradient of Σ weight·loss by every trainable number, flat.
 * Inputs beside the packed batch: `parameters`, `pair_weight` [pairs], `beta` [1], the losses' own parameters (losses/parameters),
 * `loss_index` [1] (int64, which of the losses counts), the reference log-probs [pairs] and `own_reference` [pairs] (bool: the policy
 * as it stands is the reference, and c and r are 0). The losses share one graph, so that all arms of a comparison share one session.
 */
export function trainGraph(
  source: ModelSource,
  trainable: Trainable,
  losses: readonly Loss[],
  options: GraphOptions,
): Readonly<Record<string, Value>> {
  return buildTraining(source, trainable, losses, options).outputs;
}

/** The input of `scoringTrainGraph` by which a pass asks for the gradient (bool, []). */
export const gradientWanted = 'wants_gradient';

/**
 * As `trainGraph`, but a pass may leave out the gradient and telemetry, and then takes about as long as one that scores. The backward pass is
 * made in a stage for each layer, so that what layers kept for it is free as early as without.
 */
export function scoringTrainGraph(
  source: ModelSource,
  trainable: Trainable,
  losses: readonly Loss[],
  options: GraphOptions,
): { readonly outputs: Readonly<Record<string, Value>>; readonly onDemand: OnDemand } {
  const { outputs, stages } = buildTraining(source, trainable, losses, options);
  const named = stages.map((values, stage) =>
    values.map((value, place) => [`stage_${stage}_${place}`, value] as const),
  );
  const told = Object.keys(outputs).filter((name) => /^(mean_logits|entropy|top_tokens)_/.test(name));
  return {
    outputs: { ...outputs, ...Object.fromEntries(named.flat()) },
    onDemand: {
      input: gradientWanted,
      outputs: ['gradient', ...told],
      stages: named.map((values) => values.map(([name]) => name)),
    },
  };
}

/** @returns what `trainGraph` gives, and the gradients in the order they come, layer by layer from the last */
function buildTraining(
  source: ModelSource,
  trainable: Trainable,
  losses: readonly Loss[],
  options: GraphOptions,
): { readonly outputs: Readonly<Record<string, Value>>; readonly stages: readonly (readonly Value[])[] } {
  const { parameters, trained } = bindParameters(source, trainable);
  if (trained.length === 0) throw new Error('a training graph needs something to train');
  const inRounds = areRounds(trainable, options);
  const forward = packedForward(source, { parameters, inRounds }, options, true);
  const { chosen, rejected } = forward;
  const perPair = (name: string): Value => input(name, 'float32', [pairsOf(options)]);
  const isOwn = input('own_reference', 'bool', [pairsOf(options)]);
  const logRatio = (own: Value, reference: string): Value =>
    sub(own, where(isOwn, stopGradient(own), perPair(reference)));
  const inputs: SharedInputs = {
    chosen,
    rejected,
    c: logRatio(chosen, 'reference_chosen'),
    r: logRatio(rejected, 'reference_rejected'),
    chosenTokens: perPair('chosen_tokens'),
    rejectedTokens: perPair('rejected_tokens'),
    beta: input('beta', 'float32', [1]),
  };
  const { loss, score } = selectLoss(losses, inputs);
  const total = reduceSum(mul(loss, perPair('pair_weight')), [0]);
  const upstream = constant([1], [1]);
  const backward = nextNodeId();
  const { layers } = forward;
  const found = gradients([{ value: total, upstream }], [chosen, rejected, ...layers, ...trained]);
  const [chosenSlope, rejectedSlope] = found;
  const layerSlopes = found.slice(2, 2 + layers.length);
  const slopes = found.slice(2 + layers.length);
  // Nothing below the first layer is trained by an adapter: the slope by its start would be for nothing.
  const stages = stagesOf(layerSlopes.slice(1), slopes);
  const none = expand(scalar(0), [pairsOf(options)]);
  const outputs: Record<string, Value> = {
    losses: loss,
    scores: score,
    chosen,
    rejected,
    // d loss / d log-prob, weight included: how hard each side is pushed.
    chosen_slope: chosenSlope ?? none,
    rejected_slope: rejectedSlope ?? none,
    gradient: flatten(slopes, trained),
    ...telemetry(forward),
  };
  // The last layer's turn comes at once: what it made would not be kept for long.
  const remade = options.recompute === 'nothing' ? [] : layers.slice(0, -1);
  const stretches = remade.slice(1).flatMap((end, place) => {
    const gradient = layerSlopes[place + 1];
    return gradient ? [{ start: layers[place]!, end, gradient }] : [];
  });
  const isRemade = options.recompute === 'layers' ? undefined : isCheap;
  const kept = [...Object.values(outputs), ...stages.flat()];
  const rewritten = new Map(
    rematerialise(kept, stretches, backward, isRemade).map((value, place) => [kept[place]!, value]),
  );
  const current = (value: Value): Value => rewritten.get(value)!;
  return {
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, current(value)])),
    stages: stages.map((values) => values.map(current)),
  };
}

/**
 * Gradients in groups, the last layer's first: the slope by a layer's end, with all of what is trained that were made before it.
 * @param layers slopes by layers' ends, the first layer's first
 */
function stagesOf(
  layers: readonly (Value | undefined)[],
  trained: readonly (Value | undefined)[],
): readonly (readonly Value[])[] {
  const idOf = (value: Value): number => nodeOf(value)?.id ?? -1;
  const left = new Set(trained.filter((slope) => slope !== undefined));
  return [...layers].reverse().flatMap((slope) => {
    if (!slope) return [];
    const own = [...left].filter((each) => idOf(each) < idOf(slope));
    own.forEach((each) => left.delete(each));
    return [[slope, ...own]];
  });
}

/** Norms and activations: a quarter of what a layer keeps, and a hundredth of its time. */
function isCheap({ op }: Node): boolean {
  return op === rmsNormOp || op === siluOp || op === mulOp;
}

/**
 * Gradients one after the other, as the parameters lie. The runtime begins with the input of a node that was made last:
 * made in this order, the last layer's gradients come first and free what that layer kept for them, before the layer
 * below is begun. Otherwise the whole backward pass would be done before the first of them.
 */
function flatten(slopes: readonly (Value | undefined)[], of: readonly Value[]): Value {
  if (slopes.every((slope) => slope === undefined))
    throw new Error('nothing that is trained reaches the loss');
  const pieces = of.map(({ shape }, place) => {
    const size = (shape as readonly number[]).reduce((product, dim) => product * dim, 1);
    const slope = slopes[place];
    return slope ? reshape(slope, [size]) : expand(scalar(0), [size]);
  });
  return concat(pieces, 0);
}

type SharedInputs = Omit<LossInputs, 'parameters'>;

/** The loss that `loss_index` names. Only it carries a gradient; the others cost a few scalar operations. */
function selectLoss(losses: readonly Loss[], inputs: SharedInputs): LossValues {
  const built = losses.map((each) => buildLoss(each, inputs));
  const index = input('loss_index', 'int64', [1]);
  return built.slice(1).reduce((chosenSoFar, values, place) => {
    const isThis = equal(index, constant([place + 1], [1], 'int64'));
    return {
      loss: where(isThis, values.loss, chosenSoFar.loss),
      score: where(isThis, values.score, chosenSoFar.score),
    };
  }, built[0]!);
}
