import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FileGrant, Work } from '../../src/shared/app/api.ts';
import type { Services } from '../../src/shared/contract.ts';
import { startWebHost } from '../../src/main/host/web/start.ts';
import type { WebHost } from '../../src/main/host/web/server.ts';
import { findLeftovers } from '../../src/main/service/doctor/leftovers.ts';
import { createServices } from '../../src/main/service/index.ts';
import { filesBelow, inStore, scratchFolder, sums, writeTinyModel } from './support.ts';
import { originOf, Page, signIn, writePage, type Place } from './web.ts';

const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
const { page: built } = writePage(folder);
let services: Services;
let host: WebHost;
let page: Page;
let cookie: string;

/** Sends files as a page does, and brings model and data into the library. */
async function fill(place: Place, cookie: string, to: Page): Promise<void> {
  const origin = originOf(place);
  const post = async (query: string, body: Buffer | string): Promise<FileGrant> => {
    const init = { method: 'POST', body: new Uint8Array(Buffer.from(body)), headers: { cookie, origin } };
    return (await (await fetch(`${origin}/files?${query}`, init)).json()) as FileGrant;
  };
  const source = writeTinyModel(join(folder, 'model'), { seed: 1 });
  let grant: FileGrant | undefined;
  for (const name of readdirSync(source))
    grant = await post(`name=${name}&folder=${grant?.id ?? 'new:tiny'}`, readFileSync(join(source, name)));
  expect((await to.call('addModel', { file: grant!.id })).model).toMatchObject({
    name: 'tiny',
    missing: false,
  });
  const lines = (rows: readonly object[]): string => rows.map((row) => JSON.stringify(row)).join('\n');
  const pairs = await post('name=pairs.jsonl', lines(sums(24)));
  await to.call('addData', { file: pairs.id });
  const asked = sums(4, 100).map(({ prompt, chosen }) => ({ prompt, completion: chosen, answer: '9' }));
  const questions = await post('name=questions.jsonl', lines(asked));
  expect((await to.call('addData', { file: questions.id })).dataset).toMatchObject({ answers: 4 });
}

const training = (more: object): Work => ({
  kind: 'training',
  request: {
    model: 'tiny',
    data: 'pairs',
    config: { loss: 'dpo', batchSize: 2, learningRate: 1e-4, threads: 1, ...more },
  },
});

beforeAll(async () => {
  services = await createServices({ home });
  host = await startWebHost({ services, home, port: 0, page: built });
  cookie = await signIn(host);
  page = await Page.open(host, cookie);
  await fill(host, cookie, page);
});
afterAll(async () => {
  await host.close();
  await services.close();
  remove();
});

/** The first push after `from` that says so of a run: of a state that it keeps. What lasts a moment may fall between two. */
const untilRun = (id: number, status: string, from: number): Promise<unknown> =>
  page.until(
    (message) =>
      message.kind === 'runs' && message.runs.find((run) => run.id === id && run.status === status),
    from,
  );

const statusOf = async (job: number): Promise<string | undefined> =>
  (await page.call('listQueue', {})).jobs.find((each) => each.job === job)?.status;

const patience = { timeout: 60_000, interval: 50 };

/** From when it is claimed: its process has yet to start, so the state can be met. */
const untilAtWork = async (job: number): Promise<void> =>
  void (await expect.poll(() => statusOf(job), patience).toBe('running'));

/** Its process is gone: adapter and metrics are written, and another may begin. */
const untilIdle = async (job: number): Promise<void> =>
  void (await expect
    .poll(() => statusOf(job), patience)
    .toSatisfy((status) => status === undefined || status === 'paused'));

describe('files that were uploaded', () => {
  it('are gone once they are used; a model lies in the library and is whole', async () => {
    expect(filesBelow(join(home, 'uploads'))).toEqual([]);
    const { models } = await page.call('listModels', {});
    expect(models[0]!.path.startsWith(join(home, 'models'))).toBe(true);
    const found = await page.call('doctor', { fix: false, free: false, confirmed: false });
    expect(found.findings).toEqual([]);
    const places = {
      database: join(home, 'plumbline.db'),
      modelsFolder: join(home, 'models'),
      checkpointFolder: join(home, 'checkpoints'),
      logFolder: join(home, 'logs'),
    };
    const later = inStore(home, (store) => findLeftovers(places, store, Date.now() + 3_600_000));
    expect(later.filter(({ keep }) => keep === undefined)).toEqual([]);
  });
});

