import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LossMeter } from './loss-meter.ts';

const logSigmoid = (x: number): number => -Math.log1p(Math.exp(-x));
// Log-probs that float32 holds exactly.
const reference = [
  { chosen: -10, rejected: -12 },
  { chosen: -20, rejected: -8 },
];
const scores = [
  { chosen: -9, rejected: -14.5 },
  { chosen: -22.5, rejected: -6 },
];
const pair = (index: number, prompt: number, chosen: number, rejected: number) => ({
  index,
  prompt: new Int32Array(prompt),
  chosen: new Int32Array(chosen),
  rejected: new Int32Array(rejected),
});

describe('LossMeter', () => {
  const pairs = [pair(0, 5, 3, 4), pair(1, 0, 6, 2)];
  let meter: LossMeter;
  beforeAll(async () => {
    meter = await LossMeter.create(['dpo', 'minor-dpo', 'sft'], 1);
  });
  afterAll(() => meter.release());
  const of = (name: string, beta: number): Promise<number> =>
    meter.loss({ loss: name, beta }, pairs, scores, reference);

  it('gives the mean over pairs of DPO and MinorDPO', async () => {
    // c = 1, r = -2.5; c = -2.5, r = 2.
    expect(await of('dpo', 0.5)).toBeCloseTo(-(logSigmoid(0.5 * 3.5) + logSigmoid(0.5 * -4.5)) / 2, 6);
    expect(await of('minor-dpo', 0.5)).toBeCloseTo(-(logSigmoid(0.5 * 1) + logSigmoid(0.5 * -4.5)) / 2, 6);
  });

  it('gives ln 2 where the policy is its reference', async () => {
    const start = await meter.loss({ loss: 'dpo', beta: 0.1 }, pairs, reference, reference);
    expect(start).toBeCloseTo(Math.LN2, 6);
  });

  it('gives the mean over chosen tokens of supervised fine-tuning', async () => {
    // Without a prompt nothing predicts an answer's first token: 3 and 5 tokens.
    expect(await of('sft', 0.1)).toBeCloseTo((9 + 22.5) / 8, 6);
  });
});
