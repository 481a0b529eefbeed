import type { Alternative } from '../../../shared/plan.ts';
import type { ModelSource } from '../../engine/models/family.ts';
import type { PackablePair } from '../../engine/train/packing.ts';
import { graphSizes, sizesOf } from '../../engine/train/scorer.ts';
import { trainableLayout, type Trainable } from '../../engine/train/graphs.ts';
import { attendedCells, packedLength, sharedTokens } from './timing.ts';

/** What decides how much memory a training takes. */
export interface MemoryShape {
  readonly source: ModelSource;
  readonly trainable: Trainable;
  readonly pairs: readonly PackablePair[];
  /** Sequences of one pass. */
  readonly batch: number;
  /** Whether held-out pairs are scored: beside the trainer where that cannot. */
  readonly scores: boolean;
  readonly lowMemory?: boolean | undefined;
  /** Tokens that all prompts begin with and that a pass of several pairs holds once. */
  readonly prefix?: number | undefined;
  /** Bytes of the weights with two bytes a number, where they lie in that form too: little memory reads those. */
  readonly originalBytes?: number | undefined;
  /** Answers to questions: sequences side by side, and tokens of the longest with its prompt. */
  readonly answers?: { readonly batch: number; readonly maxLength: number } | undefined;
}

export interface MemoryParts {
  readonly program: number;
  readonly weights: number;
  /** Trained numbers, their gradients and AdamW's moments. */
  readonly trained: number;
  /** What the longest sequence keeps for its gradient. */
  readonly activations: number;
  readonly answers: number;
}

/** Node, the runtime's library and this program before anything is opened. */
const programBytes = 110e6;

/**
 * Bytes that a training takes at least, from shapes alone. Counted is what was found to be there at once (SmolLM2-135M
 * and the bundled example): frozen weights repacked once for each product that uses them, forward and backward in the
 * trainer and forward in a scorer of its own and in the session that answers; per layer and token what the backward pass
 * needs; the attention's probabilities; one chunk of logits and its softmax.
 */
export function leastMemory(shape: MemoryShape): MemoryParts {
  const { source, trainable, batch, lowMemory = false } = shape;
  const { hiddenSize, intermediateSize, layers, keyValueHeads, headSize } = source.config;
  const numbers = [...source.family.parameterShapes(source.config).values()].reduce(
    (sum, dims) => sum + dims.reduce((product, dim) => product * dim, 1),
    0,
  );
  const stored = (lowMemory ? shape.originalBytes : undefined) ?? 4 * numbers;
  // A product's copy in float32 of two-byte weights.
  const widened = stored < 4 * numbers ? 4 * hiddenSize * intermediateSize : 0;
  const trained = trainableLayout(source, trainable).size;
  const isFull = trainable.kind === 'full';
  // Without repacking the file's own pages serve every session.
  const scores = shape.scores && batch > 1;
  const sessions = lowMemory ? 1 : 2 + (scores ? 1 : 0) + (shape.answers ? 1 : 0);
  const sizes = sizesOf(shape.pairs);
  const cells = shape.pairs.reduce((most, pair) => Math.max(most, attendedCells(pair)), 0);
  const length = shape.pairs.reduce((most, pair) => Math.max(most, packedLength(pair)), 1);
  const slot = 2 * layers * keyValueHeads * headSize;
  return {
    program: programBytes,
    weights: isFull ? 0 : stored * sessions + widened,
    // The start, the parameters, two moments and two gradients; where all is trained the session has copies of the
    // parameters cut into tensors, and of the gradient's pieces.
    trained: 4 * trained * (isFull ? 8 : 6),
    activations: activationBytes(shape, {
      length: batch * length,
      cells: batch * cells,
      rows: batch * sizes.mostRows,
    }),
    answers: shape.answers ? 4 * slot * shape.answers.batch * shape.answers.maxLength : 0,
  };
}

/**
 * What one pass keeps for its gradient, from shapes.
 * @param pass pairs that go through the graph together; neighbours with one prompt share it, all others what all begin with
 */
export function passMemory(shape: MemoryShape, pass: readonly PackablePair[]): number {
  const shared = shape.batch > 1 ? [] : sharedTokens(pass, shape.prefix);
  const saved = (of: (tokens: number) => number): number =>
    shared.reduce((sum, tokens) => sum + of(tokens), 0);
  const total = (of: (pair: PackablePair) => number): number => pass.reduce((sum, pair) => sum + of(pair), 0);
  // Side by side all are as long as the longest.
  const padded = (of: (pair: PackablePair) => number): number =>
    shape.batch * pass.reduce((most, pair) => Math.max(most, of(pair)), 0);
  const all = shape.batch > 1 ? padded : total;
  const rows = all(({ chosen, rejected }) => chosen.length + rejected.length);
  return activationBytes(shape, {
    length: all(packedLength) - saved((tokens) => tokens),
    cells: all(attendedCells) - saved((tokens) => tokens ** 2 / 2),
    rows,
  });
}