describe('a training', () => {
  it('is pushed step by step, paused, resumed and finished', async () => {
    const from = page.pushed.length;
    const started = await page.call('startWork', { work: training({ steps: 800 }), begin: true });
    const run = started.runs[0]!;
    await page.until(
      (message) => message.kind === 'runs' && message.runs.some(({ id, step }) => id === run && step >= 3),
      from,
    );
    await page.until(
      (message) => message.kind === 'job' && message.job === started.job && message.event,
      from,
    );
    expect(await page.call('listQueue', {})).toMatchObject({ running: true, jobs: [{ job: started.job }] });
    const paused = await page.call('pauseRun', { run });
    expect(paused.runs).toMatchObject([{ id: run, status: 'paused' }]);
    await untilRun(run, 'paused', from);
    await untilIdle(started.job);
    const { step, checkpoints } = await page.call('showRun', { run });
    expect(checkpoints.at(-1)!.step).toBe(step);
    expect(step).toBeLessThan(800);
    await expect.poll(async () => (await page.call('listQueue', {})).running).toBe(false);

    await page.call('resumeRun', { run });
    await untilAtWork(started.job);
    await page.call('pauseRun', { run });
    // How far it came meanwhile is the machine's affair.
    const { step: later } = await page.call('showRun', { run });
    expect(later).toBeGreaterThanOrEqual(step);
    const fork = await page.call('forkRun', { run, changes: { steps: later + 40 } });
    const forked = fork.runs[0]!.id;
    await untilIdle(fork.runs[0]!.job!);
    const { adapter, parent } = await page.call('showRun', { run: forked });
    expect(parent).toMatchObject({ run });
    expect(adapter!.startsWith(join(home, 'results'))).toBe(true);
    expect(existsSync(adapter!)).toBe(true);
    const series = await page.call('runSeries', { runs: [forked], metrics: ['loss'], points: 10 });
    expect(series.series[0]!.steps.at(-1)).toBe(later + 40);

    const { id, name, bytes } = await page.call('exportRun', { run: forked });
    const answer = await fetch(`${originOf(host)}/downloads/${id}/${name}`, { headers: { cookie } });
    const archive = Buffer.from(await answer.arrayBuffer());
    expect(archive.length).toBe(bytes);
    const entries = execFileSync('tar', ['-tzf', '-'], { input: archive, encoding: 'utf8' });
    for (const file of ['adapter_config.json', 'adapter_model.safetensors']) expect(entries).toContain(file);
  });

  it('that fails keeps its error and does not keep others from their turn', async () => {
    // No answer is left of a row that is cut after two tokens: found only when the data are prepared.
    const bad = await page.call('startWork', { work: training({ steps: 2, maxLength: 2 }), begin: false });
    const good = await page.call('startWork', { work: training({ steps: 2 }), begin: false });
    expect(await page.call('listQueue', {})).toMatchObject({
      running: false,
      jobs: [{ job: bad.job }, { job: good.job }],
    });
    expect(await page.call('startQueue', {})).toMatchObject({ running: true });
    await untilIdle(good.job);
    const { runs } = await page.call('listRuns', {});
    expect(runs.find(({ id }) => id === bad.runs[0])).toMatchObject({ status: 'failed' });
  });

  it('that waits is not begun after a halt, until the queue is started again', async () => {
    const first = await page.call('startWork', { work: training({ steps: 60 }), begin: true });
    const second = await page.call('startWork', { work: training({ steps: 2 }), begin: false });
    await untilAtWork(first.job);
    expect(await page.call('haltQueue', {})).toMatchObject({ running: false });
    await untilIdle(first.job);
    const waiting = await page.call('listQueue', {});
    expect(waiting).toMatchObject({ running: false, jobs: [{ job: second.job, status: 'queued' }] });
    await page.call('startQueue', {});
    await untilIdle(second.job);
  });
});

