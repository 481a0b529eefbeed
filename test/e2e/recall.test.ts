import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServices } from '../../src/main/service/index.ts';
import type { ComparisonResult } from '../../src/shared/comparison.ts';
import { parseSharedSettings } from '../../src/shared/config.ts';
import type {
  CallOptions,
  CompareAgainResult,
  CompareRequest,
  CompareResult,
  ProgressEvent,
  Services,
} from '../../src/shared/contract.ts';
import { inStore, scratchFolder, sums, writeLines, writeTinyModel } from './support.ts';

/** Evaluations of the same weights by the same data and settings are made once, whatever comparison they are for. */
const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
const at = (name: string): string => join(folder, name);
let services: Services;

const questions = sums(4, 50).map(({ prompt }, place) => ({ prompt, answer: String(place) }));

beforeAll(async () => {
  writeTinyModel(at('tiny'));
  writeLines(at('pairs.jsonl'), sums(12));
  writeLines(at('held.jsonl'), sums(4, 100));
  writeLines(at('questions.jsonl'), questions);
  services = await createServices({ home });
});
afterAll(async () => {
  await services.close();
  remove();
});

const request: CompareRequest = {
  model: at('tiny'),
  data: at('pairs.jsonl'),
  arms: ['dpo', 'minor-dpo'],
  learningRates: [1e-2],
  seeds: [0],
  taskData: at('questions.jsonl'),
  taskTokens: 4,
  evalQuestions: 2,
  driftPrompts: 3,
  shared: parseSharedSettings({
    ...{ batchSize: 4, evalData: at('held.jsonl'), lora: { rank: 4 }, threads: 1, warmup: 0 },
    ...{ evalEvery: 2, samplePrompts: 2, sampleTokens: 4, evalKlPrompts: 2 },
  }),
};

/** What was computed while `work` went on, as its bars say, each evaluation once: `base: answering questions`. */
async function computed<Result>(
  work: (call: CallOptions) => Promise<Result>,
): Promise<{ readonly result: Result; readonly bars: readonly string[]; readonly notes: readonly string[] }> {
  const events: ProgressEvent[] = [];
  const result = await work({ onProgress: (event) => void events.push(event) });
  const labels = events.flatMap((event) => (event.kind === 'progress' ? [event.label] : []));
  return {
    result,
    bars: [...new Set(labels)].filter((label) => /answering|drawing|evaluating/.test(label)),
    notes: events.flatMap((event) => (event.kind === 'note' ? [event.text] : [])),
  };
}

const compare = (changes: Partial<CompareRequest> = {}): ReturnType<typeof computed<CompareResult>> =>
  computed((call) => services.compare({ ...request, ...changes }, call));

/** What was measured, without where it stands in the record and what it took. */
const measured = ({ base, runs }: ComparisonResult): unknown => ({
  base,
  runs: runs.map(({ evaluation, evaluations, status }) => ({
    evaluation,
    status,
    evaluations: evaluations?.map(({ evaluationRow: _, evaluationCached: __, ...found }) => found),
  })),
});

let first: ComparisonResult;

