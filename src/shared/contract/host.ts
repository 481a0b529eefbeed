import type { Topic } from '../app/protocol.ts';
import type { CallOptions, ProgressEvent } from '../contract.ts';
import type { QueuedResult } from './work.ts';
import type { RunSummary, RunQueueResult } from './runs.ts';

/** What the library holds under a name. */
export interface NameRequest {
  readonly kind: 'model' | 'data' | 'project';
  readonly name: string;
}

/** What a program with a window shows before anything else. */
export interface OverviewResult {
  /** No run, no dataset, no model. */
  readonly empty: boolean;
  readonly example: {
    readonly available: boolean;
    /** The newest comparison on it that is there. */
    readonly comparison?: number;
  };
}

export interface QueueExampleResult extends QueuedResult {
  readonly comparison: number;
}

/** What has changed in the database since a watcher was last told, whoever changed it. */
export interface StoreChange {
  /** Lists that are no longer as they were. */
  readonly topics: readonly Topic[];
  /** Runs that are new, went on or changed their state, as they are now. */
  readonly runs: readonly RunSummary[];
  /** What the process of a job is doing; null: its work ended. */
  readonly jobs: readonly { readonly job: number; readonly event: ProgressEvent | null }[];
}

export interface RunQueueOptions extends CallOptions {
  /** Asked before each job: false lets what is at work go on to its end and begins nothing more. */
  readonly mayBegin?: () => boolean;
}

/** What a program that stays open needs beside single requests. */
export interface HostServices {
  /** Whether something of this name is in the library. A path is no name. */
  isKnown(request: NameRequest): Promise<boolean>;
  overview(): Promise<OverviewResult>;
  /** The bundled example as one comparison in the queue; the one there is, back in the queue if it came to no end. */
  queueExample(call?: CallOptions): Promise<QueueExampleResult>;
  /** Carries out what waits, one job after another (or as many at once as the setting says), until none is left. */
  runQueue(call?: RunQueueOptions): Promise<RunQueueResult>;
  /**
   * Tells `listener` within about 250 ms of what changes, until the function that it returns is called. Costs next to
   * nothing while nothing changes.
   */
  watch(listener: (change: StoreChange) => void): () => void;
}
