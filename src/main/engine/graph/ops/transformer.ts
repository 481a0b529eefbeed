import { describe, timesDim } from '../shape.ts';
import { apply, applyAll, constant, scalar, unrepacked, type Dim, type Op, type Value } from '../types.ts';
import { onDemand } from './blocks.ts';
import { add, cast, div, equal, mul, sqrt, sub } from './elementwise.ts';
import { matmul, reduceLogSum, reduceMax, reduceMean, softmax } from './linear.ts';
import { inRounds, type RoundCuts } from './rounds.ts';
import { concat, gather, gatherElements, reshape, scatterAdd, slice } from './shape-ops.ts';

/** RMSNorm over the last axis: x / √(mean(x²) + ε) · weight. Outputs: the normed x, and 1/√(…) for the gradient. */
export const rmsNormOp: Op<{ readonly epsilon: number }> = {
  name: 'RmsNorm',
  infer: ([value]) => [
    { dtype: value!.dtype, shape: value!.shape },
    { dtype: value!.dtype, shape: [...value!.shape.slice(0, -1), 1] },
  ],
  vjp: ({ gradients, inputs, outputs, needs }) => {
    const [value, weight] = inputs as [Value, Value];
    const inverse = outputs[1]!;
    const gradient = gradients[0]!;
    const scaled = mul(gradient, weight);
    // d/dx of x·i with i = (mean(x²) + ε)^(−½): i·g − x·i³·mean(g·x)
    const cube = mul(mul(inverse, inverse), inverse);
    const pull = mul(cube, reduceMean(mul(scaled, value), [-1]));
    return [
      needs[0] ? sub(mul(scaled, inverse), mul(value, pull)) : undefined,
      needs[1] ? mul(gradient, mul(value, inverse)) : undefined,
    ];
  },
  onnx: (_inputs, { epsilon }) => ({
    operator: 'SimplifiedLayerNormalization',
    attributes: { axis: { int: -1 }, epsilon: { float: epsilon }, stash_type: { int: 1 } },
  }),
  fusedFor: ['float32'],
  decompose: ([value, weight], { epsilon }) => {
    const dtype = value!.dtype;
    const meanSquare = reduceMean(mul(value!, value!), [-1]);
    const inverse = div(scalar(1, dtype), sqrt(add(meanSquare, scalar(epsilon, dtype))));
    return [mul(mul(value!, inverse), weight!), inverse];
  },
  gradientCases: [{ attributes: { epsilon: 1e-3 }, inputs: [{ shape: [3, 4] }, { shape: [4] }] }],
};

export interface RotaryAttributes {
  /** Width of one head; the two halves of a head rotate against each other, as in GPT-NeoX and Llama. */
  readonly headSize: number;
  /** Rotates backwards: the gradient. */
  readonly inverse: boolean;
}

/**
 * Rotary position embedding (Su et al. 2021). Inputs: x [batch, length, heads·headSize], int64 positions
 * [batch, length], cosines, sines and negated sines [positions, headSize/2].
 */
export const rotaryOp: Op<RotaryAttributes> = {
  name: 'Rotary',
  infer: ([value, positions]) => {
    if (value!.shape.length !== 3 || positions!.dtype !== 'int64') {
      throw new Error(`Rotary: got ${describe(value!)} at ${describe(positions!)}`);
    }
    return [{ dtype: value!.dtype, shape: value!.shape }];
  },
  vjp: ({ gradients, inputs, attributes }) => [
    apply(rotaryOp, [gradients[0]!, ...inputs.slice(1)], { ...attributes, inverse: !attributes.inverse }),
    ...inputs.slice(1).map(() => undefined),
  ],
  onnx: ([value, positions, cosines, sines, negatedSines], { inverse }) => ({
    operator: 'RotaryEmbedding',
    domain: 'com.microsoft',
    inputs: [value, positions, cosines, inverse ? negatedSines : sines],
    attributes: { interleaved: { int: 0 } },
  }),
  fusedFor: ['float32'],
  decompose: ([value, positions, cosines, sines, negatedSines], { headSize, inverse }) => {
    const [batch, length, width] = value!.shape as [Dim, Dim, number];
    const half = headSize / 2;
    const angleShape = [batch, length, 1, 1, half];
    const cosine = reshape(gather(cosines!, positions!), angleShape);
    const sine = reshape(gather(inverse ? negatedSines! : sines!, positions!), angleShape);
    const split = reshape(value!, [batch, length, width / headSize, 2, half]);
    const first = slice(split, 3, 0, 1);
    const second = slice(split, 3, 1, 2);
    const rotated = concat(
      [sub(mul(first, cosine), mul(second, sine)), add(mul(second, cosine), mul(first, sine))],
      3,
    );
    return [reshape(rotated, value!.shape)];
  },
  gradientCases: [
    {
      attributes: { headSize: 4, inverse: false },
      inputs: [
        { shape: [1, 3, 8] },
        { shape: [1, 3], dtype: 'int64', values: [0, 2, 1] },
        { shape: [3, 2], values: [1, 1, 0.5, 0.9, -0.4, 0.6] },
        { shape: [3, 2], values: [0, 0, 0.8, 0.4, 0.9, 0.7] },
        { shape: [3, 2], values: [0, 0, -0.8, -0.4, -0.9, -0.7] },
      ],
    },
  ],
};

