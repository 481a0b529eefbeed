import type { Evaluation, PromptSample } from '../comparison.ts';
import type { RunConfig } from '../config.ts';
import type { LossName } from '../losses.ts';
import type { StepMetrics } from '../metrics.ts';
import type { GateChange, PairSide } from '../pair-telemetry.ts';
import type { Outcome, Plan } from '../plan.ts';
import type { ReportFormat } from '../report/format.ts';

export type RunStatus =
  'queued' | 'running' | 'pausing' | 'paused' | 'stopping' | 'finished' | 'failed' | 'interrupted';

/** One run as a list shows it. */
export interface RunSummary {
  readonly id: number;
  /** The process-sized piece of work that it belongs to; absent for runs of an older version. */
  readonly job?: number;
  readonly comparison?: number;
  /** Its name. */
  readonly project: string;
  /** It comes before the arms of its comparison, which start from what it has learnt; it is compared with nothing. */
  readonly role?: 'stage';
  /** Its loss, with the parameters of the loss's own where it has any: `kappa-dpo:kappa=0.25` (shared/arms.ts). */
  readonly loss: string;
  readonly learningRate: number;
  readonly beta?: number;
  readonly seed: number;
  /** Of the run; while its process is told to pause or stop, that. */
  readonly status: RunStatus;
  readonly step: number;
  /** Absent until it has started. */
  readonly totalSteps?: number;
  readonly model: string;
  readonly data: string;
  /** Seconds at work. */
  readonly seconds: number;
  /** The step that was not finite. */
  readonly divergedAt?: number;
  readonly error?: string;
  /** ISO 8601, UTC, as `endedAt`. */
  readonly createdAt: string;
  readonly endedAt?: string;
}

export interface CheckpointSummary {
  readonly step: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly createdAt: string;
}

export interface RunDetails extends RunSummary {
  readonly config: RunConfig;
  readonly hashes: {
    readonly base: string;
    readonly data: string;
    readonly order?: string;
    readonly start?: string;
  };
  /** Of its imported dataset, as the run read it. */
  readonly revision?: number;
  readonly last?: StepMetrics;
  /** The last one so far. */
  readonly evaluation?: Evaluation;
  readonly checkpoints: readonly CheckpointSummary[];
  /** Forked off this run at this step. */
  readonly parent?: { readonly run: number; readonly step: number };
  /** Folder of its adapter or model. */
  readonly adapter?: string;
  readonly log: string;
  /** Of its job: what was estimated before the start. */
  readonly plan?: Plan;
  /** Of its job, where that ran through without a resume: what it took. */
  readonly outcome?: Outcome;
}

export interface ListRunsRequest {
  /** Only of this project, by its name. */
  readonly project?: string;
  readonly status?: RunStatus;
  /** The newest so many. */
  readonly limit?: number;
}
export interface ListRunsResult {
  readonly runs: readonly RunSummary[];
}
/** Runs of a comparison share one process: what is asked of one is asked of all. */
export interface RunRequest {
  readonly run: number;
}
export interface RunEvaluation {
  /** Optimizer steps done. */
  readonly step: number;
  readonly evaluation: Omit<Evaluation, 'perPair' | 'samples'>;
  /** Answers to the same prompts in every evaluation of the run and of its comparison. */
  readonly samples?: readonly PromptSample[];
}
export interface RunEvaluationsResult {
  /** By ascending step. */
  readonly evaluations: readonly RunEvaluation[];
}
export interface RunsResult {
  readonly runs: readonly RunSummary[];
}
export interface ResumeRequest extends RunRequest {
  /** Only put it back into the queue. */
  readonly queue: boolean;
}
export interface ForkRequest extends RunRequest {
  /** Of one of its checkpoints; default: the last. */
  readonly step?: number;
  /** What differs from the run's config. */
  readonly changes: {
    readonly loss?: LossName;
    /** Of the run's loss, or of the one it is changed to. */
    readonly lossParameters?: Readonly<Record<string, number>>;
    readonly beta?: number;
    readonly learningRate?: number;
    /** In all, those before the fork counted. */
    readonly steps?: number;
  };
  readonly metrics: string;
  readonly adapterOut: string;
  readonly queue: boolean;
}
export interface RemoveRunRequest extends RunRequest {
  /** Without it nothing is removed; the result says what would be. */
  readonly confirmed: boolean;
}
export interface RemoveRunResult {
  readonly removed: boolean;
  readonly runs: readonly RunSummary[];
  /** Size of the checkpoints' files that go with them. */
  readonly bytes: number;
}
export interface ExportRunRequest extends RunRequest {
  /** Of one of its checkpoints; default: the last. */
  readonly step?: number;
  readonly out: string;
  /** `out` is one gzipped tar archive that holds the folder. */
  readonly archive?: boolean;
}
export interface ExportRunResult {
  readonly run: number;
  readonly step: number;
  readonly out: string;
}

