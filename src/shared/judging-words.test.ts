import { describe, expect, it } from 'vitest';
import { judgingStatistics, testedShare, type JudgedItem } from './judging.ts';
import { lengthWords, positionWords, preferenceWords, shareWords } from './judging-words.ts';

const names = ['small', 'run 3'] as const;
/** Items won by the first, then by the second; sides alternate. */
function outcome(firstWins: number, secondWins: number, lengths: readonly [number, number] = [9, 9]) {
  const items = Array.from({ length: firstWins + secondWins }, (_, place): JudgedItem => {
    const first = place % 2 === 0 ? 'a' : 'b';
    const other = first === 'a' ? 'b' : 'a';
    return { first, vote: place < firstWins ? first : other, lengths };
  });
  return judgingStatistics(items);
}

describe('a judging in words', () => {
  it('tells share, interval and p', () => {
    // SciPy: binomtest(8, 10) has p 0.109375 and the exact interval 0.44390 to 0.97479.
    expect(shareWords(testedShare(8, 10))).toBe('8 of 10, 80.0% (95% interval 44.4% to 97.5%), p 0.109');
  });

  it('claims a preference only where chance is unlikely, and for the right one', () => {
    expect(preferenceWords(outcome(6, 4), names)).toMatch(/^No detectable preference/);
    expect(preferenceWords(outcome(18, 2), names)).toBe('small is preferred to run 3.');
    expect(preferenceWords(outcome(2, 18), names)).toBe('run 3 is preferred to small.');
    expect(preferenceWords(outcome(0, 0), names)).toBe('No answer was preferred to the other.');
  });

  it('tells of leanings', () => {
    expect(positionWords(outcome(10, 10))).toMatch(/^No sign/);
    expect(lengthWords(outcome(18, 2, [30, 10]))).toMatch(/^Votes go with the longer answer/);
    expect(lengthWords(outcome(2, 18, [30, 10]))).toMatch(/^Votes go with the shorter answer/);
    expect(lengthWords(outcome(18, 2))).toMatch(/^Nothing to see/);
    const b = (first: 'a' | 'b'): JudgedItem => ({ vote: 'b', first, lengths: [1, 1] });
    const leaning = judgingStatistics(Array.from({ length: 12 }, (_, at) => b(at % 2 === 0 ? 'a' : 'b')));
    expect(positionWords(leaning)).toMatch(/^Votes lean to B/);
  });
});
