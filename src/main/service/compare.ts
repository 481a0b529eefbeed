import packageManifest from '../../../package.json' with { type: 'json' };
import { armName, parseArm } from '../../shared/arms.ts';
import { measuresOf } from '../../shared/comparison.ts';
import type {
  ComparisonResult,
  Evaluation,
  EvaluationOnTheWay,
  EvaluationPart,
  RunResult,
} from '../../shared/comparison.ts';
import { collapses } from '../../shared/collapse.ts';
import { divergencePoints, shownAtParting } from '../../shared/divergence-point.ts';
import { itemComparisons } from '../../shared/comparison-items.ts';
import { renderTable } from '../../shared/comparison-table.ts';
import type { RunConfig } from '../../shared/config.ts';
import type { CallOptions, CompareRequest, CompareResult } from '../../shared/contract.ts';
import { refuseGrid, type GridRun } from '../../shared/grid.ts';
import { InputError } from '../../shared/errors.ts';
import type { ReportFormat } from '../../shared/report/format.ts';
import { repetitionLimit } from '../../shared/repetition.ts';
import { select } from '../../shared/selection.ts';
import { verdict } from '../../shared/verdict.ts';
import { toJsonLines, writeAskedFile } from '../formats/files.ts';
import type { Store } from '../store/database.ts';
import type { Job } from '../store/jobs.ts';
import type { Run, RunRole } from '../store/runs.ts';
import type { JobResult } from '../training/job.ts';
import { runtimeVersion } from '../training/sessions.ts';
import { runFolder } from '../training/work/run.ts';
import { commandOf } from './command-line.ts';
import { allMetrics, thinnedMetrics, type MetricsReader, type ReadMetrics } from './comparison-metrics.ts';
import { carryOut, enqueueCompare, requestOf, sourcesOf } from './jobs.ts';
import { requireWritable, requireWritableFolder, type Library } from './library.ts';
import { describeSettings, differences } from './settings-table.ts';
import { writeReport } from './report.ts';
import { finalEvaluationRow, metricLines, requireFinished } from './train.ts';
import { Turns } from './turns.ts';
import { join } from 'node:path';

/** Refuses early what could only fail after hours of work. */
export function checkCompare(request: CompareRequest): void {
  const { report, out, model, data, shared, taskData } = request;
  refuseGrid(request);
  if (report !== undefined) requireWritable(report, [model, data, shared.evalData, taskData]);
  if (out !== undefined) requireWritableFolder(out);
}

/**
 * Trains every arm at every learning rate and β from every seed in one process, under identical conditions: one base, one
 * reference cache, and per seed one adapter start and one order of batches. Evaluates each, and the base, on held-out
 * pairs. Where SFT comes first, each seed's is one more run, from which its arms start.
 */
export async function compare(
  library: Library,
  request: CompareRequest,
  call: CallOptions,
): Promise<CompareResult> {
  checkCompare(request);
  const job = await enqueueCompare(library, request, call);
  return carryOutComparison(library, job, call, true);
}

