import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallOptions, CompareRequest, PlanRequest, TrainRequest } from '../../shared/contract.ts';
import type { RunConfig } from '../../shared/config.ts';
import { measuresOf, type Evaluation } from '../../shared/comparison.ts';
import { InputError } from '../../shared/errors.ts';
import { jobRunsOf, type GridRun } from '../../shared/grid.ts';
import { usesBeta } from '../../shared/losses.ts';
import type { Checkpoint } from '../store/checkpoints.ts';
import type { Job } from '../store/jobs.ts';
import { isAlive, ownIdentity } from '../store/process-identity.ts';
import type { Run } from '../store/runs.ts';
import { checkpointPath } from '../training/checkpoint.ts';
import { resolveData, type OpenData } from '../training/data.ts';
import type { JobSpec, RunSpec, StartPlace } from '../training/job.ts';
import type { JobSources } from '../training/job-recorder.ts';
import { RotatingLog } from '../training/log.ts';
import { careForWorker } from '../training/priority.ts';
import { freshHash } from '../training/model.ts';
import { supervise, type JobEnd } from '../training/supervisor.ts';
import { findModel, nameOfBase, type Library } from './library.ts';
import { originalWeights } from './original-weights.ts';
import { projectIdOf } from './projects.ts';
import { absoluteCompare, absoluteTrain } from './places.ts';

/** What a job's record holds as its request. */
export type JobRequest = (
  | { readonly kind: 'train'; readonly asked: TrainRequest; readonly absolute: TrainRequest }
  | { readonly kind: 'compare'; readonly asked: CompareRequest; readonly absolute: CompareRequest }
) & {
  /** Of an imported dataset, when this was asked for. */
  readonly revision?: number;
};

export function requestOf(job: Job): JobRequest {
  return job.request as JobRequest;
}

export function sourcesOf(job: Job): JobSources {
  return (job.sources ?? {}) as JobSources;
}

function revisionOf({ imported }: OpenData): { readonly revision?: number } {
  return imported === undefined ? {} : { revision: imported.revision };
}

/** Where a job's log lies. */
export function logFileOf(logFolder: string, jobId: number): string {
  return join(logFolder, `job-${jobId}.log`);
}

/**
 * Records a training job, with its one run, at the queue's end.
 * @param from the checkpoint that it goes on from, with the metrics up to there
 */
export async function enqueueTrain(
  library: Library,
  asked: TrainRequest,
  call: CallOptions,
  from?: Checkpoint,
): Promise<Job> {
  const { store } = library;
  const absolute = absoluteTrain(library, asked);
  const { start, config } = absolute;
  const projectId = projectIdOf(store, asked.project);
  // Data first: it is read in no time, and what is wrong with it must not come after a model was imported.
  const data = await resolveData(store, absolute.data);
  const baseHash =
    'init' in start ? freshHash(start.init) : (await findModel(library, start.model, call)).hash;
  const request: JobRequest = { kind: 'train', asked, absolute, ...revisionOf(data) };
  return store.transaction(() => {
    const job = store.jobs.add({ kind: 'train', request, projectId });
    const parent = from === undefined ? {} : { parentCheckpointId: from.id };
    const run = addRun(library, job, { config }, { baseHash, dataHash: data.hash, ...parent });
    if (from) {
      // Its own record of the same file: what becomes of the other run no longer matters.
      store.checkpoints.add({ runId: run.id, step: from.step, sha256: from.sha256, size: from.size });
      const before = store.metrics.points(from.runId).filter(({ step }) => step <= from.step);
      store.metrics.append(run.id, before);
      if (config.evalEvery !== undefined) copyEvaluations(store, from, run);
      store.runs.advance(run.id, from.step, 0);
    }
    return job;
  });
}

/** What was evaluated on the way to a checkpoint belongs to every run that goes on from it. */
function copyEvaluations({ evaluations }: Library['store'], from: Checkpoint, to: Run): void {
  for (const { step, result } of evaluations.listOfRun(from.runId)) {
    const { id: runId, baseHash, dataHash } = to;
    if (step > from.step) break;
    evaluations.put({ runId, baseHash, dataHash, step, result: measuresOf(result as Evaluation) });
  }
}

/** Records a comparison as one job with all its runs: seed by seed the SFT that comes first, then every arm. */
export async function enqueueCompare(
  library: Library,
  asked: CompareRequest,
  call: CallOptions,
): Promise<Job> {
  const { store } = library;
  const absolute = absoluteCompare(library, asked);
  const projectId = projectIdOf(store, asked.project);
  const data = await resolveData(store, absolute.data);
  const { hash: baseHash } = await findModel(library, absolute.model, call);
  const request: JobRequest = { kind: 'compare', asked, absolute, ...revisionOf(data) };
  return store.transaction(() => {
    const hashes = { baseHash, dataHash: data.hash };
    const comparison = store.comparisons.add({ kind: 'grid', config: asked, ...hashes });
    const job = store.jobs.add({ kind: 'compare', request, projectId, comparisonId: comparison.id });
    for (const run of jobRunsOf(absolute))
      addRun(library, job, run, { ...hashes, comparisonId: comparison.id });
    return job;
  });
}

