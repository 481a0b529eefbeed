import { gridPoints } from './comparison.ts';
import { measures } from './measures.ts';
import type { ComparisonResult } from './comparison.ts';
import type { Measure } from './measures.ts';

/** Chance of any false claim in a whole comparison: over all measures, learning rates, β and arms, and arms at their best settings. */
export const errorRate = 0.05;

/** Below this many different prompts in a half, neither choice of settings nor verdict on it would mean anything. */
export const fewestPrompts = 25;

/** How the chance of a false claim is shared out. Within each part Holm's procedure corrects over the comparisons. */
export interface ErrorRates {
  readonly leading: number;
  /** Of the arms with their own best settings; 0 where nothing can be chosen. */
  readonly selected: number;
  /** Of each measure but the leading one. */
  readonly other: number;
}

/**
 * Measures that are judged, the leading one first: the task where there is one, preference accuracy, margin. c and r alone say
 * nothing about which arm is better; their difference is judged as the margin.
 */
export function judgedMeasures(result: ComparisonResult): Measure[] {
  // Where every run diverged there is nothing measured, and that has to be said of some measure.
  const asked = [result.base, ...result.runs.map(({ evaluation }) => evaluation)];
  return measures.filter(({ name }) =>
    name === 'task'
      ? asked.some((evaluation) => evaluation?.task)
      : name === 'preference' || name === 'margin',
  );
}

/** Whether settings can be chosen for each arm on one half of the held-out prompts, and judged on the other. */
function isSelecting(result: ComparisonResult): boolean {
  const prompts = result.base.task ? result.base.task.promptHashes : result.base.promptHashes;
  return gridPoints(result).length > 1 && new Set(prompts).size >= 2 * fewestPrompts;
}

/**
 * One point for the choice of settings, one for all other measures together, the rest for the leading measure, since that is
 * what a comparison is made for; what nothing can be chosen for is the leading measure's too. The parts add up to `errorRate`, so
 * by Bonferroni's inequality they keep it whatever depends on whatever. They follow from the design alone, never from what came out.
 */
export function errorRates(result: ComparisonResult): ErrorRates {
  const selected = isSelecting(result) ? 0.01 : 0;
  const others = judgedMeasures(result).length - 1;
  const shared = others > 0 ? 0.01 : 0;
  return {
    leading: errorRate - selected - shared,
    selected,
    other: others > 0 ? shared / others : 0,
  };
}

/** Why intervals are wider than 95 %: the whole error rate and its parts, as a sentence. */
export function errorRateWords(result: ComparisonResult): string {
  const { leading, selected } = errorRates(result);
  const percent = (rate: number): string => String(Number((100 * rate).toFixed(2)));
  const parts = [
    `${percent(leading)} of them for the leading measure`,
    ...(selected > 0 ? [`${percent(selected)} for arms with their best settings`] : []),
    `${percent(errorRate - leading - selected)} for the other measures together`,
  ];
  return `Where no arm differs, at most ${percent(errorRate)} % of such comparisons claim anything, ${parts.join(', ')}; so intervals are wider than 95 %.`;
}

/**
 * A p-value after every correction: at most `errorRate` where a difference is claimed, and above it where none is.
 * @param adjusted by Holm's procedure within its part
 * @param rate the part of the error rate
 */
export function adjustedWithin(rate: number, adjusted: number): number {
  return Math.min(1, (adjusted * errorRate) / rate);
}
