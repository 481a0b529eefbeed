import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InputError, UsageError } from '../../shared/errors.ts';
import type { Plan } from '../../shared/plan.ts';
import type { CallOptions, ProgressEvent } from '../../shared/contract.ts';
import type { Store } from '../store/database.ts';
import type { Job, Wanted } from '../store/jobs.ts';
import { environmentOf, type JobResult, type JobSpec, type SupervisorMessage } from './job.ts';
import type { WorkerError, WorkerMessage } from './job.ts';
import { isMemoryFailure, memoryAdvice } from './memory-advice.ts';
import { availableMemory } from './plan/resources.ts';
import { JobRecorder, type Retention } from './job-recorder.ts';
import type { RotatingLog } from './log.ts';
import { startNodeProcess, type ProcessEnd, type StartProcess, type WorkerProcess } from './process.ts';

/** How a job's process came to its end; `begun`: at least one run had started, or could have. */
export type JobEnd =
  | { readonly status: 'finished'; readonly result: JobResult }
  | { readonly status: 'paused' | 'interrupted'; readonly step: number }
  | { readonly status: 'failed'; readonly error: Error; readonly begun: boolean };

export interface SuperviseOptions extends CallOptions {
  readonly checkpointFolder: string;
  readonly retention: Retention;
  readonly log: RotatingLog;
  /** Runs with the process's id when it is there: priority, keeping the machine awake. What it returns runs at its end. */
  readonly onWorker?: (pid: number) => () => void;
  /** Default: as Node starts one. */
  readonly startProcess?: StartProcess | undefined;
}

/** Metrics that come within this many milliseconds are written together. */
const flushMilliseconds = 250;
const beatMilliseconds = 1000;
/** How often is looked whether another process wants something: a read of one row. */
const lookMilliseconds = 150;
const logStepsMilliseconds = 5000;

// The worker lies beside this file, as source or as what ships.
export const workerFile = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url),
);

/**
 * Carries a claimed job out in a process of its own and keeps its record, to whatever end it comes. On `signal` the
 * process ends after the step under way, with a checkpoint; so it does when another process asks for it through the
 * store (`jobs.want`).
 */
export async function supervise(
  store: Store,
  job: Job,
  spec: JobSpec,
  options: SuperviseOptions,
): Promise<JobEnd> {
  const { log, signal } = options;
  const recorder = new JobRecorder(store, job, options.checkpointFolder, options.retention);
  log.write(`job ${job.id} (${job.kind}) begins; runs ${spec.runs.map(({ id }) => id).join(', ')}`);
  const worker = (options.startProcess ?? startNodeProcess)(workerFile, environmentOf(spec));
  const killWorker = (): void => worker.kill();
  process.once('exit', killWorker);
  const memory = new MemoryEvents();
  const state = new Watch(store, job, recorder, worker, options);
  let release: (() => void) | undefined;
  let ended: ProcessEnd;
  const onAbort = (): void => state.stop('stop');
  try {
    worker.onStart((pid) =>
      state.guard(() => {
        store.jobs.setWorker(job.id, pid);
        release = options.onWorker?.(pid);
      }),
    );
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    worker.send({ kind: 'start', spec } satisfies SupervisorMessage);
    ended = await state.ended;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    process.removeListener('exit', killWorker);
    killWorker();
    release?.();
  }
  const end = state.conclude(ended, memory.killed());
  log.write(`job ${job.id} ${end.status}${end.status === 'failed' ? `: ${end.error.message}` : ''}`);
  return end;
}

/** One worker under watch: applies what it tells, beats the heart, and passes on what is wanted. */
class Watch {
  readonly #store: Store;
  readonly #job: Job;
  readonly #recorder: JobRecorder;
  readonly #worker: WorkerProcess;
  readonly #options: SuperviseOptions;
  readonly ended: Promise<ProcessEnd>;
  #last: WorkerMessage | undefined;
  #failure: Error | undefined;
  #wanted: Wanted | undefined;
  #shown: ProgressEvent | undefined;
  #flush: NodeJS.Timeout | undefined;
  #lastLogged = -Infinity;
  #stderr = '';
  #begun = false;
  #plan: Plan | undefined;

