import { describe, expect, it } from 'vitest';
import { generationMeasures, klToReference } from './generation-measures.ts';
import { correlation, lengthBias } from './length-bias.ts';

describe('measures of answers', () => {
  it('are means and shares over the answers; a repetition of one half is not above it', () => {
    const answers = [
      { tokens: 3, isCut: false, repetition: 0 },
      { tokens: 8, isCut: true, repetition: 0.5 },
      { tokens: 8, isCut: true, repetition: 0.75 },
      { tokens: 5, isCut: false, repetition: 0.25 },
    ];
    expect(generationMeasures(answers, 'greedy')).toEqual({
      answers: 4,
      decoding: 'greedy',
      meanTokens: 6,
      cutShare: 0.5,
      meanRepetition: 0.375,
      repeatingShare: 0.25,
    });
  });

  it('KL per token weighs every token alike, with the standard error of a ratio', () => {
    // Sums 3 and 1 over 2 and 2 tokens: with equal lengths the ratio's error is that of the mean of the samples' means,
    // whose standard deviation is √(½) here, over √2.
    const equal = klToReference([
      [1, 2],
      [0.5, 0.5],
    ]);
    expect(equal).toMatchObject({ samples: 2, tokens: 4, perToken: 1 });
    expect(equal.standardError).toBeCloseTo(Math.SQRT1_2 / Math.SQRT2, 12);
    // Four tokens of 1 and one of 6: 10 / 5, not the mean of 1 and 6.
    expect(klToReference([[1, 1, 1, 1], [6]]).perToken).toBe(2);
    // Samples that agree on what a token costs leave no error, however long they are.
    expect(klToReference([[2, 2, 2], [2]]).standardError).toBe(0);
    expect(klToReference([[1, 3]])).toEqual({ samples: 1, tokens: 2, perToken: 2 });
  });
});

describe('length bias', () => {
  it('is Pearson’s correlation of c − r with the difference in length', () => {
    // Margins 1, 2, 3, 5 with differences −1, 0, 1, 1: by hand, covariance 4.25 over √(8.75 · 2.75).
    const pairs = [1, 2, 3, 5].map((c) => ({ c, r: 0 }));
    const lengths = [2, 3, 4, 4].map((chosen) => ({ chosen, rejected: 3 }));
    expect(lengthBias(pairs, lengths).correlation).toBeCloseTo(4.25 / Math.sqrt(8.75 * 2.75), 12);
    expect(correlation([1, 2, 3], [10, 20, 30])).toBeCloseTo(1, 12);
    expect(correlation([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1, 12);
    expect(correlation([1, 1, 1], [3, 2, 1])).toBeUndefined();
  });

  it('tells accuracy where chosen is shorter from where it is longer; a tie is wrong, equal lengths are neither', () => {
    const pairs = [
      { c: 1, r: 0 },
      { c: 0, r: 0 },
      { c: 1, r: 0 },
      { c: 5, r: 0 },
    ];
    const lengths = [
      { chosen: 1, rejected: 2 },
      { chosen: 1, rejected: 2 },
      { chosen: 4, rejected: 2 },
      { chosen: 2, rejected: 2 },
    ];
    expect(lengthBias(pairs, lengths)).toMatchObject({
      shorter: { pairs: 2, accuracy: 0.5 },
      longer: { pairs: 1, accuracy: 1 },
    });
    expect(lengthBias(pairs.slice(2, 3), lengths.slice(2, 3)).shorter).toEqual({ pairs: 0 });
    expect(() => lengthBias(pairs, lengths.slice(1))).toThrow(RangeError);
  });
});
