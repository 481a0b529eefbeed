import packageManifest from '../../../package.json' with { type: 'json' };
import {
  evaluatePairs,
  type ComparisonResult,
  type Evaluation,
  type RunResult,
} from '../../shared/comparison.ts';
import { renderTable } from '../../shared/comparison-table.ts';
import { runConfigOf } from '../../shared/config.ts';
import { verdict } from '../../shared/verdict.ts';
import { parameterCount } from '../training/model.ts';
import { runtimeVersion } from '../training/sessions.ts';
import { commandOf } from './command-line.ts';
import { openConditions, type Conditions } from './compare/conditions.ts';
import { runOne } from './compare/run.ts';
import { describeSettings, differences } from './compare/settings.ts';
import type { CallOptions, CompareRequest, CompareResult } from '../../shared/contract.ts';
import { requireWritable, requireWritableFolder, type Library } from './library.ts';
import { countsOf, underName } from './progress.ts';
import { writeReport } from './report.ts';

/**
 * Trains every arm at every learning rate from every seed, under identical conditions: one base, one reference cache,
 * and per seed one adapter start and one order of batches. Evaluates each, and the base, on held-out pairs.
 */
export async function compare(
  library: Library,
  request: CompareRequest,
  call: CallOptions,
): Promise<CompareResult> {
  const started = performance.now();
  const { data, shared, taskData, report } = request;
  if (report !== undefined) requireWritable(report, [request.model, data, shared.evalData, taskData]);
  if (request.out !== undefined) requireWritableFolder(request.out);
  const conditions = await openConditions(library, request, call);
  const { store } = library;
  const comparison = store.comparisons.add({
    kind: 'grid',
    config: request,
    baseHash: conditions.model.hash,
    dataHash: conditions.data.hash,
  });
  store.comparisons.start(comparison.id);
  try {
    const result = await runGrid(library, conditions, request, comparison.id, call);
    if (request.report !== undefined) await writeReport(request.report, result);
    const verdicts = verdict(result);
    store.comparisons.finish(comparison.id, { verdict: verdicts, reportPath: request.report ?? null });
    return {
      comparison: result,
      verdicts,
      table: renderTable(result),
      counts: countsOf(conditions.training),
      ...(request.report === undefined ? {} : { report: request.report }),
      ...(request.out === undefined ? {} : { out: request.out }),
      seconds: (performance.now() - started) / 1000,
    };
  } catch (error) {
    if (call.signal?.aborted) store.comparisons.interrupt(comparison.id);
    else store.comparisons.fail(comparison.id, error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    await conditions.release();
  }
}

/** The base, then seed by seed every arm at every learning rate. */
async function runGrid(
  library: Library,
  conditions: Conditions,
  request: CompareRequest,
  comparisonId: number,
  call: CallOptions,
): Promise<ComparisonResult> {
  const { arms, learningRates, seeds, shared, out } = request;
  const { model, data, training, held } = conditions;
  const base = await evaluateBase(library, conditions, call);
  const grid = seeds.flatMap((seed) =>
    learningRates.flatMap((learningRate) => arms.map((loss) => ({ loss, learningRate, seed }))),
  );
  const runs: RunResult[] = [];
  for (const [place, cell] of grid.entries()) {
    const where = { comparisonId, place, of: grid.length, out };
    runs.push(await runOne(library, conditions, runConfigOf(shared, cell), where, call));
  }
  return {
    schema: 1,
    createdAt: new Date().toISOString(),
    command: commandOf(request),
    versions: {
      plumbline: packageManifest.version,
      node: process.versions.node,
      'onnxruntime-node': runtimeVersion,
    },
    model: { name: model.name, hash: model.hash, parameters: parameterCount(model) },
    data: {
      name: data.name,
      hash: data.hash,
      trainPairs: training.pairs.length,
      evalPairs: held.pairs.length,
      skipped: training.skipped.length + held.skipped.length,
    },
    config: describeSettings(request),
    arms,
    learningRates,
    seeds,
    base,
    runs,
    onlyDiffers: differences(request),
  };
}

async function evaluateBase(
  library: Library,
  { model, data, task, heldReference, baseParameters }: Conditions,
  call: CallOptions,
): Promise<Evaluation> {
  const evaluation = evaluatePairs(heldReference);
  const answered = await task?.evaluate(baseParameters, underName(call, 'base'));
  const result = answered ? { ...evaluation, task: answered } : evaluation;
  const place = { runId: null, baseHash: model.hash, dataHash: data.hash, step: 0 };
  library.store.evaluations.add({ ...place, result });
  return result;
}
