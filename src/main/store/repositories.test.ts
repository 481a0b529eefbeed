import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import type { StepMetrics } from '../../shared/metrics.ts';
import type { DataRow } from '../../shared/preferences.ts';
import { openStore, type Store } from './database.ts';
import { sampleComparison, sampleDataset, sampleModel, sampleRun, temporaryFolder } from './samples.ts';

let folder: ReturnType<typeof temporaryFolder>;
let store: Store;

beforeEach(() => {
  folder = temporaryFolder();
  store = openStore(join(folder.path, 'plumbline.db'));
});
afterEach(() => {
  store.close();
  folder.remove();
});

/** Closes and opens again, so that what is read was on the disk. */
function reopen(): void {
  const { file } = store;
  store.close();
  store = openStore(file);
}

const awkwardNumbers = [
  NaN,
  Infinity,
  -Infinity,
  -0,
  0,
  3,
  -1234.5678901234567,
  0.1 + 0.2,
  Number.MIN_VALUE,
  Number.MAX_VALUE,
  2 ** 53,
  -(2 ** 62),
];

describe('models', () => {
  it('come back as they were added', () => {
    const model = store.models.add(sampleModel);
    reopen();
    expect(model).toMatchObject(sampleModel);
    expect(store.models.list()).toEqual([model]);
    expect(store.models.findByName('small')).toEqual(model);
    expect(store.models.findByHash(sampleModel.hash)).toEqual(model);
    expect(store.models.findByName('other')).toBeUndefined();
  });

  it('have names of their own', () => {
    store.models.add(sampleModel);
    expect(() => store.models.add(sampleModel)).toThrow(InputError);
    expect(() => store.models.add(sampleModel)).toThrow(/^a model named small exists already$/);
    store.models.add({ ...sampleModel, name: 'the same under another name' });
    expect(store.models.list()).toHaveLength(2);
  });

  it('never take the id of a removed one', () => {
    const { id } = store.models.add(sampleModel);
    expect(store.models.remove(id)).toBe(true);
    expect(store.models.remove(id)).toBe(false);
    reopen();
    expect(store.models.add(sampleModel).id).toBeGreaterThan(id);
  });
});

describe('datasets', () => {
  const rows: DataRow[] = [
    {
      kind: 'preference',
      index: 2,
      prompt: 'line\nbreak \u0000 ',
      chosen: 'ü \u{1f600}',
      rejected: '',
      answer: '4',
    },
    {
      kind: 'preference',
      index: 0,
      prompt: [{ role: 'user', content: '2 + 2?' }],
      chosen: [{ role: 'assistant', content: '4' }],
      // Half a surrogate pair: not text, but a tokenizer may have written it.
      rejected: [{ role: 'assistant', content: '\ud83d' }],
    },
  ];

  it('come back by index, with every character', () => {
    const dataset = store.datasets.add(sampleDataset, rows);
    reopen();
    expect(dataset).toMatchObject({ ...sampleDataset, rows: 2 });
    expect(store.datasets.list()).toEqual([dataset]);
    expect(store.datasets.findByName('pairs')).toEqual(dataset);
    expect(store.datasets.findByHash(sampleDataset.hash)).toEqual(dataset);
    expect([...store.datasets.rows(dataset.id)]).toEqual([rows[1], rows[0]]);
    expect(store.datasets.row(dataset.id, 2)).toEqual(rows[0]);
    expect(store.datasets.row(dataset.id, 1)).toBeUndefined();
  });

  it('are read in pages, with writes in between', () => {
    const many = Array.from({ length: 1000 }, (_, place): DataRow => ({
      kind: 'completion',
      index: place * 3,
      prompt: 'p',
      completion: `${place}`,
    }));
    const dataset = store.datasets.add({ ...sampleDataset, format: 'completion' }, many);
    const read: DataRow[] = [];
    for (const row of store.datasets.rows(dataset.id)) {
      if (read.length === 500) store.models.add(sampleModel);
      read.push(row);
    }
    expect(read).toEqual(many);
    expect(store.models.list()).toHaveLength(1);
  });

  it('are imported whole or not at all', () => {
    function* failing(): Generator<DataRow> {
      yield rows[0]!;
      throw new InputError('is not JSON', { file: 'pairs.jsonl', row: 1 });
    }
    expect(() => store.datasets.add(sampleDataset, failing())).toThrow('pairs.jsonl, row 1: is not JSON');
    expect(() => store.datasets.add(sampleDataset, [rows[0]!, rows[0]!])).toThrow(
      'pairs.jsonl, row 2: comes twice',
    );
    const mixed: DataRow[] = [...rows, { kind: 'completion', index: 3, prompt: 'p', completion: 'c' }];
    expect(() => store.datasets.add(sampleDataset, mixed)).toThrow(
      'pairs.jsonl, row 3: is a completion row in a preference dataset',
    );
    reopen();
    expect(store.datasets.list()).toEqual([]);
    const database = new Sqlite(store.file, { readonly: true });
    expect(database.prepare('SELECT count(*) FROM dataset_rows').pluck().get()).toBe(0);
    database.close();
  });

  it('have names of their own, and keep their rows when a second import is refused', () => {
    const dataset = store.datasets.add(sampleDataset, rows);
    expect(() => store.datasets.add(sampleDataset, [])).toThrow(/^a dataset named pairs exists already$/);
    expect([...store.datasets.rows(dataset.id)]).toHaveLength(2);
    store.datasets.remove(dataset.id);
    expect([...store.datasets.rows(dataset.id)]).toEqual([]);
  });
});

