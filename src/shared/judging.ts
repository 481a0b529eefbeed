import { clopperPearsonInterval, wilsonInterval, type Interval } from './statistics/intervals.ts';
import { mcNemarOfCounts } from './statistics/significance.ts';

/** What a judge can say of two answers, of which they do not know who gave which. */
export const votes = ['a', 'b', 'tie', 'both-bad', 'skip'] as const;
export type Vote = (typeof votes)[number];

/** The two places that answers are shown at. */
export type Side = 'a' | 'b';

/** An item with what only the record knows. */
export interface JudgedItem {
  readonly vote: Vote | null;
  /** Where the first policy's answer stood. */
  readonly first: Side;
  /** Of the first and the second policy's answer, in characters. */
  readonly lengths: readonly [number, number];
}

/** A share with its exact interval, and the test of "the share is ½". */
export interface TestedShare extends Interval {
  readonly successes: number;
  readonly trials: number;
  /** Wilson's interval: narrower, with its coverage on average rather than always. */
  readonly wilson: Interval;
  /** Two-sided, of the exact binomial test. */
  readonly pValue: number;
}

/** What the votes say. Shares are absent where no vote bears on them. */
export interface JudgingStatistics {
  readonly firstWins: number;
  readonly secondWins: number;
  readonly ties: number;
  readonly bothBad: number;
  readonly skipped: number;
  readonly unjudged: number;
  /** Share of the first policy's wins among the items that one of the two won. */
  readonly winRate?: TestedShare;
  /**
   * The same over all items judged but those skipped, where ties and "both bad" are half a win each. Its interval is
   * Wilson's at that share: somewhat wide, since half wins vary less than whole ones.
   */
  readonly winRateWithTies?: Interval & { readonly trials: number };
  /** Share of votes for A among those for A or B. Sides are drawn, so this is ½ for a judge who looks at the answers alone. */
  readonly position?: TestedShare;
  /** Share of votes for the longer answer among those for A or B where lengths differ. */
  readonly longer?: TestedShare;
}

/**
 * A share of independent trials: Clopper and Pearson's interval, Wilson's, and the exact test against ½. Interval and test
 * may part at the edge: the test adds up both tails.
 * @throws RangeError unless 0 ≤ successes ≤ trials and trials > 0
 */
export function testedShare(successes: number, trials: number, level = 0.95): TestedShare {
  return {
    ...clopperPearsonInterval(successes, trials, level),
    successes,
    trials,
    wilson: wilsonInterval(successes, trials, level),
    // McNemar's exact test is the binomial test of one count against the other.
    pValue: mcNemarOfCounts(successes, trials - successes).exact,
  };
}

/** Counts the votes and tests what they may show; `level` is the intervals' coverage. */
export function judgingStatistics(items: readonly JudgedItem[], level = 0.95): JudgingStatistics {
  const count = (holds: (item: JudgedItem) => boolean): number => items.filter(holds).length;
  const decided = items.filter(({ vote }) => vote === 'a' || vote === 'b');
  const firstWins = decided.filter(({ vote, first }) => vote === first).length;
  const secondWins = decided.length - firstWins;
  const ties = count(({ vote }) => vote === 'tie');
  const bothBad = count(({ vote }) => vote === 'both-bad');
  const halves = ties + bothBad;
  const unequal = decided.filter(({ lengths: [first, second] }) => first !== second);
  const forLonger = unequal.filter(({ vote, first, lengths: [ofFirst, ofSecond] }) =>
    vote === first ? ofFirst > ofSecond : ofSecond > ofFirst,
  ).length;
  const judged = decided.length + halves;
  return {
    firstWins,
    secondWins,
    ties,
    bothBad,
    skipped: count(({ vote }) => vote === 'skip'),
    unjudged: count(({ vote }) => vote === null),
    ...(decided.length === 0
      ? {}
      : {
          winRate: testedShare(firstWins, decided.length, level),
          position: testedShare(decided.filter(({ vote }) => vote === 'a').length, decided.length, level),
        }),
    ...(judged === 0
      ? {}
      : { winRateWithTies: { ...wilsonInterval(firstWins + halves / 2, judged, level), trials: judged } }),
    ...(unequal.length === 0 ? {} : { longer: testedShare(forLonger, unequal.length, level) }),
  };
}
