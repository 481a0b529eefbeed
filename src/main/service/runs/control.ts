import { setTimeout as sleep } from 'node:timers/promises';
import type { CallOptions, ProgressEvent, RunDetails, RunsResult } from '../../../shared/contract.ts';
import { InputError } from '../../../shared/errors.ts';
import type { Job } from '../../store/jobs.ts';
import { isActive } from '../../store/status.ts';
import { recoverOrphans } from '../jobs.ts';
import type { Library } from '../library.ts';
import { stepsOf } from '../train.ts';
import { requireJob, requireRun, showRun, summariesOf } from './show.ts';

const pollMilliseconds = 300;

/** Pauses a run's job: its process ends after the step under way, with a checkpoint. One that waits steps aside. */
export function pauseRun(library: Library, id: number, call: CallOptions): Promise<RunsResult> {
  return ask(library, id, 'pause', call);
}

/** As `pauseRun`, but nothing takes it up again by itself. */
export function stopRun(library: Library, id: number, call: CallOptions): Promise<RunsResult> {
  return ask(library, id, 'stop', call);
}

async function ask(
  library: Library,
  id: number,
  wanted: 'pause' | 'stop',
  call: CallOptions,
): Promise<RunsResult> {
  const { store } = library;
  recoverOrphans(library);
  const { id: jobId } = requireJob(library, id);
  const goal = wanted === 'pause' ? 'paused' : 'interrupted';
  const waiting = store.transaction(() => {
    const job = store.jobs.get(jobId)!;
    if (store.jobs.want(jobId, wanted)) return false;
    const aside = job.status === 'queued' || (job.status === 'paused' && wanted === 'stop');
    if (!aside) throw new InputError(`run ${id} is ${job.status}: nothing to ${wanted}`);
    store.jobs.end(jobId, goal);
    for (const run of store.runs.list({ jobId })) {
      if (run.status !== 'queued' && run.status !== 'paused') continue;
      if (goal === 'paused') store.runs.wait(run.id, goal);
      else store.runs.interrupt(run.id);
    }
    const comparison = job.comparisonId === null ? undefined : store.comparisons.get(job.comparisonId);
    if (comparison && goal === 'paused') store.comparisons.wait(comparison.id, goal);
    else if (comparison) store.comparisons.interrupt(comparison.id);
    return true;
  });
  const of = store.runs.list({ jobId });
  if (!waiting) {
    if (of.length > 1)
      call.onProgress?.({ kind: 'note', text: `the ${of.length} runs of its comparison share one process` });
    await untilIdle(library, jobId, call);
  }
  return { runs: summariesOf(library, store.runs.list({ jobId })) };
}

/** Waits until no process is at work on a job. */
async function untilIdle(library: Library, jobId: number, call: CallOptions): Promise<Job> {
  for (;;) {
    const job = library.store.jobs.get(jobId);
    if (!job) throw new InputError('it has been removed meanwhile');
    if (!isActive(job.status)) return job;
    call.signal?.throwIfAborted();
    recoverOrphans(library);
    await sleep(pollMilliseconds);
  }
}

/** Follows a run, whichever process is at work on it, until its job ends: steps and bars come as they are kept. */
export async function watchRun(library: Library, id: number, call: CallOptions): Promise<RunDetails> {
  const { store } = library;
  const { jobId, lastStep } = requireRun(library, id);
  if (jobId === null) return showRun(library, id);
  let step = lastStep;
  let shown = '';
  for (;;) {
    recoverOrphans(library);
    const job = store.jobs.get(jobId);
    const run = requireRun(library, id);
    if (!job) return showRun(library, id);
    const bar = job.progress as ProgressEvent | null;
    if (bar !== null && bar.kind === 'progress' && JSON.stringify(bar) !== shown) {
      shown = JSON.stringify(bar);
      call.onProgress?.(bar);
    }
    if (run.lastStep > step && run.totalSteps !== null) {
      for (const metrics of stepsOf(store.metrics.pointsAfter(id, step))) {
        call.onProgress?.({ kind: 'step', metrics, totalSteps: run.totalSteps });
      }
      step = run.lastStep;
    }
    if (!isActive(job.status) && job.status !== 'queued') return showRun(library, id);
    call.signal?.throwIfAborted();
    await sleep(pollMilliseconds);
  }
}
