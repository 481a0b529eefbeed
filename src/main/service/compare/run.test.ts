import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { scratchFolder, sums, writeLines, writeTinyModel } from '../../../../test/e2e/support.ts';
import { parseSharedSettings, runConfigOf } from '../../../shared/config.ts';
import { openStore } from '../../store/database.ts';
import { startPolicy } from '../../training/model.ts';
import type { CompareRequest, ProgressEvent } from '../../../shared/contract.ts';
import { resolveModel, type Library } from '../library.ts';
import { TaskRunner } from '../task.ts';
import { openConditions } from './conditions.ts';
import { runOne } from './run.ts';

const { path: folder, remove } = scratchFolder();
afterAll(remove);

describe('a run whose answers have no finite logits', () => {
  it('is marked as diverged and keeps what was measured on held-out pairs', async () => {
    const questions = writeLines(join(folder, 'questions.jsonl'), [
      { prompt: 'What is 1 plus 1?', answer: '2' },
    ]);
    const request: CompareRequest = {
      model: writeTinyModel(join(folder, 'tiny')),
      data: writeLines(join(folder, 'pairs.jsonl'), sums(8)),
      arms: ['dpo'],
      learningRates: [1e-3],
      seeds: [0],
      shared: parseSharedSettings({ batchSize: 3, evalShare: 0.25, lora: { rank: 4 }, threads: 1 }),
    };
    const library: Library = {
      store: openStore(join(folder, 'plumbline.db')),
      modelsFolder: join(folder, 'models'),
    };
    const conditions = await openConditions(library, request, {});
    const config = runConfigOf(request.shared, { loss: 'dpo', learningRate: 1e-3, seed: 0 });
    const { trainable } = startPolicy(conditions.model, config);
    // Answers come from another model, whose weights have overflown: trained numbers seldom overflow in answers alone.
    const infinite = writeTinyModel(join(folder, 'infinite'), { spoil: (flat) => flat.fill(Infinity) });
    const overflown = await resolveModel(library, infinite, {});
    const task = await TaskRunner.open(overflown, trainable, questions, {
      maxTokens: 2,
    });
    const comparison = library.store.comparisons.add({
      kind: 'grid',
      config: request,
      baseHash: 'b',
      dataHash: 'd',
    });
    const where = { comparisonId: comparison.id, place: 0, of: 1, out: undefined };
    const events: ProgressEvent[] = [];
    const call = { onProgress: (event: ProgressEvent) => void events.push(event) };
    const result = await runOne(library, { ...conditions, task }, config, where, call);
    expect(result).toMatchObject({ status: 'diverged', divergedAt: 2, evaluation: { pairs: 2 } });
    expect(result.evaluation).not.toHaveProperty('task');
    expect(events).toContainEqual({
      kind: 'note',
      text: expect.stringContaining('logits are not finite') as string,
    });
    expect(library.store.runs.list().map(({ status }) => status)).toEqual(['failed']);
    await task.release();
    await conditions.release();
    library.store.close();
  });
});
