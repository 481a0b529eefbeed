import type { RunConfig } from '../../../shared/config.ts';
import { measuresOf, type Evaluation } from '../../../shared/comparison.ts';
import type {
  ListRunsRequest,
  ListRunsResult,
  RunDetails,
  RunEvaluationsResult,
  RunSummary,
} from '../../../shared/contract.ts';
import { InputError } from '../../../shared/errors.ts';
import type { Plan } from '../../../shared/plan.ts';
import type { JobResult } from '../../training/job.ts';
import type { Job } from '../../store/jobs.ts';
import type { Run } from '../../store/runs.ts';
import { logFileOf, requestOf } from '../jobs.ts';
import type { Library } from '../library.ts';
import { projectIdOf } from '../projects.ts';
import { stepsOf } from '../train.ts';

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

export function summariesOf({ store }: Library, runs: readonly Run[]): RunSummary[] {
  return store.runList.of(runs.map(({ id }) => id));
}

export function listRuns({ store }: Library, { project, status, limit }: ListRunsRequest): ListRunsResult {
  const projectId = project === undefined ? undefined : projectIdOf(store, project);
  return { runs: store.runList.list({ projectId, status, limit }) };
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
  const last = stepsOf(store.metrics.pointsAfter(id, run.lastStep - 1)).at(-1);
  const evaluation = store.evaluations.lastOfRun(id)?.result as Evaluation | undefined;
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
    ...(request?.revision === undefined ? {} : { revision: request.revision }),
    ...(last === undefined ? {} : { last }),
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

/** Also of a run at work: those made so far. */
export function runEvaluations(library: Library, id: number): RunEvaluationsResult {
  const { id: runId } = requireRun(library, id);
  const evaluations = library.store.evaluations.listOfRun(runId).map(({ step, result }) => {
    const { task } = result as Evaluation;
    const { samples, ...measures } = measuresOf(result as Evaluation);
    return {
      step,
      evaluation: task === undefined ? measures : { ...measures, task },
      ...(samples === undefined ? {} : { samples }),
    };
  });
  return { evaluations };
}