describe('reference log-probs', () => {
  it('come back bit for bit, by context and pair', () => {
    const finite = awkwardNumbers.filter(Number.isFinite);
    const entries = finite.map((value, place): [string, typeof value_] => {
      const value_ = { chosen: value, rejected: -value, chosenTokens: place, rejectedTokens: 7 };
      return [`pair-${place}`, value_];
    });
    store.referenceLogProbs.putMany('context', entries);
    reopen();
    const found = store.referenceLogProbs.getMany('context', [...entries.map(([hash]) => hash), 'unknown']);
    expect([...found]).toEqual(entries);
    expect(store.referenceLogProbs.getMany('another context', ['pair-0']).size).toBe(0);
  });

  it('keep their first value', () => {
    const first = { chosen: -1, rejected: -2, chosenTokens: 1, rejectedTokens: 2 };
    store.referenceLogProbs.putMany('context', [['pair', first]]);
    store.referenceLogProbs.putMany('context', [['pair', { ...first, chosen: -1.5 }]]);
    store.referenceLogProbs.putMany('other', [['pair', { ...first, chosen: -1.5 }]]);
    expect(store.referenceLogProbs.getMany('context', ['pair']).get('pair')).toEqual(first);
    expect(store.referenceLogProbs.getMany('other', ['pair']).get('pair')?.chosen).toBe(-1.5);
  });

  it('keep the batches of an interrupted pass, and nothing that is not finite', () => {
    const value = { chosen: -1, rejected: -2, chosenTokens: 1, rejectedTokens: 2 };
    const hashes = Array.from({ length: 700 }, (_, place) => `pair-${place}`);
    const put = function* (): Generator<[string, typeof value]> {
      for (const hash of hashes) yield [hash, hash === 'pair-600' ? { ...value, rejected: NaN } : value];
    };
    expect(() => store.referenceLogProbs.putMany('context', put())).toThrow(
      /pair-600 are not finite: -1, NaN/,
    );
    reopen();
    const found = store.referenceLogProbs.getMany('context', hashes);
    expect([...found.keys()]).toEqual(hashes.slice(0, 512));
  });
});