/** Carries a queued comparison out to its verdict and report, whoever queued it. @param fresh see `requireFinished` */
export async function carryOutComparison(
  library: Library,
  job: Job,
  call: CallOptions,
  fresh = false,
): Promise<CompareResult> {
  const end = await carryOut(library, job.id, call);
  requireFinished(library, job, end, call, fresh);
  try {
    return await conclude(library, job.id);
  } catch (error) {
    library.store.comparisons.fail(job.comparisonId!, error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** Verdict, table, files and report, out of the record. */
async function conclude({ store }: Library, jobId: number): Promise<CompareResult> {
  const job = store.jobs.get(jobId)!;
  const request = requestOf(job);
  if (request.kind !== 'compare') throw new Error(`job ${jobId} is no comparison`);
  const { asked, absolute } = request;
  const comparison = (await comparisonOf(store, job, allMetrics))!;
  if (absolute.out !== undefined) {
    for (const run of [...(comparison.sftFirst?.runs ?? []), ...comparison.runs])
      writeAskedFile(
        join(run.adapterPath!, 'metrics.jsonl'),
        toJsonLines(metricLines(store.metrics.points(Number(run.id)))),
      );
  }
  if (absolute.report !== undefined) await reportJob(store, job, absolute.report);
  const verdicts = verdict(comparison);
  const selection = select(comparison);
  store.comparisons.finish(job.comparisonId!, { verdict: verdicts, reportPath: absolute.report ?? null });
  return {
    comparison,
    verdicts,
    itemComparisons: itemComparisons(comparison),
    collapses: collapses(comparison),
    divergencePoints: divergencePoints(comparison, verdicts),
    ...(selection ? { selection } : {}),
    table: renderTable(comparison),
    counts: sourcesOf(job).facts!.counts,
    ...(asked.report === undefined ? {} : { report: asked.report }),
    ...(asked.out === undefined ? {} : { out: asked.out }),
    seconds: (job.result as JobResult).seconds,
  };
}

/**
 * Writes a comparison's report out of its record.
 * @returns how many runs are in it
 * @throws InputError where nothing of it can be shown yet
 */
export async function reportJob(
  store: Store,
  job: Job,
  report: string,
  format?: ReportFormat,
  signal?: AbortSignal,
): Promise<number> {
  const comparison = await comparisonOf(store, job, thinnedMetrics, signal);
  if (!comparison || comparison.runs.length === 0)
    throw new InputError('no run of this comparison has come to its end yet');
  await writeReport(report, comparison, format);
  return comparison.runs.length;
}

/**
 * A comparison as its record stands: with all its runs, or with those that have come to an end. Undefined where not even
 * the base was evaluated.
 * @param metricsOf what is read of each run's metrics
 */
export async function comparisonOf(
  store: Store,
  job: Job,
  metricsOf: MetricsReader,
  signal?: AbortSignal,
): Promise<ComparisonResult | undefined> {
  const request = requestOf(job);
  const { facts, baseEvaluation } = sourcesOf(job);
  if (request.kind !== 'compare' || facts === undefined || baseEvaluation === undefined) return undefined;
  const { asked, absolute } = request;
  const all = store.runs.list({ jobId: job.id });
  const { baseHash, dataHash } = all[0]!;
  const { result: base, cached: baseCached } = store.evaluations.get(baseEvaluation)!;
  const turns = new Turns(signal);
  const results: Record<RunRole, RunResult[]> = { run: [], stage: [] };
  for (const run of all) {
    if (run.status !== 'finished' && run.divergedAt === null) continue;
    results[run.role].push(runResult(store, run, metricsOf(store, run, all), absolute));
    await turns.pass();
  }
  const named = store.models.findByHash(baseHash);
  const result: ComparisonResult = {
    schema: 1,
    ...(job.comparisonId === null ? {} : { comparison: job.comparisonId }),
    createdAt: new Date().toISOString(),
    command: commandOf(asked),
    versions: {
      plumbline: packageManifest.version,
      node: process.versions.node,
      'onnxruntime-node': runtimeVersion,
    },
    model: { name: named?.name ?? asked.model, hash: baseHash, parameters: facts.parameters },
    data: {
      name: dataName(asked.data),
      hash: dataHash,
      trainPairs: facts.trainPairs,
      evalPairs: facts.evalPairs,
      skipped: facts.skipped,
    },
    config: describeSettings(asked),
    arms: asked.arms.map((arm) => armName(parseArm(arm))),
    learningRates: asked.learningRates,
    ...(asked.betas === undefined ? {} : { betas: asked.betas }),
    seeds: asked.seeds,
    ...(asked.sftFirst === undefined ? {} : { sftFirst: { ...asked.sftFirst, runs: results.stage } }),
    base: base as Evaluation,
    baseEvaluationRow: baseEvaluation,
    ...(baseCached ? { baseEvaluationCached: baseCached as EvaluationPart[] } : {}),
    runs: results.run,
    onlyDiffers: differences(asked),
  };
  return withPartingSamples(store, result);
}

/** A result with the answers that both arms gave where they part; all of every evaluation would be too many. */
function withPartingSamples({ evaluations }: Store, result: ComparisonResult): ComparisonResult {
  const shown = new Set(
    divergencePoints(result, []).flatMap((parting) =>
      shownAtParting(result, parting).runs.map(({ id }) => `${id} ${parting.step}`),
    ),
  );
  if (shown.size === 0) return result;
  const filled = (run: RunResult): RunResult => ({
    ...run,
    evaluations: (run.evaluations ?? []).map((at) => {
      if (!shown.has(`${run.id} ${at.step}`) || at.evaluationRow === undefined) return at;
      const { samples } = evaluations.get(at.evaluationRow)!.result as Evaluation;
      return samples ? { ...at, samples } : at;
    }),
  });
  const runs = result.runs.map((run) =>
    run.evaluations?.some(({ step }) => shown.has(`${run.id} ${step}`)) ? filled(run) : run,
  );
  return { ...result, runs };
}

const dataName = (nameOrPath: string): string => nameOrPath.split(/[/\\]/).at(-1)!;

/** @param endsWithOne whether the last one on record is that of its end */
function evaluationsOnTheWay(
  { evaluations }: Store,
  { id, lastStep }: Run,
  endsWithOne: boolean,
): EvaluationOnTheWay[] {
  return evaluations.listOfRun(id).flatMap(({ id: row, step, result, cached }) => {
    if (endsWithOne && step === lastStep) return [];
    const { samples = [], ...measured } = measuresOf(result as Evaluation);
    const { task } = result as Evaluation;
    const repeating = samples.filter(({ repetition }) => repetition > repetitionLimit).length;
    return [
      {
        step,
        evaluation: { ...measured, ...(task && { task }) },
        evaluationRow: row,
        ...(cached ? { evaluationCached: cached as EvaluationPart[] } : {}),
        ...(samples.length > 0
          ? { repeatingShare: repeating / samples.length, sampleCount: samples.length }
          : {}),
      },
    ];
  });
}

function runResult(store: Store, run: Run, read: ReadMetrics, request: CompareRequest): RunResult {
  const { out } = request;
  const member: GridRun = {
    config: run.config as RunConfig,
    ...(run.role === 'stage' ? { role: run.role } : {}),
  };
  const evaluation = finalEvaluationRow(store, run);
  const onTheWay = evaluationsOnTheWay(store, run, evaluation !== undefined);
  return {
    id: String(run.id),
    loss: armName(member.config),
    learningRate: run.learningRate,
    seed: run.seed,
    ...(run.beta === null ? {} : { beta: run.beta }),
    orderHash: run.orderHash!,
    adapterStartHash: run.adapterStartHash!,
    status: run.divergedAt === null ? 'finished' : 'diverged',
    ...(run.divergedAt === null ? {} : { divergedAt: run.divergedAt }),
    ...read,
    ...(evaluation ? { evaluation: evaluation.result as Evaluation, evaluationRow: evaluation.id } : {}),
    ...(evaluation?.cached ? { evaluationCached: evaluation.cached as EvaluationPart[] } : {}),
    ...(onTheWay.length > 0 ? { evaluations: onTheWay } : {}),
    ...(out === undefined ? {} : { adapterPath: runFolder(out, member, request) }),
    seconds: run.seconds,
  };
}