function addRun(
  { store }: Library,
  job: Job,
  { config, role }: GridRun,
  of: { baseHash: string; dataHash: string; comparisonId?: number; parentCheckpointId?: number },
): Run {
  const { loss, seed, learningRate } = config;
  const beta = usesBeta(loss) ? config.beta : null;
  const { id: jobId, projectId } = job;
  return store.runs.add({
    ...of,
    ...{ jobId, projectId, loss, seed, orderSeed: seed, learningRate, beta, config },
    role: role ?? 'run',
  });
}

const pollMilliseconds = 300;

/**
 * Carries a waiting job out in a process of its own, once no more than the allowed number are at work.
 * @returns how it ended; the job and its runs are recorded accordingly
 */
export async function carryOut(library: Library, id: number, call: CallOptions): Promise<JobEnd> {
  const { store } = library;
  let told = false;
  for (;;) {
    if (call.signal?.aborted) {
      leave(library, id);
      throw call.signal.reason;
    }
    recoverOrphans(library);
    const { runsAtOnce } = library.settings;
    const claim = store.jobs.claim(id, ownIdentity(), runsAtOnce);
    if ('job' in claim) return superviseClaimed(library, claim.job, call);
    if ('refused' in claim) throw new InputError(`job ${id} is ${claim.refused}`);
    if (!told) {
      const others = claim.busy.map((job) => `job ${job.id}`).join(', ');
      const text = `waiting for ${others}; ${runsAtOnce} at once (setting runsAtOnce)`;
      call.onProgress?.({ kind: 'note', text });
      told = true;
    }
    await sleep(pollMilliseconds);
  }
}

/** A job that is given up while it waits. */
function leave({ store }: Library, id: number): void {
  store.transaction(() => {
    if (store.jobs.get(id)?.status !== 'queued') return;
    store.jobs.end(id, 'interrupted');
    settleComparison(store, store.jobs.get(id)!);
  });
}

async function superviseClaimed(library: Library, job: Job, call: CallOptions): Promise<JobEnd> {
  const { store, settings } = library;
  const log = new RotatingLog(logFileOf(library.logFolder, job.id));
  let end: JobEnd;
  try {
    if (job.comparisonId !== null) store.comparisons.start(job.comparisonId);
    const spec = await specOf(library, job, call);
    end = await supervise(store, job, spec, {
      ...call,
      log,
      checkpointFolder: library.checkpointFolder,
      retention: {
        last: settings.keepCheckpoints,
        bestBy: settings.keepBestBy,
        pairBytes: settings.keepPairs * 2 ** 20,
        evaluationBytes: settings.keepEvaluations * 2 ** 20,
      },
      onWorker: careForWorker(settings),
      startProcess: library.startProcess,
    });
  } catch (error) {
    log.write(`job ${job.id} could not be begun: ${error instanceof Error ? error.message : String(error)}`);
    store.transaction(() => {
      if (store.jobs.get(job.id)?.status !== 'running') return;
      const message = error instanceof Error ? error.message : String(error);
      store.jobs.end(job.id, 'failed', { error: message });
      settleComparison(store, store.jobs.get(job.id)!);
    });
    throw error;
  }
  settleComparison(store, store.jobs.get(job.id)!);
  return end;
}

/** A comparison goes the way of its job; it is finished where its verdict is written. */
function settleComparison(store: Library['store'], { comparisonId, status, error }: Job): void {
  if (comparisonId === null) return;
  if (status === 'failed') store.comparisons.fail(comparisonId, error ?? 'failed');
  else if (status === 'interrupted') store.comparisons.interrupt(comparisonId);
  else if (status === 'paused' || status === 'queued') store.comparisons.wait(comparisonId, status);
}

/** All that the training process is told: the request, what it reads, and where each run stands. */
async function specOf(library: Library, job: Job, call: CallOptions): Promise<JobSpec> {
  const request = requestOf(job);
  const sources = sourcesOf(job);
  const runs = library.store.runs.list({ jobId: job.id });
  const isFork = request.kind === 'train' && request.asked.fork !== undefined;
  const common = {
    ...commonSpec(library, request.absolute),
    runs: runs.map((run) => runSpec(library, run, isFork)),
    sources: sources.hashes ?? null,
    ...(request.revision === undefined ? {} : { revision: request.revision }),
    planning: request.absolute.force === true ? 'force' : 'refuse',
    start: await startPlace(library, request, call, runs[0]!),
  } as const;
  if (request.kind === 'train') return { ...common, kind: 'train', request: request.absolute };
  const baseDone = sources.baseEvaluation !== undefined;
  const recall = library.settings.keepEvaluations > 0 && request.absolute.anew !== true;
  return { ...common, kind: 'compare', request: request.absolute, baseDone, recall };
}

