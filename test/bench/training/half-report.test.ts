import { describe, expect, test } from 'vitest';
import {
  bfloat16Limits,
  checkAgreement,
  checkReference,
  median,
  settings,
  totalSeconds,
  type HalfReport,
} from './half-report.ts';

// One more than an update holds.
const pairs = Array.from({ length: settings.update + 1 }, (_, place) => ({
  index: 3 + 2 * place,
  prompt: [place, 2],
  chosen: [3],
  rejected: [4, 5],
}));
const each = (value: number): number[] => pairs.map(() => value);

function half(change: Partial<HalfReport> = {}): HalfReport {
  return {
    setup_seconds: 4,
    reference_seconds: 2,
    training_seconds: 3,
    step_seconds: [1, 2],
    first_step_begins_seconds: 6,
    first_step_seconds: 7,
    losses: [Math.LN2, 0.5],
    reference_log_probs: { chosen: each(-10), rejected: each(-30) },
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
      reference_log_probs: { chosen: each(-10.001), rejected: each(-30.0005) },
    });
    const { loss, referenceLogProb } = checkAgreement(pairs, half(), trl);
    expect(loss).toBeCloseTo(5e-5, 12);
    expect(referenceLogProb).toBeCloseTo(1e-3, 12);
  });

  test.each<[string, Partial<HalfReport>, RegExp]>([
    ['another loss', { losses: [Math.LN2, 0.5002] }, /update 2: the loss is 0.5 here and 0.5002 in TRL/],
    ['a loss that is not a number', { losses: [NaN, 0.5] }, /update 1: the loss/],
    [
      'another reference',
      { reference_log_probs: { chosen: each(-10), rejected: [...each(-30).slice(1), -30.003] } },
      /pair 9: the reference log-prob of the rejected answer .* more than 0.00206 apart/,
    ],
    [
      'a reference for too few',
      { reference_log_probs: { chosen: each(-10).slice(1), rejected: each(-30) } },
      /not reference log-probs of the chosen answer/,
    ],
    ['the other order', { pairs_seen: half().pairs_seen.toReversed() }, /TRL saw other token ids .* row 3/],
    ['a pair too few', { pairs_seen: half().pairs_seen.slice(1) }, /TRL saw 8 pairs of 9/],
    [
      'a prompt cut short before the rejected answer only',
      { pairs_seen: half().pairs_seen.map((seen) => ({ ...seen, rejected_prompt: [] })) },
      /TRL saw other token ids/,
    ],
    ['an update too few', { losses: [Math.LN2] }, /TRL took 1 updates for 9 pairs, 2 are needed/],
  ])('refuses %s', (_, change, message) => {
    expect(() => checkAgreement(pairs, half(), half(change))).toThrow(message);
  });

  test('allows a long answer more, and bfloat16 more yet', () => {
    const long = [{ ...pairs[0]!, chosen: Array.from({ length: 400 }, () => 1) }];
    const at = (chosen: number): Pick<HalfReport, 'reference_log_probs'> => ({
      reference_log_probs: { chosen: [chosen], rejected: [-30] },
    });
    expect(checkReference(long, at(-700), at(-699.987)).referenceLogProb).toBeCloseTo(0.013, 9);
    expect(() => checkReference(long, at(-700), at(-699.985))).toThrow(/more than 0.014 apart/);
    expect(checkReference(long, at(-700), at(-690), bfloat16Limits).referenceLogProb).toBe(10);
  });
});

test('the total holds setting up, reference and training', () => {
  expect(totalSeconds(half())).toBe(9);
});

test.each([
  [[5], 5],
  [[9, 1, 4], 4],
  [[10, 1, 4, 2], 3],
])('the median of %j is %d', (values, expected) => {
  expect(median(values)).toBe(expected);
});
