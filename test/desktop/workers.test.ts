import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { utilityWorkers } from '../../src/main/host/desktop/workers.ts';
import { createServices } from '../../src/main/service/index.ts';
import { parseRunConfig } from '../../src/shared/config.ts';
import { standInElectron } from './stand-in.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-workers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const example = fileURLToPath(new URL('../../resources/example/', import.meta.url));
const talker = fileURLToPath(new URL('./talker.ts', import.meta.url));

const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('a utility process', () => {
  const start = () => {
    const host = standInElectron();
    const workers = utilityWorkers(host.electron);
    const worker = workers.start(talker);
    const heard: unknown[] = [];
    let said = '';
    worker.onMessage((message) => heard.push(message));
    worker.onOutput((text) => (said += text));
    const pid = new Promise<number>((resolve) => worker.onStart(resolve));
    return { host, workers, worker, heard, pid, said: () => said };
  };

  it('is told what was sent before it was there, and its last word is heard', async () => {
    const { worker, heard } = start();
    worker.send({ say: ['one', 'two', Number.NaN], then: 'end' });
    expect(await worker.ended).toEqual({ code: 0, signal: null });
    expect(heard).toEqual(['one', 'two', Number.NaN, 'last']);
  });

  it('that throws ends with a code and with what it said', async () => {
    const { worker, said } = start();
    worker.send({ say: [], then: 'throw' });
    expect(await worker.ended).toEqual({ code: 1, signal: null });
    expect(said()).toMatch(/thrown on purpose/);
  });

  it('whose promise nobody handles ends as well', async () => {
    const { worker, said } = start();
    worker.send({ say: [], then: 'reject' });
    expect(await worker.ended).toEqual({ code: 1, signal: null });
    expect(said()).toMatch(/rejected on purpose/);
  });

  it('that the system kills is told apart from one that failed', async () => {
    const { worker, pid } = start();
    process.kill(await pid, 'SIGKILL');
    expect(await worker.ended).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it.each(['exit', 'child-process-gone'])('is over where only %s tells so', async (only) => {
    const { host, worker, pid } = start();
    const [child] = host.utilities;
    const other = only === 'exit' ? host.app : child!;
    const event = only === 'exit' ? 'child-process-gone' : 'exit';
    const emit = other.emit.bind(other);
    other.emit = (name: string, ...given: unknown[]) => name !== event && emit(name, ...given);
    process.kill(await pid, 'SIGKILL');
    const end = await worker.ended;
    expect(end).toMatchObject(only === 'exit' ? { code: 9 } : { signal: 'SIGKILL' });
  });

  it('that ran out of memory says so', async () => {
    const { host, worker, pid } = start();
    await pid;
    host.app.emit(
      'child-process-gone',
      {},
      { type: 'Utility', reason: 'oom', exitCode: 5, name: 'plumbline-worker-1' },
    );
    expect(await worker.ended).toEqual({ code: null, signal: 'SIGKILL', outOfMemory: true });
    await host.utilities[0]!.kill();
  });

  it('is killed at once, also before it is there, and also one that is busy', async () => {
    const early = start();
    early.worker.kill();
    expect((await early.worker.ended).signal).toBe('SIGKILL');
    const busy = start();
    busy.worker.send({ say: ['busy'], then: 'hang' });
    const pid = await busy.pid;
    while (busy.heard.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await busy.workers.killAll();
    expect(isThere(pid)).toBe(false);
  });
});

describe('a training in a utility process', () => {
  const training = (out: string) => ({
    start: { model: join(example, 'model') },
    data: join(example, 'train.jsonl'),
    pairs: 16,
    config: parseRunConfig({ loss: 'minor-dpo', threads: 1, steps: 2, batchSize: 4, beta: 0.1, seed: 3 }),
    metrics: join(folder, `${out}.jsonl`),
    adapterOut: join(folder, out),
  });

  it('comes to what one in a process of Node’s comes to', async () => {
    const host = standInElectron();
    const workers = utilityWorkers(host.electron);
    const desktop = await createServices({ home: join(folder, 'desktop'), startProcess: workers.start });
    const inUtility = await desktop.train(training('desktop-adapter'));
    await desktop.close();
    expect(host.utilities).toHaveLength(1);
    const node = await createServices({ home: join(folder, 'node') });
    const inNode = await node.train(training('node-adapter'));
    await node.close();
    expect(inUtility.steps).toBe(2);
    expect(inUtility.last.loss).toBe(inNode.last.loss);
    expect(inUtility.hashes).toEqual(inNode.hashes);
  });

  it('is planned there too', async () => {
    const host = standInElectron();
    const workers = utilityWorkers(host.electron);
    const services = await createServices({ home: join(folder, 'desktop'), startProcess: workers.start });
    const { fits, plan } = await services.plan({ kind: 'train', request: training('planned') });
    await services.close();
    expect(fits).toBe(true);
    expect(plan.memory.peak).toBeGreaterThan(0);
    expect(host.utilities).toHaveLength(1);
  });
});
