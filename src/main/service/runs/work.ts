import { rmSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunConfig } from '../../../shared/config.ts';
import { parseRunConfig } from '../../../shared/config.ts';
import type {
  CallOptions,
  CompareRequest,
  ExportRunRequest,
  ExportRunResult,
  ForkRequest,
  MoveJobRequest,
  QueuedResult,
  QueueResult,
  RemoveRunRequest,
  RemoveRunResult,
  ResumeRequest,
  RunQueueOptions,
  RunQueueResult,
  RunsResult,
  TrainRequest,
} from '../../../shared/contract.ts';
import { InputError } from '../../../shared/errors.ts';
import type { Job } from '../../store/jobs.ts';
import { writeFolderArchive } from '../../formats/archive.ts';
import { isActive } from '../../store/status.ts';
import { exportCheckpoint } from '../../training/export.ts';
import { removeCheckpoints } from '../../training/job-recorder.ts';
import { logFiles } from '../../training/log.ts';
import { carryOutComparison, checkCompare } from '../compare.ts';
import { enqueueCompare, enqueueTrain, logFileOf, recoverOrphans, requestOf, requeue } from '../jobs.ts';
import { requireWritable, requireWritableFolder, type Library } from '../library.ts';
import { namedStart, requireCheckpoint, startOfRun } from '../policies.ts';
import { carryOutTraining, checkTrain } from '../train.ts';
import { requireJob, requireRun, summariesOf } from './show.ts';

export async function queueTrain(
  library: Library,
  request: TrainRequest,
  call: CallOptions,
): Promise<QueuedResult> {
  checkTrain(request);
  return queued(library, await enqueueTrain(library, request, call));
}

export async function queueCompare(
  library: Library,
  request: CompareRequest,
  call: CallOptions,
): Promise<QueuedResult> {
  checkCompare(request);
  return queued(library, await enqueueCompare(library, request, call));
}

function queued({ store }: Library, { id }: Job): QueuedResult {
  return { job: id, runs: store.runs.list({ jobId: id }).map((run) => run.id) };
}

function runsOf(library: Library, jobId: number): RunsResult {
  return { runs: summariesOf(library, library.store.runs.list({ jobId })) };
}

/** Carries a job out to its end, with the files that were asked for. */
async function carryOutAny(library: Library, job: Job, call: CallOptions): Promise<void> {
  if (job.kind === 'train') await carryOutTraining(library, job, call);
  else await carryOutComparison(library, job, call);
}

export async function resumeRun(
  library: Library,
  { run, queue }: ResumeRequest,
  call: CallOptions,
): Promise<RunsResult> {
  recoverOrphans(library);
  const job = requeue(library, requireJob(library, run).id);
  if (!queue) await carryOutAny(library, job, call);
  return runsOf(library, job.id);
}

/** A new run that goes on from a checkpoint of another, with other settings. */
export async function forkRun(
  library: Library,
  request: ForkRequest,
  call: CallOptions,
): Promise<RunsResult> {
  const run = requireRun(library, request.run);
  const { asked, absolute } = requestOf(requireJob(library, request.run));
  const checkpoint = requireCheckpoint(library, run.id, request.step);
  if ('sftFirst' in asked && asked.sftFirst !== undefined && run.role !== 'stage') {
    const stage = library.store.runs
      .list({ jobId: run.jobId! })
      .find(({ role, seed }) => role === 'stage' && seed === run.seed)!;
    throw new InputError(
      `run ${run.id} starts from the SFT of run ${stage.id}, which is its reference and which a fork would lack; ` +
        `export run ${stage.id} and train with --init-adapter`,
    );
  }
  const { beta, steps, ...changes } = request.changes;
  const total = steps ?? run.totalSteps;
  if (total !== null && total <= checkpoint.step)
    throw new InputError(
      `a fork from step ${checkpoint.step} has no step left to take: it is to have ${total} in all; ask for more steps`,
    );
  const { epochs, lossParameters, ...config } = run.config as RunConfig;
  // Another loss has others.
  const kept = changes.loss === undefined || changes.loss === config.loss ? lossParameters : {};
  const own = { ...kept, ...changes.lossParameters };
  const length = steps !== undefined ? { steps } : epochs === undefined ? {} : { epochs };
  const training: TrainRequest = {
    start: namedStart(library, absolute, run.baseHash),
    data: absolute.data,
    ...(asked.pairs === undefined ? {} : { pairs: asked.pairs }),
    config: parseRunConfig({
      ...config,
      ...length,
      ...changes,
      lossParameters: own,
      ...(beta === undefined ? {} : { beta }),
    }),
    metrics: request.metrics,
    adapterOut: request.adapterOut,
    fork: { run: run.id, step: checkpoint.step },
    project: library.store.projects.get(run.projectId)!.name,
  };
  checkTrain(training);
  const job = await enqueueTrain(library, training, call, checkpoint);
  if (!request.queue) await carryOutTraining(library, job, call);
  return runsOf(library, job.id);
}