export interface TokenLogProbsAttributes {
  /** Whether outputs 1, 3, 4 and 5 are only there for runs that ask for them (`onDemandOp`). */
  readonly onDemand: boolean;
  /** Whether rows are taken in rounds, one after the other: how they are cut then follows the targets among the inputs. */
  readonly inRounds?: boolean;
}

/**
 * Log-probabilities of target tokens, with the gradient taken on the way so that logits need not be kept.
 * Inputs: hidden [R, H], head weight [V, H], int64 targets [R]; and where the head is to be multiplied in blocks of its rows
 * those, which carry no gradient: the head itself then only lends rows. In rounds neither has the head itself, nor is output 2 there.
 * Outputs: 0 log p(target) [R] · 1 d log p / d hidden [R, H] · 2 probabilities [R, V] · 3 mean logit over the
 * vocabulary [R] · 4 entropy in nats [R] · 5 whether the target is the likeliest token, 1 or 0 [R].
 * What nobody asks for is not computed.
 *
 * log p is taken as logit − max + log(max probability ÷ Σ probabilities). The runtime's softmax adds up 49k columns
 * with a bias of about 2e-5 (its ReduceLogSumExp is off by more): every log-prob would be a little too high, and a long
 * answer's sum by 5e-3. The probabilities summed again in two stages undo that.
 */
export const tokenLogProbsOp: Op<TokenLogProbsAttributes> = {
  name: 'TokenLogProbs',
  infer: ([hidden, head, targets, ...others], attributes) => {
    const { blocks } = splitOthers(others, attributes);
    const [rows, width] = hidden!.shape as [Dim, Dim];
    const [vocabulary, headWidth] = head!.shape as [Dim, Dim];
    const inBlocks = blocks.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
    if (blocks.length > 0 && (inBlocks !== vocabulary || blocks.some(({ shape }) => shape[1] !== width)))
      throw new Error(`TokenLogProbs: blocks of ${inBlocks} rows in all do not make up ${describe(head!)}`);
    if (width !== headWidth || targets!.dtype !== 'int64' || targets!.shape[0] !== rows) {
      throw new Error(`TokenLogProbs: got ${describe(hidden!)}, ${describe(head!)}, ${describe(targets!)}`);
    }
    const dtype = hidden!.dtype;
    return [
      { dtype, shape: [rows] },
      { dtype, shape: [rows, width] },
      { dtype, shape: [rows, vocabulary] },
      { dtype, shape: [rows] },
      { dtype, shape: [rows] },
      { dtype, shape: [rows] },
    ];
  },
  vjp: ({ gradients, inputs, outputs, needs, attributes }) => {
    for (const other of [1, 2, 3, 4, 5]) {
      if (gradients[other]) throw new Error('TokenLogProbs: only the log-probabilities carry a gradient');
    }
    const [hidden, head, targets, ...others] = inputs as [Value, Value, Value, ...Value[]];
    if ((others.length > 0 || attributes.inRounds) && needs.slice(1).includes(true))
      throw new Error('TokenLogProbs: a head in blocks, or read in rounds, has no gradient');
    const rowWeight = reshape(gradients[0]!, [hidden.shape[0]!, 1]);
    const weighted = mul(rowWeight, hidden);
    return [
      needs[0] ? mul(rowWeight, outputs[1]!) : undefined,
      // d/dW of Σ g·log p = Σ g·(onehot − p) hᵀ
      needs[1]
        ? sub(scatterAdd(head, targets, weighted), matmul(outputs[2]!, weighted, { transposeA: true }))
        : undefined,
      undefined,
      ...others.map(() => undefined),
    ];
  },
  decompose: ([hidden, head, targets, ...others], attributes) => {
    const { cuts, blocks } = splitOthers(others, attributes);
    if (cuts) {
      const made = inRounds(cuts, [hidden!, targets!], [head!, ...blocks], ([ownHidden, ownTargets]) => {
        const own = [ownHidden!, head!, ownTargets!, ...blocks];
        const outputs = applyAll(tokenLogProbsOp, own, { onDemand: attributes.onDemand });
        return outputs.filter((_, place) => place !== 2);
      });
      return [...made.slice(0, 2), undefined, ...made.slice(2)];
    }
    const rows = hidden!.shape[0]!;
    const multiplied = blocks.length > 0 ? blocks : [head!];
    const logitBlocks = multiplied.map((block) => matmul(hidden!, block, { transposeB: true }));
    const logits = logitBlocks.length === 1 ? logitBlocks[0]! : concat(logitBlocks, 1);
    const probabilities = softmax(logits);
    const target = gatherElements(logits, reshape(targets!, [rows, 1]));
    const largest = reduceMax(logits, [-1]);
    const total = stagedRowSum(probabilities); // [R, 1], 1 but for rounding
    const logLargest = reduceLogSum(div(reduceMax(probabilities, [-1]), total), [-1]);
    const logProb = add(sub(target, largest), logLargest);
    // Its rows are read by token anyway: a repacked copy of the largest weight would serve this product alone.
    const plain = multiplied.map(unrepacked);
    const meanHead = div(meanRow(probabilities, plain), total); // [R, H]
    const slope = sub(gather(unrepacked(head!), targets!), meanHead);
    // The mean logit under the policy is Σ p·(h·w) = h · Σ p·w: what the gradient needs anyway, instead of all logits once more.
    const expected = sumOfRow(mul(hidden!, meanHead));
    const flat = [rows];
    const entropy = reshape(sub(sub(largest, logLargest), expected), flat);
    const isTop = reshape(cast(equal(target, largest), hidden!.dtype), flat);
    const told = [slope, reduceMean(logits, [-1], false), entropy, isTop];
    const [ownSlope, ...rest] = attributes.onDemand ? onDemand(told) : told;
    return [reshape(logProb, flat), ownSlope, div(probabilities, total), ...rest];
  },
  gradientCases: [
    {
      attributes: { onDemand: false },
      inputs: [{ shape: [3, 4] }, { shape: [5, 4] }, { shape: [3], dtype: 'int64', values: [4, 0, 4] }],
    },
    {
      attributes: { onDemand: true },
      inputs: [{ shape: [2, 4] }, { shape: [5, 4] }, { shape: [2], dtype: 'int64', values: [1, 0] }],
    },
  ],
};

