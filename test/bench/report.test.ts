import { describe, expect, test } from 'vitest';
import { checkAgreement, median, totalSeconds, type HalfReport } from './report.ts';

const pairs = [
  { index: 3, prompt: [1, 2], chosen: [3], rejected: [4, 5] },
  { index: 7, prompt: [6], chosen: [7, 8], rejected: [9] },
];

function half(change: Partial<HalfReport> = {}): HalfReport {
  return {
    reference_seconds: 2,
    training_seconds: 3,
    step_seconds: [1, 2],
    losses: [Math.LN2, 0.5],
    reference_log_probs: { chosen: [-10, -20], rejected: [-30, -40] },
    pairs_seen: pairs.map(({ prompt, chosen, rejected }) => ({
      prompt,
      rejected_prompt: prompt,
      chosen,
      rejected,
    })),
    peak_rss_bytes: 1,
    versions: {},
    ...change,
  };
}

describe('checkAgreement', () => {
  test('gives the largest differences', () => {
    const trl = half({
      losses: [Math.LN2, 0.50005],
      reference_log_probs: { chosen: [-10, -20.001], rejected: [-30.0005, -40] },
    });
    const { loss, referenceLogProb } = checkAgreement(pairs, half(), trl);
    expect(loss).toBeCloseTo(5e-5, 12);
    expect(referenceLogProb).toBeCloseTo(1e-3, 12);
  });

  test.each<[string, Partial<HalfReport>, RegExp]>([
    ['another loss', { losses: [Math.LN2, 0.5002] }, /step 2: the loss is 0.5 here and 0.5002 in TRL/],
    ['a loss that is not a number', { losses: [NaN, 0.5] }, /step 1: the loss/],
    [
      'another reference',
      { reference_log_probs: { chosen: [-10, -20], rejected: [-30.003, -40] } },
      /step 1: the reference log-prob of the rejected answer/,
    ],
    ['the other order', { pairs_seen: half().pairs_seen.toReversed() }, /TRL saw other token ids .* row 3/],
    [
      'a prompt cut short before the rejected answer only',
      { pairs_seen: half().pairs_seen.map((seen) => ({ ...seen, rejected_prompt: [] })) },
      /TRL saw other token ids/,
    ],
    ['a step too few', { losses: [Math.LN2] }, /TRL did not take one step per pair/],
  ])('refuses %s', (_, change, message) => {
    expect(() => checkAgreement(pairs, half(), half(change))).toThrow(message);
  });
});

test('the total holds the sessions where they are timed', () => {
  expect(totalSeconds(half())).toBe(5);
  expect(totalSeconds(half({ session_seconds: 4 }))).toBe(9);
});

test.each([
  [[5], 5],
  [[9, 1, 4], 4],
  [[10, 1, 4, 2], 3],
])('the median of %j is %d', (values, expected) => {
  expect(median(values)).toBe(expected);
});