/** What the training process is told where it is only to plan: nothing of it is recorded. */
export async function planSpecOf(
  library: Library,
  { kind, request }: PlanRequest,
  call: CallOptions,
): Promise<JobSpec> {
  const run = { checkpoints: [], fork: false, done: false };
  const planned = { sources: null, planning: 'only' } as const;
  if (kind === 'train') {
    const absolute = absoluteTrain(library, request);
    const start = await startPlace(library, { kind, absolute }, call);
    const runs = [{ ...run, id: 0, config: absolute.config }];
    return { ...commonSpec(library, absolute), ...planned, kind, request: absolute, start, runs };
  }
  const absolute = absoluteCompare(library, request);
  const start = await startPlace(library, { kind, absolute }, call);
  const runs = jobRunsOf(absolute).map((each, id) => ({ ...run, id, ...each }));
  const common = commonSpec(library, absolute);
  return { ...common, ...planned, kind, request: absolute, start, runs, baseDone: false };
}

function commonSpec(
  { store, settings, checkpointFolder }: Library,
  { checkpointEvery }: TrainRequest | CompareRequest,
): Pick<JobSpec, 'database' | 'checkpoint'> {
  return {
    database: store.file,
    checkpoint: {
      folder: checkpointFolder,
      seconds: settings.checkpointSeconds,
      ...(checkpointEvery === undefined ? {} : { steps: checkpointEvery }),
      ...(settings.keepBestBy?.startsWith('eval_') ? { evaluations: true } : {}),
    },
  };
}

type Absolute =
  | { readonly kind: 'train'; readonly absolute: TrainRequest }
  | { readonly kind: 'compare'; readonly absolute: CompareRequest };

/**
 * Where the weights come from.
 * @param run one that was asked for before: its model must not have changed since
 */
async function startPlace(
  library: Library,
  request: Absolute,
  call: CallOptions,
  run?: Run,
): Promise<StartPlace> {
  const from = request.kind === 'train' ? request.absolute.start : { model: request.absolute.model };
  if ('init' in from) return { kind: 'fresh', configFile: from.init };
  const asked = run ? nameOfBase(library, from.model, run.baseHash) : from.model;
  const model = await findModel(library, asked, call);
  const { name, hash, folder, weightsFolder } = model;
  if (run && hash !== run.baseHash) {
    throw new InputError(
      `the model has changed since run ${run.id} was asked for (${run.baseHash.slice(0, 12)}, now ` +
        `${hash.slice(0, 12)}); bring it back to go on, or start a new run`,
      { file: from.model },
    );
  }
  const original = await originalWeights(library, model, call);
  return { kind: 'base', name, hash, folder, weightsFolder, ...(original === undefined ? {} : { original }) };
}

function runSpec({ store, checkpointFolder }: Library, run: Run, fork: boolean): RunSpec {
  const done = run.status === 'finished' || run.divergedAt !== null;
  const places = store.checkpoints.listOfRun(run.id).reverse();
  return {
    id: run.id,
    ...(run.role === 'stage' ? { role: run.role } : {}),
    config: run.config as RunConfig,
    checkpoints: places.map(({ step, sha256 }) => ({
      step,
      sha256,
      path: checkpointPath(checkpointFolder, sha256),
    })),
    fork,
    done,
  };
}

/**
 * Marks what was at work in processes that are gone as interrupted, so that it can be resumed.
 * @returns ids of the jobs
 */
export function recoverOrphans({ store }: Library): number[] {
  const orphans = store.jobs.active().filter(({ owner }) => owner === null || !isAlive(owner));
  const error = 'its process ended without a word (killed, or a power cut)';
  for (const { id } of orphans) {
    store.transaction(() => {
      const job = store.jobs.get(id);
      // Another process may have seen to it meanwhile.
      if (!job || (job.owner !== null && isAlive(job.owner))) return;
      store.jobs.end(id, 'interrupted', { error });
      for (const run of store.runs.list({ jobId: id }))
        if (run.status === 'running') store.runs.interrupt(run.id, error);
      settleComparison(store, store.jobs.get(id)!);
    });
  }
  return orphans.map(({ id }) => id);
}

/** Puts a job that did not reach its end back into the queue. @throws InputError where there is nothing to resume */
export function requeue({ store }: Library, id: number): Job {
  return store.transaction(() => {
    const job = store.jobs.get(id);
    if (!job) throw new InputError(`there is no job ${id}`);
    if (job.status === 'queued') return job;
    if (job.status !== 'paused' && job.status !== 'interrupted' && job.status !== 'failed')
      throw new InputError(`it is ${job.status}: nothing to resume`);
    store.jobs.change(id, 'queued');
    for (const run of store.runs.list({ jobId: id })) {
      const ended = run.status === 'finished' || run.divergedAt !== null || run.status === 'queued';
      if (!ended) store.runs.wait(run.id, 'queued');
    }
    settleComparison(store, store.jobs.get(id)!);
    return store.jobs.get(id)!;
  });
}