describe('metrics', () => {
  it('come back bit for bit', () => {
    const { id } = store.runs.add(sampleRun);
    store.metrics.append(
      id,
      awkwardNumbers.map((value, step) => ({ step, loss: value, absent: undefined })),
    );
    reopen();
    expect(store.metrics.names(id)).toEqual(['loss']);
    const { steps, values } = store.metrics.series(id, 'loss');
    expect(steps).toEqual(awkwardNumbers.map((_, step) => step));
    // toEqual tells −0 from 0 and takes NaN for NaN.
    expect(values).toEqual(awkwardNumbers);
    expect(store.metrics.series(id, 'absent')).toEqual({ steps: [], values: [] });
  });

  it('take steps as the engine gives them, and replace a step that is written again', () => {
    const run = store.runs.add(sampleRun);
    const other = store.runs.add(sampleRun);
    const steps: StepMetrics[] = [
      { step: 1, loss: 0.6931471805599453, 'gate/open': 0 },
      { step: 2, loss: 0.5 },
    ];
    store.metrics.append(run.id, steps);
    store.metrics.append(other.id, [{ step: 1, loss: 9 }]);
    store.metrics.append(run.id, [{ step: 2, loss: 0.25, eval_loss: Infinity }]);
    expect(store.metrics.points(run.id)).toEqual([steps[0], { step: 2, loss: 0.25, eval_loss: Infinity }]);
    expect(store.metrics.points(other.id)).toEqual([{ step: 1, loss: 9 }]);
  });

  it('need their run', () => {
    expect(() => store.metrics.append(42, [{ step: 1, loss: 1 }])).toThrow(
      expect.objectContaining({ code: 'SQLITE_CONSTRAINT_FOREIGNKEY' }),
    );
    expect(store.metrics.points(42)).toEqual([]);
  });
});

describe('comparisons and runs', () => {
  it('go from the queue to their end', () => {
    const comparison = store.comparisons.add(sampleComparison);
    expect(comparison).toMatchObject({
      ...sampleComparison,
      status: 'queued',
      verdict: null,
      reportPath: null,
    });
    const run = store.runs.add({ ...sampleRun, comparisonId: comparison.id });
    const alone = store.runs.add({ ...sampleRun, loss: 'sft', beta: null });
    expect(run).toMatchObject({
      ...sampleRun,
      status: 'queued',
      startedAt: null,
      endedAt: null,
      error: null,
    });
    expect(alone).toMatchObject({ comparisonId: null, beta: null });

    store.comparisons.start(comparison.id);
    store.runs.start(run.id, { adapterStartHash: 'e'.repeat(64), orderHash: 'f'.repeat(64), totalSteps: 8 });
    store.runs.start(alone.id, {
      adapterStartHash: 'e'.repeat(64),
      orderHash: 'f'.repeat(64),
      totalSteps: 8,
    });
    store.runs.finish(run.id);
    store.runs.fail(alone.id, 'the loss is NaN at step 3');
    // With one seed there is no standard error: NaN, and it must stay NaN.
    const verdict = {
      difference: -0,
      standardError: NaN,
      interval: [-Infinity, Infinity],
      text: 'too few seeds',
    };
    store.comparisons.finish(comparison.id, { verdict, reportPath: '/reports/1.html' });
    reopen();

    expect(store.comparisons.get(comparison.id)).toMatchObject({
      status: 'finished',
      reportPath: '/reports/1.html',
    });
    expect(store.comparisons.get(comparison.id)?.verdict).toEqual(verdict);
    expect(store.runs.list({ comparisonId: comparison.id }).map(({ id }) => id)).toEqual([run.id]);
    expect(store.runs.list({ status: 'failed' })).toEqual([store.runs.get(alone.id)]);
    expect(store.runs.get(alone.id)?.error).toBe('the loss is NaN at step 3');
    expect(store.runs.get(run.id)).toMatchObject({ adapterStartHash: 'e'.repeat(64), status: 'finished' });
    expect(store.runs.list()).toHaveLength(2);
  });

  it('can be taken up again after an interruption, from the same start only', () => {
    const { id } = store.runs.add(sampleRun);
    const start = { adapterStartHash: 'e'.repeat(64), orderHash: 'f'.repeat(64), totalSteps: 8 };
    const { startedAt } = store.runs.start(id, start);
    store.runs.interrupt(id);
    expect(() => store.runs.start(id, { ...start, adapterStartHash: '0'.repeat(64) })).toThrow(
      /another adapter/,
    );
    expect(() => store.runs.start(id, { ...start, orderHash: '0'.repeat(64) })).toThrow(/another order/);
    expect(store.runs.get(id)?.status).toBe('interrupted');
    expect(store.runs.start(id, start)).toMatchObject({ status: 'running', startedAt, endedAt: null });
    store.runs.finish(id);
    expect(() => store.runs.start(id, start)).toThrow(`run ${id} is finished and cannot become running`);
    expect(() => store.comparisons.finish(7, { verdict: {}, reportPath: null })).toThrow('no comparison 7');
  });

  it('hold together', () => {
    expect(() => store.runs.add({ ...sampleRun, comparisonId: 42 })).toThrow(
      expect.objectContaining({ code: 'SQLITE_CONSTRAINT_FOREIGNKEY' }),
    );
    expect(() => store.runs.add({ ...sampleRun, seed: 0.5 })).toThrow(/INTEGER column runs\.seed/);
    expect(store.runs.list()).toEqual([]);
  });
});

