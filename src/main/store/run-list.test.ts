import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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

describe('the list of runs', () => {
  it('says all that a list shows, the names of model and dataset included', () => {
    const comparison = store.comparisons.add(sampleComparison);
    const job = store.jobs.add({ kind: 'compare', request: {}, comparisonId: comparison.id });
    const { id } = store.runs.add({ ...sampleRun, jobId: job.id, comparisonId: comparison.id });
    const plain = {
      id,
      projectId: 1,
      jobId: job.id,
      jobStatus: 'queued',
      comparisonId: comparison.id,
      loss: 'minor-dpo',
      learningRate: 5e-6,
      beta: 0.1,
      seed: 7,
      status: 'queued',
      step: 0,
      totalSteps: null,
      divergedAt: null,
      error: null,
      endedAt: null,
      model: null,
      dataset: null,
    };
    expect(store.runSummaries.list()).toMatchObject([plain]);

    store.models.add(sampleModel);
    store.models.add({ ...sampleModel, name: 'the same again' });
    store.datasets.add(sampleDataset, []);
    store.runs.start(id, { adapterStartHash: 'e'.repeat(64), orderHash: 'f'.repeat(64), totalSteps: 9 });
    store.runs.advance(id, 4, 1.5);
    store.runs.diverge(id, 5, 'the loss is NaN at step 5');
    const { endedAt, createdAt } = store.runs.get(id)!;
    expect(store.runSummaries.list()).toMatchObject([
      {
        ...plain,
        status: 'failed',
        step: 4,
        totalSteps: 9,
        seconds: 1.5,
        divergedAt: 5,
        error: 'the loss is NaN at step 5',
        createdAt,
        endedAt,
        model: 'small',
        dataset: 'pairs',
      },
    ]);
  });

  it('is narrowed by project, status and page', () => {
    const other = store.projects.add('other').id;
    const ids = Array.from({ length: 9 }, (_, place) => {
      const { id } = store.runs.add({ ...sampleRun, projectId: place % 3 === 0 ? other : 1 });
      if (place % 2 === 0) store.runs.interrupt(id);
      return id;
    });
    const list = (request: Parameters<typeof store.runSummaries.list>[0]) =>
      store.runSummaries.list(request).map(({ id }) => ids.indexOf(id));
    expect(list({})).toEqual([8, 7, 6, 5, 4, 3, 2, 1, 0]);
    expect(list({ limit: 2 })).toEqual([8, 7]);
    expect(list({ limit: 2, before: ids[7]! })).toEqual([6, 5]);
    expect(list({ projectId: other })).toEqual([6, 3, 0]);
    expect(list({ projectId: other, status: 'interrupted' })).toEqual([6, 0]);
    expect(list({ projectId: 1, status: 'queued', before: ids[7]!, limit: 1 })).toEqual([5]);
    expect(list({ projectId: other + 1 })).toEqual([]);
  });
});

describe('projects', () => {
  it('are added, renamed and removed, and hold on to their runs', () => {
    expect(store.projects.list()).toMatchObject([{ id: 1, name: 'default', runs: 0, jobs: 0 }]);
    const project = store.projects.add('study');
    expect(() => store.projects.add('study')).toThrow(/^a project named study exists already$/);
    expect(() => store.projects.rename(project.id, 'default')).toThrow(/named default exists already/);
    expect(store.projects.rename(project.id, 'thesis')).toMatchObject({ id: project.id, name: 'thesis' });
    const run = store.runs.add({ ...sampleRun, projectId: project.id });
    expect(store.projects.findByName('thesis')).toMatchObject({ runs: 1 });
    expect(() => store.projects.remove(project.id)).toThrow(
      /^project thesis holds 1 run; remove them first$/,
    );
    store.runs.remove(run.id);
    expect(store.projects.remove(project.id)).toBe(true);
    expect(store.projects.remove(project.id)).toBe(false);
    expect(() => store.projects.remove(1)).toThrow(/it stays/);
  });
});