/** Removes a job's runs with their metrics, evaluations and checkpoints. Adapters and reports that were written stay. */
export function removeRun(library: Library, { run, confirmed }: RemoveRunRequest): RemoveRunResult {
  const { store, checkpointFolder, logFolder } = library;
  recoverOrphans(library);
  const { jobId } = requireRun(library, run);
  const job = jobId === null ? undefined : store.jobs.get(jobId);
  if (job && isActive(job.status)) throw new InputError(`run ${run} is ${job.status}; stop it first`);
  const all = jobId === null ? [requireRun(library, run)] : store.runs.list({ jobId });
  const summaries = summariesOf(library, all);
  const checkpoints = all.flatMap(({ id }) => store.checkpoints.listOfRun(id));
  const bytes = checkpoints.reduce((sum, { size }) => sum + size, 0);
  if (!confirmed) return { removed: false, runs: summaries, bytes };
  removeCheckpoints(store, checkpointFolder, checkpoints);
  store.transaction(() => {
    for (const { id } of all) store.runs.remove(id);
    if (job) store.jobs.remove(job.id);
    if (job?.comparisonId !== null && job !== undefined) store.comparisons.remove(job.comparisonId);
  });
  if (job) for (const file of logFiles(logFileOf(logFolder, job.id))) rmSync(file, { force: true });
  return { removed: true, runs: summaries, bytes };
}

/** Writes the adapter (or model) of a checkpoint, also of a run that failed or was stopped. */
export async function exportRun(
  library: Library,
  { run: id, step, out, archive = false }: ExportRunRequest,
  call: CallOptions,
): Promise<ExportRunResult> {
  if (archive) requireWritable(out);
  else requireWritableFolder(out);
  const run = requireRun(library, id);
  const checkpoint = requireCheckpoint(library, id, step);
  const model = await startOfRun(library, id, call);
  const fill = (folder: string): void =>
    exportCheckpoint(model, run.config as RunConfig, checkpoint, library.checkpointFolder, folder);
  // The folder inside an archive is named as the archive is.
  if (archive) await writeFolderArchive(out, basename(out).replace(/\.(tar\.gz|tgz)$/i, ''), fill);
  else fill(out);
  return { run: id, step: checkpoint.step, out };
}

export function listQueue(library: Library): QueueResult {
  recoverOrphans(library);
  const { jobs } = library.store;
  return {
    jobs: [...jobs.active(), ...jobs.queue()].map(({ id, kind, status }) => ({
      job: id,
      kind,
      status,
      ...runsOf(library, id),
    })),
  };
}

export function moveJob(library: Library, { run, to }: MoveJobRequest): QueueResult {
  const job = requireJob(library, run);
  if (job.status !== 'queued') throw new InputError(`run ${run} is ${job.status}: it does not wait`);
  if (typeof to === 'string') library.store.jobs.move(job.id, to);
  else {
    const before = requireJob(library, to.beforeRun);
    if (before.status !== 'queued') throw new InputError(`run ${to.beforeRun} does not wait`);
    library.store.jobs.move(job.id, { before: before.id });
  }
  return listQueue(library);
}

const pollMilliseconds = 500;

/**
 * Carries out the queue, in its order and as many at once as the setting says, until nothing waits. What is put into it
 * meanwhile is carried out as well.
 */
export async function runQueue(
  library: Library,
  { mayBegin = () => true, ...call }: RunQueueOptions,
): Promise<RunQueueResult> {
  const { jobs } = library.store;
  const finished: number[] = [];
  const failed: { job: number; error: string }[] = [];
  const atWork = new Map<number, Promise<void>>();
  // One that is begun while other processes fill the places would wait on its own, and no longer in the queue's order.
  const hasRoom = (): boolean => {
    const most = library.settings.runsAtOnce;
    if (atWork.size >= most) return false;
    if (jobs.active().length >= most) recoverOrphans(library);
    return jobs.active().length < most;
  };
  for (;;) {
    call.signal?.throwIfAborted();
    const next = mayBegin() ? jobs.queue().find(({ id }) => !atWork.has(id)) : undefined;
    if (next === undefined && atWork.size === 0) return { finished, failed };
    if (next !== undefined && hasRoom()) {
      const title = `job ${next.id} (${next.kind})`;
      call.onProgress?.({ kind: 'note', text: `${title} begins` });
      const work = carryOutAny(library, next, call).then(
        () => void finished.push(next.id),
        (error: unknown) => {
          if (call.signal?.aborted) return;
          const message = error instanceof Error ? error.message : String(error);
          failed.push({ job: next.id, error: message });
          call.onProgress?.({ kind: 'note', text: `${title} failed: ${message}` });
        },
      );
      atWork.set(
        next.id,
        work.finally(() => void atWork.delete(next.id)),
      );
      continue;
    }
    await Promise.race([...atWork.values(), sleep(pollMilliseconds)]);
    if (call.signal?.aborted) await Promise.all(atWork.values());
  }
}