/** A job that waits for its turn, with its runs. */
export interface QueuedJob {
  readonly job: number;
  readonly kind: 'train' | 'compare';
  readonly status: RunStatus;
  readonly runs: readonly RunSummary[];
}
export interface QueueResult {
  /** At work, then waiting in their order. */
  readonly jobs: readonly QueuedJob[];
}
export interface MoveJobRequest extends RunRequest {
  readonly to: 'first' | 'last' | { readonly beforeRun: number };
}
export interface RunQueueResult {
  readonly finished: readonly number[];
  readonly failed: readonly { readonly job: number; readonly error: string }[];
}
/** Of a comparison by its number, or by that of any of its runs. */
export type ReportRequest = (RunRequest | { readonly comparison: number }) & {
  readonly report: string;
  /** Default: as the path's ending says, else the page. */
  readonly format?: ReportFormat;
};
export interface ReportResult {
  readonly report: string;
  readonly runs: number;
  /** Runs of the comparison that have not come to an end and are not in it. */
  readonly missing: number;
}

/** What a chart asks for of many runs and metrics at once. */
export interface SeriesRequest {
  /** At most 64. */
  readonly runs: readonly number[];
  readonly metrics: readonly string[];
  /** First and last step, inclusive. */
  readonly from?: number;
  readonly to?: number;
  /** Buckets per series, at most 4,000. */
  readonly points: number;
}
/** Neighbouring steps in one bucket; all lists are of one length. Values that are not finite stand as NaN. */
export interface Series {
  readonly run: number;
  readonly metric: string;
  /** Last step of each bucket. */
  readonly steps: readonly number[];
  /** Over the finite values of each bucket, as `min` and `max`; NaN where there is none. */
  readonly mean: readonly number[];
  readonly min: readonly number[];
  readonly max: readonly number[];
  /** Steps in each bucket that have a value. */
  readonly count: readonly number[];
  /** The first step in the range whose value was not finite; else the one at which the run diverged. */
  readonly brokenAt?: number;
}
export interface SeriesResult {
  /** Of every run and metric that has values in the range, run by run in the order asked for. */
  readonly series: readonly Series[];
}
/** c and r of pairs over a run's steps. */
export interface PairTelemetryRequest {
  /** At most 64. */
  readonly runs: readonly number[];
  readonly side: PairSide;
  /** Only this row of the data. */
  readonly row?: number;
  /** First and last step, inclusive. */
  readonly from?: number;
  readonly to?: number;
}
/** One pair at the steps at which it was looked at; all lists are of one length. */
export interface PairHistory {
  /** The row's place in its data. */
  readonly row: number;
  /** Ascending. A batch's pairs are as the step found them; a held-out pair is as it was after so many steps. */
  readonly steps: readonly number[];
  /** Log-ratios to the reference in nats. */
  readonly c: readonly number[];
  /** Absent where the loss looks at no rejected answer. */
  readonly r?: readonly number[];
  /** Among these steps. */
  readonly gate: readonly GateChange[];
}
export interface PairTelemetryResult {
  /** In the order asked for; of a run without any the list is empty. */
  readonly runs: readonly {
    readonly run: number;
    /** By ascending row. */
    readonly pairs: readonly PairHistory[];
  }[];
}
export interface PairStepsRequest {
  /** At most 64. */
  readonly runs: readonly number[];
}
/** At which steps pairs of a run were looked at, as far as that is on record. */
export interface PairStepsResult {
  /** In the order asked for. */
  readonly runs: readonly {
    readonly run: number;
    /** The first and the last step whose batch is kept. */
    readonly train?: { readonly first: number; readonly last: number };
    /** Of each evaluation, ascending. */
    readonly eval: readonly number[];
  }[];
}
export interface RunMetricsRequest {
  readonly runs: readonly number[];
}
export interface RunMetricsResult {
  /** Names of the metrics that any of these runs has: the known ones in their order, then others. */
  readonly metrics: readonly string[];
}
export interface LogRequest extends RunRequest {
  /** The last so many lines, at most 2,000. */
  readonly lines: number;
}
export interface LogResult {
  /** Of the run's process, oldest first; of a log with very long lines no more than the last mebibyte. */
  readonly lines: readonly string[];
}