it('an experiment asks its models the questions of a dataset, and reports', async () => {
  const from = page.pushed.length;
  const started = await page.call('startWork', {
    work: {
      kind: 'experiment',
      request: {
        model: 'tiny',
        data: 'pairs',
        arms: ['dpo', 'minor-dpo'],
        learningRates: [1e-4],
        seeds: [0],
        shared: { evalShare: 0.25, steps: 2, batchSize: 2, threads: 1 },
        task: { data: 'questions', tokens: 4 },
      },
    },
    begin: true,
  });
  const comparison = started.comparison!;
  await page.until((message) => message.kind === 'changed' && message.topics.includes('comparisons'), from);
  for (const run of started.runs) await untilRun(run, 'finished', from);
  await expect
    .poll(async () => (await page.call('showComparison', { comparison })).status, { timeout: 30_000 })
    .toBe('finished');
  const { result } = await page.call('showComparison', { comparison });
  expect(result!.base.task!.questions).toBe(4);
  for (const run of result!.runs) expect(run.evaluation!.task!.questions).toBe(4);
  const report = await page.call('report', { comparison });
  expect(report.name).toBe(`comparison-${comparison}.html`);
  expect(report.bytes).toBeGreaterThan(10_000);
});

it('the bundled example is queued once, with its data in the library', async () => {
  const first = await services.queueExample();
  expect(await services.queueExample()).toEqual(first);
  const { datasets } = await page.call('listData', {});
  expect(datasets.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['example-pairs', 'example-held-out', 'example-questions']),
  );
  expect(await page.call('appInfo', {})).toMatchObject({
    firstStart: false,
    host: 'web',
    example: { available: true, comparison: first.comparison },
  });
  await page.call('stopRun', { run: first.runs[0]! });
  // Taken up again, not made anew.
  expect(await services.queueExample()).toEqual(first);
  await page.call('stopRun', { run: first.runs[0]! });
  await page.call('removeRun', { run: first.runs[0]!, confirmed: true });
  const second = await services.queueExample();
  expect(second.comparison).not.toBe(first.comparison);
  expect((await page.call('listData', {})).datasets).toHaveLength(datasets.length);
  await page.call('stopRun', { run: second.runs[0]! });
});

it('a model that was uploaded goes with its files, under whatever name it has by then', async () => {
  await page.call('renameModel', { model: 'tiny', to: 'small' });
  const { models } = await page.call('listModels', {});
  const { path } = models.find(({ name }) => name === 'small')!;
  expect(await page.call('inspectModel', { model: 'small' })).toMatchObject({
    name: 'small',
    missing: false,
  });
  for (const { id, status } of (await page.call('listRuns', {})).runs)
    if (status === 'paused' || status === 'queued') await page.call('stopRun', { run: id });
  const removed = await page.call('removeModel', { model: 'small', confirmed: true });
  expect(removed).toMatchObject({ removed: true });
  expect(existsSync(path)).toBe(false);
  await expect(page.call('inspectModel', { model: 'small' })).rejects.toMatchObject({
    error: { type: 'input' },
  });
});

describe('plumbline serve', () => {
  const bin = join(import.meta.dirname, '../../bin/plumbline.mjs');
  const mine = join(folder, 'mine');

  async function serve(): Promise<{ child: ChildProcess; place: Place }> {
    const args = [bin, 'serve', '--json', '--no-open', '--home', mine];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stderr!.on('data', (data: Buffer) => (err += data.toString()));
    for await (const data of child.stdout!.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      out += data.toString();
      if (out.trimEnd().endsWith('}')) break;
    }
    if (out === '') throw new Error(err);
    return { child, place: JSON.parse(out) as Place };
  }

  it.runIf(existsSync(join(import.meta.dirname, '../../dist/renderer/index.html')))(
    'ends a training with a checkpoint at Ctrl-C, and leaves no process',
    async () => {
      const { child, place } = await serve();
      expect(place).toMatchObject({ schema: 1, command: 'serve' });
      const cookie = await signIn(place);
      const visitor = await Page.open(place, cookie);
      await fill(place, cookie, visitor);
      const { runs, job } = await visitor.call('startWork', { work: training({ steps: 5000 }), begin: true });
      await visitor.until((message) => message.kind === 'runs' && message.runs.some(({ step }) => step >= 5));
      const worker = inStore(mine, (store) => store.jobs.get(job)!.workerPid!);
      child.kill('SIGINT');
      const [code] = (await once(child, 'exit')) as [number];
      expect(code).toBe(130);
      await visitor.closed;
      expect(() => process.kill(worker, 0)).toThrow();
      inStore(mine, (store) => {
        const run = store.runs.get(runs[0]!)!;
        expect(run.status).toBe('interrupted');
        expect(run.lastStep).toBeGreaterThanOrEqual(5);
        expect(store.checkpoints.listOfRun(run.id).at(-1)!.step).toBe(run.lastStep);
      });
      for (const kind of ['uploads', 'downloads']) expect(readdirSync(join(mine, kind))).toEqual([]);
    },
  );
});
