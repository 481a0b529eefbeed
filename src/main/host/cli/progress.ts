import {
  formatCount,
  formatDuration,
  formatLearningRate,
  formatNumber,
  formatRate,
  formatPercent,
} from '../../../shared/format.ts';
import type { StepMetrics } from '../../../shared/metrics.ts';
import type { ProgressEvent } from '../../../shared/contract.ts';

export interface ProgressState {
  readonly label: string;
  readonly done: number;
  /** Absent where nobody can say yet. */
  readonly total?: number | undefined;
  readonly unit: string;
  /** What was done before the clock started: it counts for the bar, not for the rate. */
  readonly doneBefore: number;
  readonly elapsedSeconds: number;
}

const longestBar = 24;
const shortestBar = 8;

/**
 * One line of at most `width` columns: label, bar, done/total, rate, time left, time gone. Where the line is too
 * narrow, bar, time gone, rate and time left go in that order, and at last the label is cut.
 */
export function formatProgress(state: ProgressState, width: number, withBar = true): string {
  const { done, total, unit, elapsedSeconds } = state;
  const here = done - state.doneBefore;
  const rate = here > 0 && elapsedSeconds > 0 ? here / elapsedSeconds : undefined;
  const left = rate === undefined || total === undefined ? undefined : (total - done) / rate;
  const count =
    total === undefined ? `${formatCount(done)} ${unit}` : `${formatCount(done)}/${formatCount(total)}`;
  const rateText = rate === undefined ? '' : formatRate(rate, unit);
  const leftText = left === undefined || done === total ? '' : `ETA ${formatDuration(left)}`;
  const goneText = `elapsed ${formatDuration(elapsedSeconds)}`;

  const fit = (label: string, parts: readonly string[]) =>
    [label, ...parts].filter((part) => part !== '').join('  ');
  const whole = [count, rateText, leftText, goneText];
  const room = width - fit(state.label, whole).length - 4;
  if (withBar && total !== undefined && total > 0 && room >= shortestBar) {
    const length = Math.min(longestBar, room);
    const filled = Math.max(0, Math.min(length, Math.floor((length * done) / total)));
    return fit(state.label, [`[${'█'.repeat(filled)}${'░'.repeat(length - filled)}]`, ...whole]);
  }
  const narrower = [whole, [count, rateText, leftText], [count, leftText], [count]];
  const line = narrower.map((parts) => fit(state.label, parts)).find((text) => text.length <= width);
  if (line !== undefined) return line;
  const labelRoom = width - count.length - 2;
  return labelRoom < 2 ? count.slice(0, width) : `${state.label.slice(0, labelRoom - 1)}…  ${count}`;
}

/** One optimizer step as a line: what a person watches while training. */
export function formatStep(metrics: StepMetrics, totalSteps: number): string {
  const parts: [string, string | undefined][] = [
    ['loss', metrics.loss === undefined ? undefined : formatNumber(metrics.loss)],
    ['margin', optionalNumber(metrics['rewards/margins'])],
    [
      'accuracy',
      metrics['rewards/accuracies'] === undefined ? undefined : formatPercent(metrics['rewards/accuracies']),
    ],
    ['c/token', optionalNumber(metrics['logratio/chosen_per_token'])],
    ['r/token', optionalNumber(metrics['logratio/rejected_per_token'])],
    ['gate', metrics['gate/open'] === undefined ? undefined : formatPercent(metrics['gate/open'])],
    ['grad', optionalNumber(metrics.grad_norm)],
    ['lr', optionalLearningRate(metrics.learning_rate)],
  ];
  const shown = parts.filter(([, text]) => text !== undefined).map(([name, text]) => `${name} ${text}`);
  return [`step ${metrics.step}/${totalSteps}`, ...shown].join('  ');
}
function optionalNumber(value: number | undefined): string | undefined {
  return value === undefined ? undefined : formatNumber(value, 3);
}
/** Rounded: a scheduler's rates have no end of digits. */
function optionalLearningRate(rate: number | undefined): string | undefined {
  return rate === undefined ? undefined : formatLearningRate(Number(rate.toPrecision(3)));
}

export interface ProgressTarget {
  readonly write: (text: string) => void;
  readonly isTerminal: boolean;
  readonly columns: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}
export interface ProgressView {
  readonly handle: (event: ProgressEvent) => void;
  /** Writes a line that stays, above the bar. */
  readonly line: (text: string) => void;
  /** Leaves the cursor at the start of a line; the bar stays as it was. */
  readonly end: () => void;
}

const redrawMilliseconds = 100;
const plainMilliseconds = 10_000;
const stepLines = 20;

/**
 * Shows progress on stderr: a bar redrawn at most ten times a second on a terminal, else one plain line every ten
 * seconds. Both look at the clock when an event comes, not by timers: computation blocks the event loop.
 */
export function createProgressView(target: ProgressTarget): ProgressView {
  let state: ProgressState | undefined;
  let started = 0;
  let drawn = -Infinity;
  let barOnScreen = false;
  let everPlain = false;

  const draw = (current: ProgressState) => {
    // The last column stays free: writing into it wraps on some terminals.
    target.write(`\r${formatProgress(current, target.columns() - 1)}\x1b[K`);
    barOnScreen = true;
    drawn = target.now();
  };
  const line = (text: string) => {
    target.write(barOnScreen ? `\r\x1b[K${text}\n` : `${text}\n`);
    if (barOnScreen && state !== undefined) draw(state);
  };
  const end = () => {
    if (state === undefined) return;
    if (barOnScreen) {
      draw(state);
      target.write('\n');
    } else if (everPlain) target.write(`${formatProgress(state, Infinity, false)}\n`);
    state = undefined;
    barOnScreen = false;
    everPlain = false;
  };
  const advance = (label: string, done: number, total: number | undefined, unit: string) => {
    const now = target.now();
    if (state?.label !== label) {
      end();
      started = now;
      drawn = target.isTerminal ? -Infinity : now;
      state = { label, done, total, unit, doneBefore: done, elapsedSeconds: 0 };
    } else state = { ...state, done, total, unit, elapsedSeconds: (now - started) / 1000 };
    if (target.isTerminal) {
      if (now - drawn >= redrawMilliseconds || done === total) draw(state);
    } else if (now - drawn >= plainMilliseconds) {
      target.write(`${formatProgress(state, Infinity, false)}\n`);
      drawn = now;
      everPlain = true;
    }
  };

  return {
    handle: (event) => {
      if (event.kind === 'note') line(event.text);
      else if (event.kind === 'progress') advance(event.label, event.done, event.total, event.unit);
      else if (event.run === undefined) {
        const { step } = event.metrics;
        const every = Math.max(1, Math.ceil(event.totalSteps / stepLines));
        if (step === 1 || step === event.totalSteps || step % every === 0)
          line(formatStep(event.metrics, event.totalSteps));
        advance('Training', step, event.totalSteps, 'steps');
      }
    },
    line,
    end,
  };
}
