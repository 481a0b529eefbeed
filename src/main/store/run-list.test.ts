import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import { openStore, type Store } from './database.ts';
import { ownIdentity } from './process-identity.ts';
import { sampleDataset, sampleModel, sampleRun, temporaryFolder } from './samples.ts';

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

const request = { kind: 'train', asked: { data: '/somewhere/else.jsonl' } };

describe('the list of runs', () => {
  it('names model and data as they are imported, else by file or hash', () => {
    const job = store.jobs.add({ kind: 'train', request });
    store.runs.add({ ...sampleRun, jobId: job.id });
    store.runs.add({ ...sampleRun, baseHash: 'e'.repeat(64), dataHash: 'f'.repeat(64) });
    expect(store.runList.list().map(({ model, data }) => [model, data])).toEqual([
      ['a'.repeat(12), 'else.jsonl'],
      ['e'.repeat(12), 'f'.repeat(12)],
    ]);
    store.models.add(sampleModel);
    store.models.add({ ...sampleModel, name: 'the same later' });
    store.datasets.add(sampleDataset, []);
    const [first, second] = store.runList.list();
    expect(first).toEqual({
      id: 1,
      job: job.id,
      project: 'default',
      loss: 'minor-dpo',
      learningRate: 5e-6,
      beta: 0.1,
      seed: 7,
      status: 'queued',
      step: 0,
      model: 'small',
      data: 'pairs',
      seconds: 0,
      createdAt: new Date(store.runs.get(1)!.createdAt).toISOString(),
    });
    expect(second).toMatchObject({ id: 2, model: 'e'.repeat(12), data: 'f'.repeat(12) });
  });

  it('takes a run at work for what its job is told, and one that waits for what its job does', () => {
    const job = store.jobs.add({ kind: 'compare', request });
    const [at, waits] = [0, 1].map(() => store.runs.add({ ...sampleRun, jobId: job.id }).id) as [
      number,
      number,
    ];
    const statuses = (): string[] => store.runList.of([waits, at]).map(({ status }) => status);
    expect(statuses()).toEqual(['queued', 'queued']);
    store.jobs.claim(job.id, ownIdentity(), 1);
    store.runs.start(at, { adapterStartHash: 's', orderHash: 'o', totalSteps: 5 });
    expect(statuses()).toEqual(['running', 'queued']);
    store.jobs.want(job.id, 'stop');
    expect(statuses()).toEqual(['stopping', 'stopping']);
    expect(store.runList.list({ status: 'stopping', limit: 1 }).map(({ id }) => id)).toEqual([waits]);
    store.runs.interrupt(at);
    store.jobs.end(job.id, 'interrupted');
    expect(statuses()).toEqual(['interrupted', 'interrupted']);
    expect(store.runList.list({ status: 'running' })).toEqual([]);
  });

  it('holds the newest of a project, by ascending number', () => {
    const project = store.projects.add('other');
    for (let run = 1; run <= 9; run += 1)
      store.runs.add({ ...sampleRun, ...(run % 3 === 0 ? { projectId: project.id } : {}) });
    const ids = (options: object): number[] => store.runList.list(options).map(({ id }) => id);
    expect(ids({})).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(ids({ limit: 2 })).toEqual([8, 9]);
    expect(ids({ projectId: project.id })).toEqual([3, 6, 9]);
    expect(ids({ projectId: project.id, limit: 2 })).toEqual([6, 9]);
    expect(store.runList.list({ limit: 1 })[0]!.project).toBe('other');
  });
});

describe('projects', () => {
  it('have names of their own, which can change, and go only when they are empty', () => {
    const project = store.projects.add('one');
    expect(() => store.projects.add('one')).toThrow(InputError);
    expect(() => store.projects.rename(project.id, 'default')).toThrow(
      /^a project named default exists already$/,
    );
    expect(store.projects.rename(project.id, 'two')).toEqual({ ...project, name: 'two' });
    const run = store.runs.add({ ...sampleRun, projectId: project.id });
    expect(store.projects.findByName('two')!.runs).toBe(1);
    expect(() => store.projects.remove(project.id)).toThrow(InputError);
    store.runs.remove(run.id);
    store.projects.remove(project.id);
    expect(() => store.projects.remove(1)).toThrow(InputError);
    expect(store.projects.list().map(({ name }) => name)).toEqual(['default']);
  });
});
