import { describe, expect, it } from 'vitest';
import { repeating, repetition } from './repetition.ts';

describe('repetition', () => {
  it.each([
    ['nothing', [], 0],
    ['too short for a run of four', [7, 7, 7], 0],
    ['four tokens: one run', [7, 7, 7, 7], 0],
    // Runs 7777 seven times: 1 of 7 is new.
    ['one token ten times', Array<number>(10).fill(7), 1 - 1 / 7],
    ['no token twice', [1, 2, 3, 4, 5, 6, 7, 8], 0],
    // abcd twice is abcd, bcda, cdab, dabc, abcd: 4 of 5 are new.
    ['a phrase said twice', [1, 2, 3, 4, 1, 2, 3, 4], 1 - 4 / 5],
    // Threes of n repeat but no run of four does.
    ['a shorter phrase in other company', [1, 2, 3, 9, 1, 2, 3, 8], 0],
    ['words', ['so', 'it', 'is', 'so', 'it', 'is', 'so', 'it', 'is'], 1 - 3 / 6],
    // Joined with blanks these would read alike.
    ['words with blanks', ['a b', 'c', 'd', 'e', 'a', 'b c', 'd', 'e'], 0],
  ])('%s', (_name, tokens, expected) => {
    expect(repetition(tokens)).toBeCloseTo(expected, 12);
  });
});

describe('repeating', () => {
  const of = (...shares: number[]) => shares.map((repetition) => ({ repetition }));

  it('names what passed one half and did not before training', () => {
    expect(repeating(of(0.5, 0.51, 0.9, 0), of(0, 0, 0.6, 0.9))).toEqual([1]);
  });

  it('takes an answer that is not known for one that did not repeat itself', () => {
    expect(repeating(of(0.6), [])).toEqual([0]);
  });
});
