import { rmSync } from 'node:fs';
import type { CallOptions, TrainRequest, TrainResult } from '../../shared/contract.ts';
import type { Evaluation } from '../../shared/comparison.ts';
import { InputError } from '../../shared/errors.ts';
import { evaluationMetricNames, metricNames, type StepMetrics } from '../../shared/metrics.ts';
import { toJsonLines, writeAskedFile } from '../formats/files.ts';
import type { Store } from '../store/database.ts';
import type { Evaluation as StoredEvaluation } from '../store/evaluations.ts';
import type { Job } from '../store/jobs.ts';
import type { MetricPoint } from '../store/metrics.ts';
import type { Run } from '../store/runs.ts';
import type { JobResult } from '../training/job.ts';
import type { JobEnd } from '../training/supervisor.ts';
import { carryOut, enqueueTrain, logFileOf, requestOf, sourcesOf } from './jobs.ts';
import { requireWritable, requireWritableFolder, type Library } from './library.ts';

/** Refuses early what could only fail after hours of work. */
export function checkTrain({ metrics, data, config, start, adapterOut }: TrainRequest): void {
  requireWritable(metrics, [data, config.evalData, ...Object.values(start)]);
  requireWritableFolder(adapterOut);
}

/** Trains one run in a process of its own; its metrics and its adapter (or whole model) are files at its end. */
export async function train(
  library: Library,
  request: TrainRequest,
  call: CallOptions,
): Promise<TrainResult> {
  checkTrain(request);
  const job = await enqueueTrain(library, request, call);
  return carryOutTraining(library, job, call, true);
}

/**
 * Carries a queued training out to its end, whoever queued it.
 * @param fresh it was asked for just now
 */
export async function carryOutTraining(
  library: Library,
  job: Job,
  call: CallOptions,
  fresh = false,
): Promise<TrainResult> {
  const end = await carryOut(library, job.id, call);
  requireFinished(library, job, end, call, fresh);
  return trainResult(library, job.id);
}

/**
 * @param fresh it was asked for just now: where it fails before its first run begins, what was asked for was wrong, and
 *   it leaves no record
 * @throws what ended the job before its end
 */
export function requireFinished(
  library: Library,
  job: Job,
  end: JobEnd,
  call: CallOptions,
  fresh: boolean,
): void {
  if (end.status === 'finished') return;
  const runs = library.store.runs.list({ jobId: job.id });
  if (end.status === 'failed') {
    if (fresh && !end.begun && runs.every(({ startedAt }) => startedAt === null)) forget(library, job);
    throw end.error;
  }
  const id = runs.find(({ status }) => status === end.status)?.id ?? runs[0]!.id;
  const how = end.status === 'paused' ? 'paused' : 'stopped';
  const text = `run ${id} is ${how} at step ${end.step}; go on with: plumbline runs resume ${id}`;
  if (call.signal?.aborted) {
    call.onProgress?.({ kind: 'note', text });
    throw call.signal.reason;
  }
  throw new InputError(text);
}

/** Removes every trace of a job that has no run with results. */
function forget({ store, logFolder }: Library, { id, comparisonId }: Job): void {
  rmSync(logFileOf(logFolder, id), { force: true });
  store.transaction(() => {
    for (const run of store.runs.list({ jobId: id })) store.runs.remove(run.id);
    store.jobs.remove(id);
    if (comparisonId !== null) store.comparisons.remove(comparisonId);
  });
}

/** A step's metrics in their usual order. */
export function stepMetrics(point: MetricPoint): StepMetrics {
  const step: Record<string, number> = { step: point.step };
  for (const name of metricNames) if (point[name] !== undefined) step[name] = point[name];
  return step as StepMetrics;
}

/** The optimizer steps among points: before the first, and where a run goes on, there are evaluations alone. */
export function stepsOf(points: readonly MetricPoint[]): StepMetrics[] {
  return points.map(stepMetrics).filter((step) => Object.keys(step).length > 1);
}

/** Lines of a metrics file: each step's metrics, those of its evaluation behind them. */
export function metricLines(points: readonly MetricPoint[]): object[] {
  return points.map((point) => {
    const measured = evaluationMetricNames.filter((name) => point[name] !== undefined);
    return { ...stepMetrics(point), ...Object.fromEntries(measured.map((name) => [name, point[name]])) };
  });
}

/** A run's evaluation at its end; undefined where it is at work, or left no finite log-probs. */
export function finalEvaluation(store: Store, run: Run): Evaluation | undefined {
  return finalEvaluationRow(store, run)?.result as Evaluation | undefined;
}

/** As `finalEvaluation`, as it is stored. */
export function finalEvaluationRow(
  { evaluations }: Store,
  { id, lastStep }: Run,
): StoredEvaluation | undefined {
  const last = evaluations.lastOfRun(id);
  return last?.step === lastStep ? last : undefined;
}

/** What a finished training has to show, out of its record; writes its metrics file. */
function trainResult({ store }: Library, jobId: number): TrainResult {
  const job = store.jobs.get(jobId)!;
  const request = requestOf(job);
  if (request.kind !== 'train') throw new Error(`job ${jobId} is no training`);
  const { asked, absolute } = request;
  const run = store.runs.list({ jobId })[0]!;
  const { facts } = sourcesOf(job);
  const points = store.metrics.points(run.id);
  const metrics = stepsOf(points);
  writeAskedFile(absolute.metrics, toJsonLines(metricLines(points)));
  const evaluation = finalEvaluation(store, run);
  return {
    run: run.id,
    metrics: asked.metrics,
    adapterOut: asked.adapterOut,
    config: asked.config,
    counts: facts!.counts,
    steps: metrics.length,
    trainedParameters: facts!.trainedParameters,
    first: metrics[0]!,
    last: metrics.at(-1)!,
    ...(evaluation ? { evaluation } : {}),
    seconds: (job.result as JobResult).seconds,
    peakMemory: (job.result as JobResult).peakMemory,
    hashes: { base: run.baseHash, data: run.dataHash, order: run.orderHash! },
  };
}
