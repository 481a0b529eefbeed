import { describe, expect, test } from 'vitest';
import type { DecoderConfig } from '../../../src/main/engine/models/config.ts';
import { forwardArithmetic, neededSequences, trainingArithmetic } from './arithmetic.ts';

const config: DecoderConfig = {
  architecture: 'LlamaForCausalLM',
  vocabularySize: 7,
  hiddenSize: 4,
  intermediateSize: 5,
  layers: 2,
  heads: 2,
  keyValueHeads: 1,
  headSize: 3,
  normEpsilon: 1e-5,
  tiedEmbeddings: true,
  attentionBias: false,
  mlpBias: false,
  ropeTheta: 10_000,
  ropeScaling: { type: 'default' },
  maxPositions: 64,
  initializerRange: 0.02,
  eosTokenIds: [],
};

// A prompt of 3, answers of 2 and 4: read are 3 + 1 + 3 = 7 tokens, predicted 6. The prompt's queries see 1, 2 and 3 keys;
// the one of the first answer 4; those of the second 4, 5 and 6: 25 in all.
const sequences = [{ prompt: 3, answers: [2, 4] }];

/** One product of [rows, inner] and [inner, columns]. */
const product = (rows: number, inner: number, columns: number): number => 2 * rows * inner * columns;

describe('one pair, counted by hand', () => {
  // Query 4 → 6, key and value 4 → 3, output 6 → 4, gate and up 4 → 5, down 5 → 4.
  const linears = [
    [4, 6],
    [4, 3],
    [4, 3],
    [6, 4],
    [4, 5],
    [4, 5],
    [5, 4],
  ] as const;
  const block = linears.reduce((sum, [from, to]) => sum + product(7, from, to), 0);

  test('forward', () => {
    // Every one of the 25 takes 3 multiplications and additions for the score and 3 for the value, in 2 heads and 2 layers.
    expect(forwardArithmetic(config, sequences)).toEqual({
      base: 2 * block,
      lora: 0,
      attention: 25 * (2 * 3 + 2 * 3) * 2 * 2,
      head: product(6, 4, 7),
      total: 2 * block + 25 * 12 * 4 + product(6, 4, 7),
    });
    expect(block).toBe(7 * 2 * (24 + 12 + 12 + 24 + 20 + 20 + 20));
  });

  test('forward and backward with LoRA', () => {
    const rank = 2;
    const lora = (from: number, to: number, needsInputGradient: boolean): number =>
      product(7, from, rank) + // inner = x Aᵀ
      product(7, rank, to) + // inner Bᵀ
      product(7, to, rank) + // d inner = dY B
      product(rank, 7, to) + // dB
      product(rank, 7, from) + // dA
      (needsInputGradient ? product(7, rank, from) : 0);
    let base = 0;
    let adapters = 0;
    for (const layer of [0, 1]) {
      linears.forEach(([from, to], place) => {
        const needsInputGradient = layer > 0 || place > 2;
        base += product(7, from, to) * (needsInputGradient ? 2 : 1);
        adapters += lora(from, to, needsInputGradient);
      });
    }
    const found = trainingArithmetic(config, rank, sequences);
    expect(found.base).toBe(base);
    expect(found.lora).toBe(adapters);
    expect(found.attention).toBe(25 * 6 * (2 * 3) * 2 * 2);
    expect(found.head).toBe(2 * product(6, 4, 7));
    expect(found.total).toBe(found.base + found.lora + found.attention + found.head);
  });
});

test('a prompt that pairs of one update share is needed once, in another update again', () => {
  const pair = (prompt: number[], chosen: number, rejected: number) => ({
    prompt,
    chosen: new Int32Array(chosen),
    rejected: new Int32Array(rejected),
  });
  const pairs = [pair([1, 2], 3, 4), pair([5], 6, 7), pair([1, 2], 8, 9), pair([1, 2], 2, 2)];
  expect(neededSequences(pairs, 3)).toEqual([
    { prompt: 2, shared: 0, answers: [3, 4, 8, 9] },
    { prompt: 1, shared: 0, answers: [6, 7] },
    { prompt: 2, shared: 0, answers: [2, 2] },
  ]);
});

test('what all prompts of an update begin with is needed once', () => {
  const pairs = [
    [1, 2, 3],
    [1, 2, 4, 5],
    [1, 2, 3],
    [1, 2],
  ].map((prompt) => ({ prompt, chosen: new Int32Array(2), rejected: new Int32Array(4) }));
  expect(neededSequences(pairs, 4)).toEqual([
    { prompt: 3, shared: 0, answers: [2, 4, 2, 4] },
    { prompt: 4, shared: 2, answers: [2, 4] },
    { prompt: 2, shared: 2, answers: [2, 4] },
  ]);
  // Of 25 seen keys in all, the prompt's first two tokens see 1 and 2.
  const [whole, rest] = [0, 2].map((shared) => forwardArithmetic(config, [{ ...sequences[0]!, shared }]));
  expect(rest!.attention / whole!.attention).toBe((25 - 3) / 25);
  expect(rest!.base / whole!.base).toBeCloseTo((7 - 2) / 7, 12);
  expect(rest!.head).toBe(whole!.head);
});
