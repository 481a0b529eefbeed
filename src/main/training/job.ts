import type { Evaluation, EvaluationPart } from '../../shared/comparison.ts';
import type { RunConfig } from '../../shared/config.ts';
import type { CompareRequest, ProgressEvent, RowCounts, TrainRequest } from '../../shared/contract.ts';
import type { EvaluationMetrics, StepMetrics } from '../../shared/metrics.ts';
import type { PairStep } from '../../shared/pair-telemetry.ts';
import type { Plan } from '../../shared/plan.ts';
import type { CachedScore } from './reference.ts';

/** A base model as it lies on disk, or the config of one that is trained from scratch. */
export type StartPlace =
  | {
      readonly kind: 'base';
      readonly name: string;
      readonly hash: string;
      readonly folder: string;
      readonly weightsFolder: string;
      /** Where the same weights lie with two bytes a number, for training in little memory. */
      readonly original?: string;
    }
  | { readonly kind: 'fresh'; readonly configFile: string };

/** A checkpoint's file; `sha256` is that of its bytes. */
export interface CheckpointPlace {
  readonly step: number;
  readonly sha256: string;
  readonly path: string;
}

/** One run of a job, and where it stands. */
export interface RunSpec {
  readonly id: number;
  /** It comes before the arms of its seed, which start from what it has learnt. */
  readonly role?: 'stage';
  readonly config: RunConfig;
  /** Where it goes on from, best first: one that cannot be read is passed over. Empty: from the start. */
  readonly checkpoints: readonly CheckpointPlace[];
  /** It began at another run's checkpoint: optimizer and step are taken over, order of batches and start need not fit. */
  readonly fork: boolean;
  /** It reached its end before: nothing is left to do. */
  readonly done: boolean;
}

/** Hashes of what a job reads. Where one differs when it is resumed, it would no longer be the same run. */
export type Sources = Readonly<Record<string, string>>;

export interface CheckpointRule {
  /** Folder of all checkpoints; a file is `<first two digits>/<sha256>.safetensors` below it. */
  readonly folder: string;
  /** Seconds at work between two checkpoints; more where writing one takes long. */
  readonly seconds: number;
  /** Optimizer steps between two checkpoints, instead of `seconds`. */
  readonly steps?: number;
  /** Also after every evaluation: the best checkpoint is chosen by what that finds. */
  readonly evaluations?: boolean;
}

interface Common {
  /** The database, which the worker only reads. */
  readonly database: string;
  readonly start: StartPlace;
  readonly runs: readonly RunSpec[];
  /** Of an imported dataset: the rows as they were when the job was asked for, whatever was changed since. */
  readonly revision?: number;
  /** As first found; null before the first start. */
  readonly sources: Sources | null;
  readonly checkpoint: CheckpointRule;
  /** Plan and end, refuse what does not fit (if absent), or start it all the same. */
  readonly planning?: 'only' | 'refuse' | 'force';
  /** Parts of evaluations that are known from earlier ones are taken from there, and new ones kept. */
  readonly recall?: boolean;
}
/** All that a training process is told. */
export type JobSpec =
  | (Common & { readonly kind: 'train'; readonly request: TrainRequest })
  | (Common & {
      readonly kind: 'compare';
      readonly request: CompareRequest;
      /** The base was evaluated before. */
      readonly baseDone: boolean;
    });

/** What is known of a job once its data and model are ready. */
export interface JobFacts {
  readonly counts: RowCounts;
  readonly trainPairs: number;
  readonly evalPairs: number;
  readonly skipped: number;
  /** Of the model. */
  readonly parameters: number;
  readonly trainedParameters: number;
}

/** What a job ends with beside what was told on the way. */
export interface JobResult {
  /** Largest resident memory of the process, in bytes. */
  readonly peakMemory: number;
  /** Of the last stretch at work. */
  readonly seconds: number;
  /** There were stretches before. */
  readonly resumed: boolean;
}

/** From the training process to its supervisor, in order. */
export type WorkerMessage =
  | { readonly kind: 'progress'; readonly event: ProgressEvent }
  | { readonly kind: 'sources'; readonly sources: Sources }
  | { readonly kind: 'prepared'; readonly facts: JobFacts }
  | { readonly kind: 'plan'; readonly plan: Plan }
  | {
      readonly kind: 'reference';
      readonly context: string;
      readonly scores: readonly (readonly [hash: string, score: CachedScore])[];
    }
  | {
      readonly kind: 'evaluation-part';
      readonly key: string;
      readonly part: EvaluationPart;
      readonly result: unknown;
    }
  /** A kept part was used. */
  | { readonly kind: 'recalled'; readonly key: string }
  | {
      readonly kind: 'base-evaluation';
      readonly evaluation: Evaluation;
      readonly cached: readonly EvaluationPart[];
    }
  | {
      readonly kind: 'run-start';
      readonly runId: number;
      readonly adapterStartHash: string;
      readonly orderHash: string;
      readonly totalSteps: number;
      /** Steps done before, by a checkpoint. */
      readonly fromStep: number;
    }
  | {
      readonly kind: 'step';
      readonly runId: number;
      readonly metrics: StepMetrics;
      /** Absent where the loss has no reference. */
      readonly pairs?: PairStep | undefined;
    }
  | {
      readonly kind: 'checkpoint';
      readonly runId: number;
      readonly step: number;
      readonly sha256: string;
      readonly size: number;
    }
  | {
      readonly kind: 'evaluation';
      readonly runId: number;
      readonly step: number;
      /** Absent where log-probs are not finite. */
      readonly evaluation?: Evaluation;
      /** Its parts that were known before. */
      readonly cached?: readonly EvaluationPart[];
      /** Of a run that is evaluated as it goes. */
      readonly metrics?: EvaluationMetrics;
      /** The held-out pairs one by one; absent where `evaluation` has them. */
      readonly pairs?: PairStep | undefined;
    }
  | {
      readonly kind: 'run-end';
      readonly runId: number;
      readonly step: number;
      /** The step that was not finite, with what was wrong. */
      readonly diverged?: { readonly step: number; readonly problem: string };
      /** Folder of its adapter or model. */
      readonly folder?: string;
    }
  | { readonly kind: 'done'; readonly result: JobResult }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly error: WorkerError };

export interface WorkerError {
  /** Which class of error it was: what a person can mend, wrong arguments, or neither. */
  readonly type: 'input' | 'usage' | 'unexpected';
  /** Without file and row. */
  readonly message: string;
  readonly file?: string;
  readonly row?: number;
  readonly stack?: string;
}

/** From the supervisor to the training process. */
export type SupervisorMessage =
  | { readonly kind: 'start'; readonly spec: JobSpec }
  /** End after the step under way, with a checkpoint. */
  | { readonly kind: 'stop' };

/**
 * What the training process needs in its environment before it starts. In little memory glibc is to map each large block by itself:
 * then it goes back to the system when a pass is done with it. By default glibc takes to its own heap after the first such
 * block, where what is freed stays between what is not.
 */
export function environmentOf({ runs }: JobSpec): Readonly<Record<string, string>> | undefined {
  return runs.some(({ config }) => config.lowMemory) ? { MALLOC_MMAP_THRESHOLD_: '262144' } : undefined;
}