describe('evaluations, adapters and file hashes', () => {
  it('keep results of the base and of runs apart', () => {
    const { id } = store.runs.add(sampleRun);
    const hashes = { baseHash: 'a'.repeat(64), dataHash: 'd'.repeat(64) };
    const base = store.evaluations.add({ ...hashes, runId: null, step: 0, result: { accuracy: 0.25 } });
    const late = store.evaluations.add({ ...hashes, runId: id, step: 20, result: { loss: NaN } });
    const early = store.evaluations.add({ ...hashes, runId: id, step: 10, result: { loss: -0 } });
    reopen();
    expect(store.evaluations.listOfBase(hashes.baseHash, hashes.dataHash)).toEqual([base]);
    expect(store.evaluations.listOfBase(hashes.baseHash, 'other')).toEqual([]);
    expect(store.evaluations.listOfRun(id)).toEqual([early, late]);
    const again = store.evaluations.put({ ...hashes, runId: id, step: 20, result: { loss: 1 } });
    expect(store.evaluations.listOfRun(id)).toEqual([early, again]);
    expect(store.evaluations.listOfBase(hashes.baseHash, hashes.dataHash)).toEqual([base]);
    expect(late.result).toEqual({ loss: NaN });
  });

  it('keep one adapter for each step of a run', () => {
    const { id } = store.runs.add(sampleRun);
    const adapter = { runId: id, step: 10, path: '/adapters/1', sha256: '1'.repeat(64), size: 5 * 2 ** 32 };
    store.adapters.add(adapter);
    store.adapters.add({ ...adapter, path: '/adapters/2', sha256: '2'.repeat(64) });
    reopen();
    expect(store.adapters.listOfRun(id)).toMatchObject([
      { ...adapter, path: '/adapters/2', sha256: '2'.repeat(64) },
    ]);
    expect(() => store.adapters.add({ ...adapter, runId: 42 })).toThrow(/FOREIGN KEY/);
  });

  it('know a file by path, size and time to the nanosecond', () => {
    const stamp = {
      path: '/models/model.safetensors',
      size: 538_090_408n,
      mtimeNs: 1_763_876_543_123_456_789n,
    };
    store.modelFiles.put(stamp, '1'.repeat(64));
    reopen();
    expect(store.modelFiles.get(stamp)).toBe('1'.repeat(64));
    expect(store.modelFiles.get({ ...stamp, mtimeNs: stamp.mtimeNs + 1n })).toBeUndefined();
    expect(store.modelFiles.get({ ...stamp, size: stamp.size + 1n })).toBeUndefined();
    store.modelFiles.put({ ...stamp, mtimeNs: stamp.mtimeNs + 1n }, '2'.repeat(64));
    expect(store.modelFiles.get(stamp)).toBeUndefined();
    expect(store.modelFiles.get({ ...stamp, mtimeNs: stamp.mtimeNs + 1n })).toBe('2'.repeat(64));
  });
});