describe('a comparison', () => {
  it('computes every evaluation where nothing is known', async () => {
    const { result, bars } = await compare({ report: at('first.json') });
    first = result.comparison;
    expect(bars).toContain('base: answering questions');
    expect(bars.filter((bar) => bar.includes('evaluating'))).toHaveLength(2);
    expect(bars.filter((bar) => bar.includes('answering questions'))).toHaveLength(3);
    expect(bars.filter((bar) => bar.includes('drawing samples'))).toHaveLength(2);
    expect(first.baseEvaluationCached).toBeUndefined();
    expect(first.runs.map(({ evaluationCached }) => evaluationCached)).toEqual([undefined, undefined]);
    expect(first.runs[0]!.evaluations?.map(({ step }) => step)).toEqual([0, 2]);
  });

  it('computes none again that an equal one has made, finds the same, and says so', async () => {
    const { result, bars, notes } = await compare({ report: at('second.md') });
    const { comparison } = result;
    expect(bars).toEqual([]);
    expect(measured(comparison)).toEqual(measured(first));
    expect(notes).toContain('base: answers to the task as an earlier evaluation found them');
    expect(comparison.baseEvaluationCached).toEqual(['answers']);
    for (const { evaluationCached, evaluations } of comparison.runs) {
      expect([...evaluationCached!].sort()).toEqual(
        ['answers', 'first-answers', 'kl', 'pairs', 'prompt-samples', 'samples'].sort(),
      );
      expect(evaluations!.map((each) => each.evaluationCached)).toEqual([
        ['prompt-samples', 'kl', 'first-answers'],
        ['pairs', 'prompt-samples', 'kl', 'first-answers'],
      ]);
    }
    inStore(home, (store) => {
      const [before, now] = [first, comparison].map(({ baseEvaluationRow }) =>
        store.evaluations.get(baseEvaluationRow!),
      );
      expect([before!.cached, now!.cached]).toEqual([undefined, ['answers']]);
      expect(now!.result).toEqual(before!.result);
    });
    expect(readFileSync(at('second.md'), 'utf8')).toContain(
      '| evaluations known before | base (answers to the task), of 2 of 2 runs in part or whole |',
    );
  });

  it('takes the base from one with other arms, and computes what is new', async () => {
    const { result, bars } = await compare({ arms: ['dpo', 'ipo'] });
    expect(bars.some((bar) => bar.startsWith('base'))).toBe(false);
    expect(bars.some((bar) => bar.startsWith('ipo'))).toBe(true);
    expect(result.comparison.baseEvaluationCached).toEqual(['answers']);
  });

  it.each<[string, Partial<CompareRequest>]>([
    ['longer answers', { taskTokens: 5 }],
    ['another right answer', { taskData: at('other-answer.jsonl') }],
    ['another question', { taskData: at('other-question.jsonl') }],
    ['another order of questions', { taskData: at('other-order.jsonl') }],
    ['little memory, where weights are not repacked', { shared: { ...request.shared, lowMemory: true } }],
    ['another number of threads', { shared: { ...request.shared, threads: 2 } }],
    [
      'another shape of adapter',
      { shared: { ...request.shared, lora: { ...request.shared.lora!, rank: 2 } } },
    ],
    ['another model', { model: at('other-model') }],
  ])('asks the base again for %s', async (_, changes) => {
    const [one, two, ...more] = questions;
    writeLines(at('other-answer.jsonl'), [{ ...one!, answer: '99' }, two, ...more]);
    writeLines(at('other-question.jsonl'), [{ ...one!, prompt: 'What is 7 plus 7?' }, two, ...more]);
    writeLines(at('other-order.jsonl'), [two, one, ...more]);
    writeTinyModel(at('other-model'), { seed: 9 });
    const { result, bars } = await compare({ arms: ['dpo'], ...changes });
    expect(bars).toContain('base: answering questions');
    expect(result.comparison.baseEvaluationCached).toBeUndefined();
  });

  it('scores other held-out pairs, and keeps the task of the base', async () => {
    writeLines(at('more.jsonl'), sums(5, 100));
    const { result } = await compare({ shared: { ...request.shared, evalData: at('more.jsonl') } });
    const { baseEvaluationCached, runs } = result.comparison;
    expect(baseEvaluationCached).toEqual(['answers']);
    for (const { evaluationCached, evaluation } of runs) {
      expect(evaluationCached).not.toContain('pairs');
      expect(evaluation!.pairs).toBe(5);
    }
  });

  it('carried out again from a report computes all of it', async () => {
    const { result, bars } = await computed((call): Promise<CompareAgainResult> =>
      services.compareAgain({ from: at('first.json'), request }, call),
    );
    expect(result.same).toBe(true);
    expect(bars).toContain('base: answering questions');
    expect(bars.filter((bar) => bar.includes('evaluating'))).toHaveLength(2);
    inStore(home, (store) => {
      const { baseEvaluation } = store.jobs.get(store.comparisonList.get(result.comparison)!.job)!
        .sources as {
        baseEvaluation: number;
      };
      const evaluations = store.runs
        .list({ jobId: store.comparisonList.get(result.comparison)!.job })
        .flatMap(({ id }) => store.evaluations.listOfRun(id));
      expect(evaluations).toHaveLength(6);
      for (const { cached } of [store.evaluations.get(baseEvaluation)!, ...evaluations])
        expect(cached).toBeUndefined();
    });
  });
});

describe('what is kept of evaluations', () => {
  const raw = (sql: string): void => {
    const database = new Sqlite(join(home, 'plumbline.db'));
    database.exec(sql);
    database.close();
  };

  it('is computed again where it is damaged, told of by doctor, and mended by that', async () => {
    raw(`UPDATE evaluation_cache SET result_json = replace(result_json, 'true', 'false') || ' '`);
    const { findings, healthy } = await services.doctor({ fix: false, free: false, confirmed: false });
    expect(healthy).toBe(true);
    expect(findings.map(({ message }) => message)).toContain(
      'a kept part of an evaluation (answers) is damaged; it is computed again when it is needed',
    );
    const { result, bars } = await compare();
    expect(bars).toContain('base: answering questions');
    expect(result.comparison.baseEvaluationCached).toBeUndefined();
    expect(measured(result.comparison)).toEqual(measured(first));
    expect((await compare()).bars).toEqual([]);
  });

  it('is cleared and no longer used where there is no room for it', async () => {
    expect(inStore(home, (store) => store.evaluationCache.size().entries)).toBeGreaterThan(0);
    await services.setSetting({ name: 'keepEvaluations', value: '0' });
    const entries = (): number => inStore(home, (store) => store.evaluationCache.size().entries);
    expect(entries()).toBe(0);
    for (let time = 1; time <= 2; time += 1) {
      const { result, bars } = await compare({ arms: ['dpo'] });
      expect(bars).toContain('base: answering questions');
      expect(result.comparison.baseEvaluationCached).toBeUndefined();
    }
    expect(entries()).toBe(0);
  });
});