/** @param pass tokens, attended cells and completion tokens of all its sequences */
function activationBytes(
  { source, pairs, batch, lowMemory = false }: MemoryShape,
  pass: { readonly length: number; readonly cells: number; readonly rows: number },
): number {
  const { hiddenSize, intermediateSize, layers, heads, keyValueHeads, headSize, vocabularySize } =
    source.config;
  const sizes = sizesOf(pairs);
  const { chunks, blocks } = graphSizes({ ...sizes, lowMemory });
  const keeping = lowMemory ? 1 : layers;
  const atOnce = batch > 1 || blocks.keepProbabilities ? keeping : 1;
  const perToken = 3 * hiddenSize + 2 * intermediateSize + (heads + 2 * keyValueHeads) * headSize;
  return (
    4 *
      (pass.length * (keeping * perToken + (lowMemory ? layers * hiddenSize : 0)) +
        atOnce * pass.cells * heads) +
    2 * 4 * Math.ceil(pass.rows / chunks) * vocabularySize
  );
}

export function sumOf(parts: MemoryParts): number {
  return parts.program + parts.weights + parts.trained + parts.activations + parts.answers;
}

/** A pair as a shorter max length would cut it; undefined where the prompt alone fills that. */
export function cutTo(pair: PackablePair, maxLength: number): PackablePair | undefined {
  const room = maxLength - pair.prompt.length;
  if (room < 1) return undefined;
  const { prompt, chosen, rejected } = pair;
  return { prompt, chosen: chosen.subarray(0, room), rejected: rejected.subarray(0, room) };
}

/** Tokens of the longest prompt with one of its answers: what max length limits. */
export function longestAnswered(pairs: readonly PackablePair[]): number {
  return pairs.reduce(
    (most, { prompt, chosen, rejected }) =>
      Math.max(most, prompt.length + Math.max(chosen.length, rejected.length)),
    0,
  );
}

/**
 * Settings that need less memory, the mildest first.
 * @param peak bytes expected as things stand; what each change saves is taken in proportion from the shapes
 */
export function alternatives(shape: MemoryShape, peak: number): Alternative[] {
  const now = sumOf(leastMemory(shape));
  const found: Alternative[] = [];
  const tell = (change: string, changed: MemoryShape): void => {
    const expected = Math.round((peak * sumOf(leastMemory(changed))) / now);
    if (expected < 0.99 * peak) found.push({ change, peak: expected });
  };
  if (!shape.lowMemory)
    tell('train in little memory (--low-memory), which takes 1.2 to 1.6 times as long', {
      ...shape,
      lowMemory: true,
    });
  const longest = longestAnswered(shape.pairs);
  const shortened = (share: number, from: MemoryShape, prefix = ''): void => {
    const maxLength =
      longest * share > 64 ? Math.floor((longest * share) / 16) * 16 : Math.floor(longest * share);
    const pairs = shape.pairs.map((pair) => cutTo(pair, maxLength)).filter((pair) => pair !== undefined);
    if (maxLength < 2 || pairs.length === 0) return;
    tell(`${prefix}lower the max length to ${maxLength} tokens`, { ...from, pairs });
  };
  const { trainable } = shape;
  for (let batch = shape.batch >> 1; batch >= 1; batch >>= 1)
    tell(`lower the batch size to ${batch}`, { ...shape, batch });
  if (trainable.kind === 'lora') {
    for (let rank = trainable.rank >> 1; rank >= 4; rank >>= 1)
      tell(`lower the adapter's rank to ${rank}`, { ...shape, trainable: { ...trainable, rank } });
  }
  for (const share of [3 / 4, 1 / 2]) shortened(share, shape);
  if (trainable.kind === 'full' && shape.source.weights) {
    const targets = shape.source.family.linearLayers(shape.source.config);
    const adapter: MemoryShape = {
      ...shape,
      trainable: { kind: 'lora', rank: 16, scale: 2, targets },
      batch: 1,
    };
    tell('train an adapter (rank 16) instead of every weight', adapter);
    for (const share of [1 / 2, 1 / 4])
      shortened(share, adapter, 'train an adapter (rank 16) instead of every weight and ');
  }
  for (const share of [3 / 8, 1 / 4, 1 / 8]) shortened(share, shape);
  return found;
}