  constructor(
    store: Store,
    job: Job,
    recorder: JobRecorder,
    worker: WorkerProcess,
    options: SuperviseOptions,
  ) {
    this.#store = store;
    this.#job = job;
    this.#recorder = recorder;
    this.#worker = worker;
    this.#options = options;
    const beat = setInterval(() => this.guard(() => this.#beat()), beatMilliseconds);
    const look = setInterval(() => this.guard(() => this.#look()), lookMilliseconds);
    worker.onMessage((message) => this.guard(() => this.#hear(message as WorkerMessage)));
    worker.onOutput((text) => {
      this.#stderr = (this.#stderr + text).slice(-4000);
      options.log.write(text);
    });
    this.ended = worker.ended.then((end) => {
      clearInterval(beat);
      clearInterval(look);
      clearTimeout(this.#flush);
      this.#failure ??= end.error;
      return end;
    });
  }

  /** Ends the worker after the step under way. */
  stop(wanted: Wanted): void {
    if (this.#wanted === 'stop' || this.#wanted === wanted) return;
    const first = this.#wanted === undefined;
    this.#wanted = wanted;
    this.guard(() => this.#store.jobs.change(this.#job.id, wanted === 'pause' ? 'pausing' : 'stopping'));
    if (first) this.#worker.send({ kind: 'stop' } satisfies SupervisorMessage);
  }

  #hear(message: WorkerMessage): void {
    if (message.kind === 'progress') {
      this.#tell(message.event);
      return;
    }
    this.#last = message;
    if (message.kind === 'run-start') this.#begun = true;
    if (message.kind === 'plan') this.#plan = message.plan;
    this.#recorder.apply(message);
    if (message.kind === 'step') {
      this.#flush ??= setTimeout(() => {
        this.#flush = undefined;
        this.guard(() => this.#recorder.flush());
      }, flushMilliseconds);
    } else if (message.kind !== 'reference') {
      const { kind } = message;
      this.#options.log.write(
        kind === 'checkpoint' || kind === 'evaluation' ? `${kind} at step ${message.step}` : kind,
      );
    }
  }

  #tell(event: ProgressEvent): void {
    if (event.kind === 'note') this.#options.log.write(event.text);
    else {
      this.#shown = event;
      if (performance.now() - this.#lastLogged > logStepsMilliseconds) {
        this.#lastLogged = performance.now();
        this.#options.log.write(
          event.kind === 'step'
            ? `step ${event.metrics.step}/${event.totalSteps} loss ${event.metrics.loss}`
            : `${event.label} ${event.done}/${event.total ?? '?'} ${event.unit}`,
        );
      }
    }
    this.#options.onProgress?.(event);
  }

  #beat(): void {
    this.#store.jobs.beat(this.#job.id, this.#shown);
    this.#shown = undefined;
  }

  #look(): void {
    const wanted = this.#store.jobs.wanted(this.#job.id);
    if (wanted !== null) this.stop(wanted);
  }

  /** What cannot be written ends the work: nothing may be told that is not kept. */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failure ??= error as Error;
      this.#worker.kill();
    }
  }

  /** @param anyKilled the system has ended a process for want of memory meanwhile */
  conclude(ended: ProcessEnd, anyKilled: boolean): JobEnd {
    const outOfMemory = ended.outOfMemory ?? anyKilled;
    const last = this.#last;
    const step = this.#recorder.lastStep;
    let end: JobEnd;
    if (this.#failure) end = this.#failed(this.#failure);
    else if (last?.kind === 'done') end = { status: 'finished', result: last.result };
    else if (last?.kind === 'stopped')
      end = { status: this.#wanted === 'pause' ? 'paused' : 'interrupted', step };
    else if (last?.kind === 'failed') {
      const error = toError(last.error);
      end = this.#failed(last.error.type === 'unexpected' ? this.#advised(error, error.message) : error);
    } else {
      const error = died(ended, outOfMemory, this.#stderr);
      // Nothing was wrong with what was asked for: its record stays, however early it was.
      end = this.#failed(this.#advised(error, this.#stderr, outOfMemory), true);
    }
    this.#keepEnd(end);
    return end;
  }

  /** A failure for want of memory says what to lower, by the job's own plan. */
  #advised(error: Error, said: string, outOfMemory = false): Error {
    if (!outOfMemory && !isMemoryFailure(said)) return error;
    const plan = this.#plan ?? (this.#store.jobs.get(this.#job.id)?.plan as Plan | null) ?? undefined;
    return new InputError(memoryAdvice(plan, said, availableMemory()));
  }

  #failed(error: Error, begun = this.#begun): JobEnd {
    return { status: 'failed', error, begun };
  }

  #keepEnd(end: JobEnd): void {
    const { runId } = this.#recorder;
    try {
      this.#recorder.flush();
      this.#store.transaction(() => {
        if (runId !== undefined) {
          if (end.status === 'failed') this.#store.runs.fail(runId, end.error.message);
          else if (end.status === 'paused') this.#store.runs.wait(runId, 'paused');
          else if (end.status === 'interrupted') this.#store.runs.interrupt(runId);
        }
        this.#store.jobs.end(this.#job.id, end.status, {
          ...(end.status === 'failed' ? { error: end.error.message } : {}),
          ...(end.status === 'finished' ? { result: end.result } : {}),
        });
      });
    } catch (error) {
      // The record stays as it was, and the next start takes the job for interrupted. If this was to be a success, it
      // is none: nobody could find it again.
      if (end.status !== 'failed') throw error;
    }
  }
}

export function toError({ type, message, file, row, stack }: WorkerError): Error {
  if (type === 'usage') return new UsageError(message);
  if (type === 'input') {
    return new InputError(message, {
      ...(file === undefined ? {} : { file }),
      ...(row === undefined ? {} : { row }),
    });
  }
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

export function died(
  { code, signal }: ProcessEnd,
  outOfMemory: boolean,
  stderr: string,
  what = 'the training process',
): InputError {
  const how = signal === null ? `ended with code ${code}` : `was killed (${signal})`;
  const why = outOfMemory
    ? ': memory ran out'
    : signal === 'SIGKILL'
      ? '; where nobody did, memory ran out'
      : '';
  const lines = stderr.trim().split('\n');
  const said = signal === null && lines.at(-1) ? `: ${lines.at(-1)}` : '';
  return new InputError(`${what} ${how}${why}${said}`);
}

/** Whether the system has killed a process for want of memory since this was made (Linux; elsewhere never). */
export class MemoryEvents {
  readonly #before = MemoryEvents.#count();

  static #count(): number {
    let kills = 0;
    for (const [file, pattern] of [
      ['/proc/vmstat', /^oom_kill (\d+)$/m],
      ['/sys/fs/cgroup/memory.events', /^oom_kill (\d+)$/m],
    ] as const) {
      try {
        kills += Number(pattern.exec(readFileSync(file, 'utf8'))?.[1] ?? 0);
      } catch {
        // Not there on this system.
      }
    }
    return kills;
  }

  killed(): boolean {
    return MemoryEvents.#count() > this.#before;
  }
}