/** What follows hidden, head and targets among the inputs. */
function splitOthers(
  others: readonly Value[],
  attributes: TokenLogProbsAttributes,
): { readonly cuts: RoundCuts | undefined; readonly blocks: readonly Value[] } {
  if (!attributes.inRounds) return { cuts: undefined, blocks: others };
  const [count, starts, ends, ...blocks] = others;
  return { cuts: { count: count!, starts: starts!, ends: ends! }, blocks };
}

/** Rows of a table weighed by [R, V] and summed → [R, H], block by block. */
function meanRow(weights: Value, blocks: readonly Value[]): Value {
  if (blocks.length === 1) return matmul(weights, blocks[0]!);
  let start = 0;
  const products = blocks.map((block) => {
    const end = start + (block.shape[0] as number);
    const product = matmul(slice(weights, 1, start, end), block);
    start = end;
    return product;
  });
  return products.reduce((sum, product) => add(sum, product));
}

/**
 * Σ over the last axis [R, V] → [R, 1] in two stages, each of as nearly √V terms as V's divisors allow: float32 rounding
 * stays near 1e-7 however long the row. As products with ones, for the last bits of the runtime's ReduceSum depend on where in
 * memory a row lies.
 */
function stagedRowSum(value: Value): Value {
  const [rows, columns] = value.shape as [Dim, number];
  let blocks = Math.floor(Math.sqrt(columns));
  while (columns % blocks !== 0) blocks -= 1;
  // Merging the first axes keeps one symbolic length, which a reshape can infer.
  const stacked = reshape(value, [timesDim(rows, blocks), columns / blocks]);
  return sumOfRow(reshape(sumOfRow(stacked), [rows, blocks]));
}

function sumOfRow(value: Value): Value {
  const width = value.shape[1] as number;
  return matmul(value, constant(new Array<number>(width).fill(1), [width, 1], value.dtype));
}

export interface TokenLogProbs {
  readonly logProbs: Value;
  readonly meanLogits: Value;
  readonly entropy: Value;
  readonly isTopToken: Value;
}

/**
 * @param blocks the head's rows, where it is not to be multiplied as a whole
 * @param options nothing is on demand if absent; `cuts`: rows are taken in rounds, and the head must not be trained
 */
export function tokenLogProbs(
  hidden: Value,
  head: Value,
  targets: Value,
  blocks: readonly Value[] = [],
  { cuts, onDemand = false }: { readonly cuts?: RoundCuts | undefined; readonly onDemand?: boolean } = {},
): TokenLogProbs {
  const others = cuts ? [cuts.count, cuts.starts, cuts.ends, ...blocks] : blocks;
  const attributes = { onDemand, inRounds: cuts !== undefined };
  const outputs = applyAll(tokenLogProbsOp, [hidden, head, targets, ...others], attributes);
  return { logProbs: outputs[0]!, meanLogits: outputs[3]!, entropy: outputs[4]!, isTopToken: outputs[5]! };
}

export const rmsNorm = (value: Value, weight: Value, epsilon: number): Value =>
  apply(rmsNormOp, [value, weight], { epsilon });

export interface RotaryTables {
  readonly cosines: Value;
  readonly sines: Value;
  readonly negatedSines: Value;
}

export const rotary = (value: Value, positions: Value, tables: RotaryTables, headSize: number): Value =>
  apply(rotaryOp, [value, positions, tables.cosines, tables.sines, tables.negatedSines], {
    headSize,
    inverse: false,
  });
