import { describe, expect, it } from 'vitest';
import { fitPassTime, packedLength, passSeconds, passSize } from './timing.ts';

const sample = (tokens: number, seconds: number) => ({ size: { tokens, square: tokens * tokens }, seconds });

describe('fitPassTime', () => {
  it('finds the line and the square that times were made from', () => {
    const made = (tokens: number): number => 0.01 + 0.002 * tokens + 3e-6 * tokens ** 2;
    const time = fitPassTime([50, 100, 200, 400, 800].map((tokens) => sample(tokens, made(tokens))));
    expect(time.fixed).toBeCloseTo(0.01, 6);
    expect(time.perToken).toBeCloseTo(0.002, 8);
    expect(time.perSquare).toBeCloseTo(3e-6, 11);
    expect(passSeconds(time, { tokens: 1000, square: 1e6 })).toBeCloseTo(made(1000), 5);
  });

  it('gives no term below 0, whatever the noise', () => {
    // Concave: an unbounded fit would make the square negative and long pairs cost less than nothing.
    const time = fitPassTime([sample(100, 0.3), sample(200, 0.4), sample(400, 0.5), sample(450, 0.5)]);
    expect(Math.min(time.fixed, time.perToken, time.perSquare)).toBeGreaterThanOrEqual(0);
    expect(time.perSquare).toBe(0);
  });

  it('takes a single length for proportional to its tokens', () => {
    expect(passSeconds(fitPassTime([sample(100, 0.5)]), { tokens: 200, square: 40_000 })).toBeCloseTo(1, 9);
  });

  it('weighs by share: a long pass does not drown a short one', () => {
    const time = fitPassTime([sample(10, 0.01), sample(10, 0.01), sample(1000, 1.2), sample(1000, 0.8)]);
    expect(passSeconds(time, { tokens: 10, square: 100 })).toBeCloseTo(0.01, 3);
  });
});

describe('passSize', () => {
  const config = {
    ...{ hiddenSize: 4, intermediateSize: 8, layers: 2, heads: 2, keyValueHeads: 1, headSize: 2 },
    vocabularySize: 112,
  };
  const pair = (prompt: number, chosen: number, rejected: number) => ({
    prompt: new Int32Array(prompt),
    chosen: new Int32Array(chosen),
    rejected: new Int32Array(rejected),
  });

  it('counts what goes through the layers, and the head by its weight', () => {
    // A layer has 4 · (3 · 8) + 4 · 2 · 2 · 2 + 4 · 2 · 1 · 2 = 144 weights, two have 288; the head 448.
    expect(packedLength(pair(5, 3, 4))).toBe(10);
    const size = passSize(config as never, [pair(5, 3, 4)]);
    expect(size.tokens).toBeCloseTo(10 + 7 * (448 / 288), 9);
    // Half of 5², and answers of 3 and 4 that look at 5 and half of themselves: 12.5 + 19.5 + 28.
    expect(size.square).toBe(60);
  });

  it('adds up pairs of one pass, with a prompt that they share once', () => {
    // Zeros all: the prompts of 5 tokens are equal. 10 + 9 − 5 tokens; 60 + (12.5 + 28 + 12) − 12.5 places.
    const size = passSize(config as never, [pair(5, 3, 4), pair(5, 4, 2)]);
    expect(size.tokens).toBeCloseTo(14 + 13 * (448 / 288), 9);
    expect(size.square).toBe(60 + 40);
    expect(passSize(config as never, [pair(5, 3, 4), pair(4, 4, 2)]).tokens).toBeCloseTo(
      18 + 13 * (448 / 288),
      9,
    );
  });

  it('pads a group to its longest', () => {
    expect(passSize(config as never, [pair(5, 3, 0), pair(2, 2, 0)], true).square).toBe(2 * 49);
  });
});
