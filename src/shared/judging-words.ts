import { formatMeasured, formatPercent } from './format.ts';
import type { JudgingStatistics, TestedShare } from './judging.ts';
import type { Interval } from './statistics/intervals.ts';

/** The error rate at which a preference is called one. */
const errorRate = 0.05;

/** `34.8% to 93.3%` */
export function intervalWords({ low, high }: Interval): string {
  return `${formatPercent(low)} to ${formatPercent(high)}`;
}

/** `7 of 10, 70.0% (95% interval 34.8% to 93.3%), p 0.344` */
export function shareWords(share: TestedShare): string {
  const { successes, trials, estimate, level, pValue } = share;
  return `${successes} of ${trials}, ${formatPercent(estimate)} (${Math.round(level * 100)}% interval ${intervalWords(share)}), p ${formatMeasured(pValue)}`;
}

/** What the votes say of the two policies, in a sentence. */
export function preferenceWords(
  { winRate }: JudgingStatistics,
  [first, second]: readonly [string, string],
): string {
  if (!winRate) return 'No answer was preferred to the other.';
  if (winRate.pValue >= errorRate)
    return 'No detectable preference: such votes come up often enough by chance alone.';
  const [better, worse] = winRate.estimate > 0.5 ? [first, second] : [second, first];
  return `${better} is preferred to ${worse}.`;
}

/** Whether votes followed the place, in a sentence. */
export function positionWords({ position }: JudgingStatistics): string {
  if (!position) return 'Nothing to see a leaning by: no vote was for A or B.';
  if (position.pValue >= errorRate) return 'No sign that votes followed the place.';
  const side = position.estimate > 0.5 ? 'A' : 'B';
  return `Votes lean to ${side} whoever stands there: sides are drawn, so this widens the interval but favours neither.`;
}

/** Whether votes followed the length, in a sentence. */
export function lengthWords({ longer }: JudgingStatistics): string {
  if (!longer) return 'Nothing to see a leaning by: no vote was between answers of different lengths.';
  if (longer.pValue >= errorRate) return 'No sign that votes followed the length.';
  return `Votes go with the ${longer.estimate > 0.5 ? 'longer' : 'shorter'} answer; a policy that writes ${longer.estimate > 0.5 ? 'more' : 'less'} gains by that alone.`;
}
