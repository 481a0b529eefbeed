import { describe, expect, test } from 'vitest';
import { agreementOf, requireAgreement } from './agreement.ts';

describe('agreementOf', () => {
  test('counts tokens before the first that differs', () => {
    const ours = [
      [1, 2, 3, 4],
      [5, 6],
    ];
    const theirs = [
      [1, 2, 9, 4],
      [5, 6],
    ];
    // 2 of 4 and 2 of 2.
    expect(agreementOf([[ours, theirs]])).toEqual({ answers: 2, whole: 1, tokenShare: 4 / 6 });
  });

  test('a longer answer differs where the other one ends, whichever it is', () => {
    for (const pair of [
      [[[1, 2, 3]], [[1, 2]]],
      [[[1, 2]], [[1, 2, 3]]],
    ] as const) {
      expect(agreementOf([pair])).toEqual({ answers: 1, whole: 0, tokenShare: 2 / 3 });
    }
  });

  test('takes all arms together', () => {
    expect(
      agreementOf([
        [[[1]], [[1]]],
        [[[1, 2, 3]], [[4, 2, 3]]],
      ]),
    ).toEqual({ answers: 2, whole: 1, tokenShare: 1 / 4 });
  });

  test('nothing to compare is no agreement', () => {
    expect(() => agreementOf([[[[1]], []]])).toThrow('1 answers, and 0 of the other');
    expect(() => agreementOf([])).toThrow('no token was generated');
  });
});

test('answers of another model are refused, a few that rounding has turned are not', () => {
  expect(() => requireAgreement({ answers: 16, whole: 14, tokenShare: 0.93 })).not.toThrow();
  expect(() => requireAgreement({ answers: 16, whole: 3, tokenShare: 0.4 })).toThrow(
    '3 of 16 answers are equal, and 40.0 % of tokens',
  );
});
