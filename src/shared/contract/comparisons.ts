import type { ComparisonResult } from '../comparison.ts';
import type { Selection } from '../selection.ts';
import type { Verdict } from '../verdict.ts';
import type { RunStatus, RunSummary } from './runs.ts';

/** A comparison as a list shows it. */
export interface ComparisonSummary {
  readonly id: number;
  readonly job: number;
  /** Its name, as those of model and data. */
  readonly project: string;
  readonly model: string;
  readonly data: string;
  readonly arms: readonly string[];
  readonly learningRates: readonly number[];
  readonly betas?: readonly number[];
  readonly seeds: readonly number[];
  readonly status: RunStatus;
  /** Runs that have come to an end, diverged ones among them. */
  readonly runs: { readonly done: number; readonly total: number };
  /** Of the leading measure, in words; none before the comparison is finished. */
  readonly verdicts: readonly string[];
  readonly error?: string;
  /** ISO 8601, UTC, as `endedAt`. */
  readonly createdAt: string;
  readonly endedAt?: string;
}
export interface ListComparisonsRequest {
  /** Only of this project, by its name. */
  readonly project?: string;
}
export interface ListComparisonsResult {
  /** By ascending number. */
  readonly comparisons: readonly ComparisonSummary[];
}

export interface ComparisonRequest {
  readonly comparison: number;
}
export interface ComparisonDetails extends ComparisonSummary {
  readonly members: readonly RunSummary[];
  /**
   * Of the runs that have ended. The metrics of each are one point, the means over the last tenth of its steps: what final
   * values are made of. Absent before the base is evaluated.
   */
  readonly result?: ComparisonResult;
  /** Over the runs that have ended; empty where none has. */
  readonly verdictList: readonly Verdict[];
  /** As in `CompareResult`. */
  readonly selection?: Selection;
}
