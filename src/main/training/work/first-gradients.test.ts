import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { scratchFolder, sums, writeLines, writeTinyModel } from '../../../../test/e2e/support.ts';
import { parseSharedSettings } from '../../../shared/config.ts';
import type { CompareRequest } from '../../../shared/contract.ts';
import { jobRunsOf } from '../../../shared/grid.ts';
import { openStore } from '../../store/database.ts';
import type { JobSpec, RunSpec, WorkerMessage } from '../job.ts';
import { policyHash } from '../model.ts';
import { openConditions } from './conditions.ts';
import type { WorkContext } from './context.ts';
import { FirstGradients } from './first-gradients.ts';
import { runOne } from './run.ts';

const { path: folder, remove } = scratchFolder();
afterAll(remove);

function requestOf(changes: Partial<CompareRequest> = {}): CompareRequest {
  return {
    model: join(folder, 'tiny'),
    data: join(folder, 'pairs.jsonl'),
    arms: ['dpo', 'minor-dpo'],
    learningRates: [1e-3, 1e-2, 3e-2],
    seeds: [0, 1],
    shared: parseSharedSettings({ batchSize: 3, evalShare: 0.25, lora: { rank: 4 }, threads: 1 }),
    ...changes,
  };
}

function runsOf(request: CompareRequest): RunSpec[] {
  return jobRunsOf(request).map((run, id) => ({ ...run, id, checkpoints: [], fork: false, done: false }));
}

const mebi = 1 << 20;

describe('gradients of first steps', () => {
  const counts = (runs: readonly RunSpec[], size: number): readonly [saved: number, mostKept: number] => {
    const { saved, mostKept } = new FirstGradients(runs, size);
    return [saved, mostKept];
  };

  it('are computed once for all rates of a seed, arm and β, and kept as long as a seed goes on', () => {
    expect(counts(runsOf(requestOf()), mebi)).toEqual([2 * 2 * 2, 2]);
    expect(counts(runsOf(requestOf({ learningRates: [1e-3] })), mebi)).toEqual([0, 0]);
    expect(counts(runsOf(requestOf({ betas: [0.1, 0.5] })), mebi)).toEqual([2 * 4 * 2, 4]);
  });

  it('are not those of the SFT that comes first, nor of runs that are done', () => {
    const staged = runsOf(requestOf({ arms: ['sft', 'dpo'], sftFirst: { learningRate: 1e-3 } }));
    expect(counts(staged, mebi)).toEqual([2 * 2 * 2, 2]);
    const [first, ...others] = runsOf(requestOf({ arms: ['dpo'], seeds: [0] }));
    expect(counts([{ ...first!, done: true }, ...others], mebi)).toEqual([1, 1]);
  });

  it('are kept as far as there is memory', () => {
    // 256 MiB in all.
    expect(counts(runsOf(requestOf()), 33 * mebi)).toEqual([2 * 2, 1]);
    expect(counts(runsOf(requestOf()), 65 * mebi)).toEqual([0, 0]);
    const low = { shared: parseSharedSettings({ lowMemory: true }) };
    expect(counts(runsOf(requestOf(low)), mebi)).toEqual([0, 0]);
  });

  it('leave every run as it is by itself, to the last bit', async () => {
    writeTinyModel(join(folder, 'tiny'));
    writeLines(join(folder, 'pairs.jsonl'), sums(12));
    const request = requestOf({ seeds: [0] });
    const runs = runsOf(request);
    const store = openStore(join(folder, 'plumbline.db'));
    const place = { name: 'tiny', hash: 'tiny', folder: request.model, weightsFolder: request.model };
    const spec: JobSpec & { kind: 'compare' } = {
      ...{ kind: 'compare', request, database: store.file, runs, sources: null, baseDone: false },
      start: { kind: 'base', ...place },
      checkpoint: { folder: join(folder, 'checkpoints'), seconds: 60 },
    };
    const messages: WorkerMessage[] = [];
    const context: WorkContext = {
      ...{ spec, store, send: (message) => void messages.push(message) },
      call: { signal: new AbortController().signal, onProgress: () => {} },
    };
    const conditions = await openConditions(context, spec);
    const accumulate = vi.spyOn(conditions.sessions.trainer, 'accumulate');
    const { size } = conditions.sessions.trainer;

    /** @returns what a run has come to, and what it told of its steps */
    const carryOut = async (run: RunSpec, firstGradients: FirstGradients) => {
      messages.length = 0;
      const { policy } = await runOne(context, conditions, run, {
        ...{ place: 0, of: 1, stepsBefore: 0, stepsInAll: 3, grid: request, firstGradients },
      });
      const steps = messages.flatMap((message) => (message.kind === 'step' ? [message] : []));
      const told = steps.map(({ metrics, pairs }) => {
        const results = Object.entries(metrics).filter(([name]) => !/^(throughput|time|memory)\//.test(name));
        expect(metrics['time/step_s']).toBeGreaterThan(0);
        return { results, pairs };
      });
      return { hash: policyHash(policy), told };
    };
    const together = new FirstGradients(runs, size);
    const shared: Awaited<ReturnType<typeof carryOut>>[] = [];
    const alone: typeof shared = [];
    for (const run of runs) shared.push(await carryOut(run, together));
    const perRun = shared[0]!.told.length;
    expect(perRun).toBe(3);
    expect(accumulate).toHaveBeenCalledTimes(runs.length * perRun - 4);
    accumulate.mockClear();
    for (const run of runs) alone.push(await carryOut(run, new FirstGradients([run], size)));
    expect(accumulate).toHaveBeenCalledTimes(runs.length * perRun);
    expect(shared).toEqual(alone);
    // All rates come to something else.
    expect(new Set(shared.map(({ hash }) => hash)).size).toBe(runs.length);

    await conditions.release();
    store.close();
  });
});
