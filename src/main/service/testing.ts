/** A home with real services and a store beside them, by which tests put records where work would have put them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Evaluation } from '../../shared/comparison.ts';
import { parseArm } from '../../shared/arms.ts';
import { parseRunConfig, parseSharedSettings } from '../../shared/config.ts';
import type { CompareRequest, Services } from '../../shared/contract.ts';
import { openStore, type Store } from '../store/database.ts';
import type { MetricPoint } from '../store/metrics.ts';
import { createServices } from './index.ts';

export interface TestHome {
  readonly path: string;
  readonly services: Services;
  readonly store: Store;
  close(): Promise<void>;
}

export async function openTestHome(): Promise<TestHome> {
  const path = mkdtempSync(join(tmpdir(), 'plumbline-service-'));
  const services = await createServices({ home: path });
  const store = openStore(join(path, 'plumbline.db'));
  return {
    path,
    services,
    store,
    close: async () => {
      store.close();
      await services.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
}

const evaluation = (shift: number): Evaluation => {
  const perPair = Array.from({ length: 8 }, (_, index) => ({ index, c: shift + index, r: index - shift }));
  return {
    pairs: 8,
    preferenceAccuracy: shift > 0 ? 1 : 0,
    preferenceAccuracyRaw: 0.5,
    ties: 0,
    meanChosenLogRatio: 3.5 + shift,
    meanRejectedLogRatio: 3.5 - shift,
    meanMargin: 2 * shift,
    perPair,
  };
};

/**
 * Records a comparison of two arms over some seeds as its job would have: all runs but the last `open` are finished.
 * @param metrics of run after run, seed by seed
 * @returns its number and those of its runs
 */
export function recordComparison(
  store: Store,
  seeds: readonly number[],
  metrics: (place: number) => Iterable<MetricPoint>,
  open = 0,
): { readonly comparison: number; readonly runs: readonly number[] } {
  const asked: CompareRequest = {
    model: '/somewhere/small',
    data: '/somewhere/pairs.jsonl',
    arms: ['dpo', 'minor-dpo'],
    learningRates: [5e-6],
    seeds,
    shared: parseSharedSettings({ evalShare: 0.2 }),
  };
  const hashes = { baseHash: 'a'.repeat(64), dataHash: 'd'.repeat(64) };
  const { id: comparisonId } = store.comparisons.add({ kind: 'grid', config: asked, ...hashes });
  const request = { kind: 'compare', asked, absolute: asked };
  const { id: jobId } = store.jobs.add({ kind: 'compare', request, comparisonId });
  store.comparisons.start(comparisonId);
  store.jobs.change(jobId, 'running');
  const base = store.evaluations.add({ runId: null, ...hashes, step: 0, result: evaluation(0) });
  const facts = { counts: { rows: 10, skipped: 0, truncated: 0 }, trainPairs: 8, evalPairs: 8, skipped: 0 };
  store.jobs.setSources(jobId, {
    facts: { ...facts, parameters: 1000, trainedParameters: 10 },
    baseEvaluation: base.id,
  });
  const grid = seeds.flatMap((seed) => asked.arms.map((loss) => ({ seed, loss })));
  const runs = grid.map(({ seed, loss }, place) => {
    const config = parseRunConfig({ ...parseArm(loss), seed, learningRate: 5e-6 });
    const { id } = store.runs.add({
      ...{
        comparisonId,
        jobId,
        loss: config.loss,
        seed,
        orderSeed: seed,
        learningRate: 5e-6,
        beta: config.beta,
        config,
      },
      ...hashes,
    });
    const points = [...metrics(place)];
    if (points.length === 0) return id;
    const totalSteps = points.at(-1)!.step;
    store.runs.start(id, { adapterStartHash: `start ${seed}`, orderHash: `order ${seed}`, totalSteps });
    store.metrics.append(id, points);
    store.runs.advance(id, totalSteps, 1);
    if (place >= grid.length - open) return id;
    const shift = 1 + place / 10;
    store.evaluations.add({ runId: id, ...hashes, step: totalSteps, result: evaluation(shift) });
    store.runs.finish(id);
    return id;
  });
  return { comparison: comparisonId, runs };
}
