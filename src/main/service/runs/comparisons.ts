import type {
  CallOptions,
  CompareRequest,
  ComparisonDetails,
  ComparisonRequest,
  ComparisonSummary,
  ListComparisonsRequest,
  ListComparisonsResult,
  ReportRequest,
  ReportResult,
} from '../../../shared/contract.ts';
import { armName, parseArm } from '../../../shared/arms.ts';
import { InputError } from '../../../shared/errors.ts';
import { select } from '../../../shared/selection.ts';
import { claimsFirst, verdict, verdictLine, type Verdict } from '../../../shared/verdict.ts';
import type { ComparisonEntry } from '../../store/comparison-list.ts';
import type { Store } from '../../store/database.ts';
import type { Job } from '../../store/jobs.ts';
import { comparisonOf, reportJob } from '../compare.ts';
import { endMetrics } from '../comparison-metrics.ts';
import { requireWritable, type Library } from '../library.ts';
import { projectIdOf } from '../projects.ts';
import { requireJob, summariesOf } from './show.ts';

export function listComparisons(
  { store }: Library,
  { project }: ListComparisonsRequest,
): ListComparisonsResult {
  const projectId = project === undefined ? undefined : projectIdOf(store, project);
  return { comparisons: store.comparisonList.list(projectId).map((entry) => summarise(store, entry)) };
}

/** @throws InputError where there is none of this number */
export async function showComparison(
  library: Library,
  { comparison: id }: ComparisonRequest,
  { signal }: CallOptions,
): Promise<ComparisonDetails> {
  const { store } = library;
  const entry = requireComparison(store, id);
  const result = await comparisonOf(store, store.jobs.get(entry.job)!, endMetrics, signal);
  const selection = result && result.runs.length > 0 ? select(result) : undefined;
  return {
    ...summarise(store, entry),
    members: summariesOf(library, store.runs.list({ jobId: entry.job })),
    ...(result ? { result } : {}),
    verdictList: result && result.runs.length > 0 ? verdict(result) : [],
    ...(selection ? { selection } : {}),
  };
}

/** @throws InputError where there is no such comparison, or nothing of it can be shown yet */
export async function reportOf(
  library: Library,
  request: ReportRequest,
  { signal }: CallOptions,
): Promise<ReportResult> {
  const { report, format } = request;
  const job = 'run' in request ? jobOfRun(library, request.run) : jobOf(library, request.comparison);
  requireWritable(report);
  const runs = await reportJob(library.store, job, report, format, signal);
  const arms = library.store.runs.list({ jobId: job.id }).filter(({ role }) => role === 'run');
  return { report, runs, missing: arms.length - runs };
}

function jobOf({ store }: Library, comparison: number): Job {
  return store.jobs.get(requireComparison(store, comparison).job)!;
}

function jobOfRun(library: Library, run: number): Job {
  const job = requireJob(library, run);
  if (job.kind === 'compare') return job;
  throw new InputError(`run ${run} belongs to no comparison`);
}

function requireComparison({ comparisonList }: Store, id: number): ComparisonEntry {
  const entry = comparisonList.get(id);
  if (entry) return entry;
  throw new InputError(`there is no comparison ${id}; see: plumbline comparisons list`);
}

function summarise(store: Store, entry: ComparisonEntry): ComparisonSummary {
  const { id, job, project, baseHash, dataHash, status, error, createdAt, endedAt, done, total } = entry;
  const { model, data, arms, learningRates, betas, seeds } = entry.config as CompareRequest;
  const verdicts = (entry.verdict ?? []) as readonly Verdict[];
  return {
    id,
    job,
    project,
    model: store.models.findByHash(baseHash)?.name ?? lastName(model),
    data: store.datasets.findByHash(dataHash)?.name ?? lastName(data),
    arms: arms.map((arm) => armName(parseArm(arm))),
    learningRates,
    ...(betas === undefined ? {} : { betas }),
    seeds,
    status,
    runs: { done, total },
    verdicts: claimsFirst(verdicts.filter(({ primary }) => primary)).map(verdictLine),
    ...(error === null ? {} : { error }),
    createdAt: new Date(createdAt).toISOString(),
    ...(endedAt === null ? {} : { endedAt: new Date(endedAt).toISOString() }),
  };
}

const lastName = (nameOrPath: string): string => nameOrPath.split(/[/\\]/).at(-1)!;
