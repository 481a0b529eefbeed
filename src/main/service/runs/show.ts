import type { RunConfig } from '../../../shared/config.ts';
import type { Evaluation } from '../../../shared/comparison.ts';
import type {
  ListRunsRequest,
  ListRunsResult,
  RunDetails,
  RunStatus,
  RunSummary,
} from '../../../shared/contract.ts';
import { InputError } from '../../../shared/errors.ts';
import type { LossName } from '../../../shared/losses.ts';
import type { Plan } from '../../../shared/plan.ts';
import type { JobResult } from '../../training/job.ts';
import type { Job } from '../../store/jobs.ts';
import type { Run } from '../../store/runs.ts';
import { logFileOf, requestOf } from '../jobs.ts';
import type { Library } from '../library.ts';
import { stepMetrics } from '../train.ts';

/** @throws InputError where there is none */
export function requireRun({ store }: Library, id: number): Run {
  const run = store.runs.get(id);
  if (run) return run;
  throw new InputError(`there is no run ${id}; see: plumbline runs list`);
}

/** The job that a run belongs to. @throws InputError for runs of an older version */
export function requireJob(library: Library, id: number): Job {
  const { jobId } = requireRun(library, id);
  const job = jobId === null ? undefined : library.store.jobs.get(jobId);
  if (job) return job;
  throw new InputError(`run ${id} was made by an earlier version and cannot be taken up again`);
}

export function summariesOf(library: Library, runs: readonly Run[]): RunSummary[] {
  const { store } = library;
  const models = new Map(store.models.list().map(({ hash, name }) => [hash, name]));
  const datasets = new Map(store.datasets.list().map(({ hash, name }) => [hash, name]));
  const jobs = new Map<number, Job | undefined>();
  return runs.map((run) => {
    const { jobId } = run;
    if (jobId !== null && !jobs.has(jobId)) jobs.set(jobId, store.jobs.get(jobId));
    const job = jobId === null ? undefined : jobs.get(jobId);
    const asked = job && requestOf(job).asked;
    return {
      id: run.id,
      ...(jobId === null ? {} : { job: jobId }),
      ...(run.comparisonId === null ? {} : { comparison: run.comparisonId }),
      loss: run.loss as LossName,
      learningRate: run.learningRate,
      ...(run.beta === null ? {} : { beta: run.beta }),
      seed: run.seed,
      status: statusOf(run, job),
      step: run.lastStep,
      ...(run.totalSteps === null ? {} : { totalSteps: run.totalSteps }),
      model: models.get(run.baseHash) ?? run.baseHash.slice(0, 12),
      data:
        datasets.get(run.dataHash) ??
        (asked === undefined ? run.dataHash.slice(0, 12) : baseName(asked.data)),
      seconds: run.seconds,
      ...(run.divergedAt === null ? {} : { divergedAt: run.divergedAt }),
      ...(run.error === null ? {} : { error: run.error }),
      createdAt: new Date(run.createdAt).toISOString(),
      ...(run.endedAt === null ? {} : { endedAt: new Date(run.endedAt).toISOString() }),
    };
  });
}

/** A run at work goes by its job's word; one that has not begun waits as its job does. */
function statusOf(run: Run, job: Job | undefined): RunStatus {
  if (job && (run.status === 'running' || (run.status === 'queued' && job.status !== 'running'))) {
    return job.status === 'finished' ? run.status : job.status;
  }
  return run.status;
}

const baseName = (path: string): string => path.split(/[/\\]/).at(-1)!;

export function listRuns(library: Library, { status, limit }: ListRunsRequest): ListRunsResult {
  const all = library.store.runs.list();
  // What is not asked for is not looked up.
  const newest = status === undefined && limit !== undefined ? all.slice(-limit) : all;
  const runs = summariesOf(library, newest).filter((run) => status === undefined || run.status === status);
  return { runs: limit === undefined ? runs : runs.slice(-limit) };
}

function planOf(job: Job | undefined): Pick<RunDetails, 'plan' | 'outcome'> {
  if (!job?.plan) return {};
  const plan = job.plan as Plan;
  const result = job.result as JobResult | null;
  if (!result || result.resumed) return { plan };
  return { plan, outcome: { peakMemory: result.peakMemory, seconds: result.seconds } };
}

export function showRun(library: Library, id: number): RunDetails {
  const { store } = library;
  const run = requireRun(library, id);
  const [summary] = summariesOf(library, [run]);
  const job = run.jobId === null ? undefined : store.jobs.get(run.jobId);
  const request = job && requestOf(job);
  const last = store.metrics.points(id).at(-1);
  const evaluation = store.evaluations.listOfRun(id).at(-1)?.result as Evaluation | undefined;
  const adapter = store.adapters.listOfRun(id).at(-1);
  return {
    ...summary!,
    config: run.config as RunConfig,
    hashes: {
      base: run.baseHash,
      data: run.dataHash,
      ...(run.orderHash === null ? {} : { order: run.orderHash }),
      ...(run.adapterStartHash === null ? {} : { start: run.adapterStartHash }),
    },
    ...(last === undefined ? {} : { last: stepMetrics(last) }),
    ...(evaluation ? { evaluation } : {}),
    checkpoints: store.checkpoints.listOfRun(id).map(({ step, size, sha256, createdAt }) => ({
      step,
      bytes: size,
      sha256,
      createdAt: new Date(createdAt).toISOString(),
    })),
    ...(request?.kind === 'train' && request.asked.fork ? { parent: request.asked.fork } : {}),
    ...(adapter === undefined ? {} : { adapter: adapter.path }),
    log: logFileOf(library.logFolder, run.jobId ?? 0),
    ...planOf(job),
  };
}
