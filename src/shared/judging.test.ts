import { describe, expect, it } from 'vitest';
import fixtures from '../../test/parity/fixtures/statistics.json' with { type: 'json' };
import { judgingStatistics, testedShare, type JudgedItem, type Side, type Vote } from './judging.ts';
import { randomGenerator } from './statistics/random.ts';

const item = (
  vote: Vote | null,
  first: Side = 'a',
  lengths: readonly [number, number] = [10, 10],
): JudgedItem => ({ vote, first, lengths });
const times = <Item>(count: number, each: Item): Item[] => Array.from({ length: count }, () => each);

describe('a share', () => {
  it('has SciPy’s interval and p-value', () => {
    for (const { successes, trials, level, low, high, p } of fixtures.clopper_pearson) {
      const share = testedShare(successes, trials, level);
      expect(share).toMatchObject({ successes, trials, level, estimate: successes / trials });
      expect(share.low).toBeCloseTo(low, 9);
      expect(share.high).toBeCloseTo(high, 9);
      expect(Math.abs(share.pValue - p), `${successes} of ${trials}`).toBeLessThanOrEqual(1e-9 * p);
    }
    for (const { successes, trials, level, low, high } of fixtures.wilson) {
      const { wilson } = testedShare(successes, trials, level);
      expect(wilson.low).toBeCloseTo(low, 9);
      expect(wilson.high).toBeCloseTo(high, 9);
    }
  });

  it('has the p-value that counting gives', () => {
    // 8 or more of 10, or 2 or fewer: 2 · (1 + 10 + 45) / 1024.
    expect(testedShare(8, 10).pValue).toBeCloseTo(112 / 1024, 12);
    expect(testedShare(5, 10).pValue).toBe(1);
    // All of 6 on one side: 2 / 64.
    expect(testedShare(6, 6).pValue).toBeCloseTo(2 / 64, 12);
  });

  it('covers the truth at least as often as it says', () => {
    // Coverage of the exact interval, summed over all outcomes of 15 trials at several true shares.
    const choose = (n: number, k: number): number =>
      Array.from({ length: k }, (_, at) => (n - at) / (at + 1)).reduce((product, each) => product * each, 1);
    for (const truth of [0.05, 0.21, 0.5, 0.77, 0.98]) {
      let covered = 0;
      for (let k = 0; k <= 15; k++) {
        const { low, high } = testedShare(k, 15, 0.9);
        if (low <= truth && truth <= high) covered += choose(15, k) * truth ** k * (1 - truth) ** (15 - k);
      }
      expect(covered).toBeGreaterThanOrEqual(0.9);
    }
  });
});

describe('what votes say', () => {
  it('follows the first policy wherever it stood', () => {
    const items = [
      ...times(3, item('a', 'a')),
      ...times(4, item('b', 'b')),
      ...times(2, item('a', 'b')),
      item('b', 'a'),
      ...times(4, item('tie', 'b')),
      ...times(2, item('both-bad')),
      item('skip'),
      ...times(5, item(null)),
    ];
    const found = judgingStatistics(items);
    expect(found).toMatchObject({
      firstWins: 7,
      secondWins: 3,
      ties: 4,
      bothBad: 2,
      skipped: 1,
      unjudged: 5,
      winRate: { successes: 7, trials: 10, estimate: 0.7 },
      // Seven wins and six halves of sixteen.
      winRateWithTies: { estimate: 10 / 16, trials: 16 },
      position: { successes: 5, trials: 10, pValue: 1 },
    });
    // Two tails of 3 or fewer of 10: 2 · (1 + 10 + 45 + 120) / 1024.
    expect(found.winRate!.pValue).toBeCloseTo(352 / 1024, 12);
    expect('longer' in found).toBe(false);
  });

  it('finds a judge who looks at the place, whoever stands there', () => {
    const random = randomGenerator(4);
    const items = Array.from({ length: 60 }, (_, place) =>
      item(place % 10 === 0 ? 'b' : 'a', random() < 0.5 ? 'a' : 'b'),
    );
    const { position, winRate } = judgingStatistics(items);
    expect(position).toMatchObject({ successes: 54, trials: 60 });
    expect(position!.pValue).toBeLessThan(1e-9);
    expect(winRate!.low).toBeLessThan(0.5);
    expect(winRate!.high).toBeGreaterThan(0.5);
  });

  it('finds a judge who looks at the length', () => {
    const items = [
      item('a', 'a', [30, 10]),
      item('b', 'a', [10, 30]),
      item('b', 'b', [30, 10]),
      item('a', 'b', [10, 30]),
      item('a', 'b', [30, 10]),
      item('a', 'a', [20, 20]),
      item('tie', 'a', [50, 20]),
    ];
    expect(judgingStatistics(items).longer).toMatchObject({ successes: 4, trials: 5 });
  });

  it('claims nothing where nothing was decided', () => {
    expect(judgingStatistics([item('skip'), item(null)])).toEqual({
      firstWins: 0,
      secondWins: 0,
      ties: 0,
      bothBad: 0,
      skipped: 1,
      unjudged: 1,
    });
    const tied = judgingStatistics([item('tie'), item('both-bad')]);
    expect(tied.winRateWithTies).toMatchObject({ estimate: 0.5, trials: 2 });
    expect('winRate' in tied || 'position' in tied).toBe(false);
  });
});
