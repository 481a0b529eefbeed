import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { scratchFolder, sums, writeLines, writeTinyModel } from '../../../../test/e2e/support.ts';
import { parseSharedSettings, runConfigOf } from '../../../shared/config.ts';
import type { CompareRequest } from '../../../shared/contract.ts';
import { openStore } from '../../store/database.ts';
import type { JobSpec, WorkerMessage } from '../job.ts';
import { openBase, startPolicy } from '../model.ts';
import { resolveQuestions, TaskRunner } from '../task.ts';
import { openConditions } from './conditions.ts';
import type { WorkContext } from './context.ts';
import { FirstGradients } from './first-gradients.ts';
import { runOne } from './run.ts';

const { path: folder, remove } = scratchFolder();
afterAll(remove);

describe('a run whose answers have no finite logits', () => {
  it('is marked as diverged and keeps what was measured on held-out pairs', async () => {
    const questions = writeLines(join(folder, 'questions.jsonl'), [
      { prompt: 'What is 1 plus 1?', answer: '2' },
    ]);
    const place = (name: string, model: string) => ({
      ...{ name, hash: name, folder: model, weightsFolder: model },
    });
    const model = writeTinyModel(join(folder, 'tiny'));
    const request: CompareRequest = {
      model,
      data: writeLines(join(folder, 'pairs.jsonl'), sums(8)),
      arms: ['dpo'],
      learningRates: [1e-3],
      seeds: [0],
      shared: parseSharedSettings({ batchSize: 3, evalShare: 0.25, lora: { rank: 4 }, threads: 1 }),
    };
    const config = runConfigOf(request.shared, { loss: 'dpo', learningRate: 1e-3, seed: 0 });
    const run = { id: 7, config, checkpoints: [], fork: false, done: false };
    const store = openStore(join(folder, 'plumbline.db'));
    const spec: JobSpec & { kind: 'compare' } = {
      kind: 'compare',
      request,
      database: store.file,
      start: { kind: 'base', ...place('tiny', model) },
      runs: [run],
      sources: null,
      checkpoint: { folder: join(folder, 'checkpoints'), seconds: 60 },
      baseDone: false,
    };
    const messages: WorkerMessage[] = [];
    const context: WorkContext = {
      spec,
      store,
      send: (message) => void messages.push(message),
      call: {
        signal: new AbortController().signal,
        onProgress: (event) => void messages.push({ kind: 'progress', event }),
      },
    };
    const conditions = await openConditions(context, spec);
    const { trainable } = startPolicy(conditions.model, config);
    // Answers come from another model, whose weights have overflown: trained numbers seldom overflow in answers alone.
    const infinite = writeTinyModel(join(folder, 'infinite'), { spoil: (flat) => flat.fill(Infinity) });
    const overflown = openBase(place('infinite', infinite));
    const asked = await resolveQuestions(store, questions, overflown.tokenizer);
    const task = await TaskRunner.open(overflown, trainable, asked.questions, { maxTokens: 2 });
    await runOne(context, { ...conditions, task }, run, {
      ...{ place: 0, of: 1, stepsBefore: 0, stepsInAll: 2, grid: request },
      firstGradients: new FirstGradients([run], conditions.sessions.trainer.size),
    });
    expect(messages).toContainEqual({
      kind: 'run-end',
      runId: 7,
      step: 2,
      diverged: { step: 2, problem: expect.stringContaining('logits are not finite') as string },
    });
    const evaluated = messages.find((message) => message.kind === 'evaluation');
    expect(evaluated).toMatchObject({ runId: 7, evaluation: { pairs: 2 } });
    expect(evaluated?.evaluation).not.toHaveProperty('task');
    await task.release();
    await conditions.release();
    store.close();
  });
});
