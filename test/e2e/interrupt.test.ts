import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrainRequest } from '../../src/shared/contract.ts';
import { createServices } from '../../src/main/service/index.ts';
import { parseRunConfig } from '../../src/shared/config.ts';
import {
  filesBelow,
  inStore,
  plumbline,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
} from './support.ts';

const { path: folder, remove } = scratchFolder();
const at = (name: string): string => join(folder, name);
const entry = fileURLToPath(new URL('../../bin/plumbline.mjs', import.meta.url));
const train = [
  ...['train', '--model', at('tiny'), '--data', at('pairs.jsonl'), '--loss', 'dpo', '--batch-size', '2'],
  ...['--metrics', at('m.jsonl'), '--adapter-out', at('adapter')],
];
/** Everything but the program's own: the database, logs and checkpoints. */
const files = (): string[] =>
  filesBelow(folder).filter((file) => !/\/(plumbline\.db(-shm|-wal)?$|logs\/|checkpoints\/)/.test(file));

beforeAll(() => {
  writeTinyModel(at('tiny'));
  writeLines(at('pairs.jsonl'), sums(24));
});
afterAll(remove);

async function program(home: string, args: string[], onErr?: (text: string, child: { pid: number }) => void) {
  const child = spawn(process.execPath, [entry, ...args, '--home', home, '--threads', '1']);
  let [out, err] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString();
    onErr?.(err, { pid: child.pid! });
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

describe('the program as a process', () => {
  it('ends with its exit code and prints one JSON document', async () => {
    const listed = await program(at('own'), ['models', 'list', '--json']);
    expect(listed).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(listed.out)).toEqual({ schema: 1, command: 'models list', models: [] });
    expect((await program(at('own'), [...train, '--beta', '0'])).code).toBe(2);
    expect((await program(at('own'), ['models', 'add', at('none')])).code).toBe(1);
  });

  it('stops on SIGINT: 130, nothing half-written, the run interrupted', async () => {
    const before = files();
    let sent = false;
    const { code, err, out } = await program(at('own'), [...train, '--steps', '100000'], (text, { pid }) => {
      if (sent || !text.includes('step 1/')) return;
      sent = true;
      process.kill(pid, 'SIGINT');
    });
    expect(code).toBe(130);
    expect(err).toMatch(/stopping after this step.*\n(?:.*\n)*plumbline: stopped\n$/);
    expect(out).toBe('');
    expect(files()).toEqual(before);
    inStore(at('own'), (store) => {
      const runs = store.runs.list();
      expect(runs.map(({ status }) => status)).toEqual(['interrupted']);
      // The steps that were taken are kept.
      expect(store.metrics.points(runs[0]!.id).length).toBeGreaterThan(0);
    });
  });
});

describe('an interrupt', () => {
  it('in a comparison leaves no report and marks it interrupted', async () => {
    const home = at('compare-home');
    const line = ['compare', '--model', at('tiny'), '--data', at('pairs.jsonl'), '--arms', 'dpo'];
    const before = files();
    const { code, out } = await plumbline(
      home,
      [...line, '--lr', '1e30,1e-3', '--warmup', 0, '--report', at('r.html'), '--steps', 2000],
      // The first run's note comes between two runs.
      (text, interrupt) => {
        if (text.includes('not finite')) interrupt();
      },
    );
    expect(code).toBe(130);
    expect(out).toBe('');
    expect(files()).toEqual(before);
    inStore(home, (store) => {
      expect(store.comparisons.list().map(({ status }) => status)).toEqual(['interrupted']);
      const statuses = store.runs.list().map(({ status }) => status);
      expect(statuses.includes('running')).toBe(false);
    });
  });

  it('in the reference pass keeps what was computed, and the next run goes on from there', async () => {
    const home = at('reference-home');
    const many = 300;
    const services = await createServices({ home });
    const request: TrainRequest = {
      start: { model: at('tiny') },
      data: writeLines(at('few.jsonl'), sums(8)),
      config: parseRunConfig({
        loss: 'dpo',
        threads: 1,
        steps: 1,
        evalData: writeLines(at('many.jsonl'), sums(many, 1000)),
      }),
      metrics: at('m.jsonl'),
      adapterOut: at('adapter'),
    };
    const reference = async (stopAt?: number): Promise<number[]> => {
      const controller = new AbortController();
      const done: number[] = [];
      const work = services.train(request, {
        signal: controller.signal,
        onProgress: (event) => {
          if (event.kind !== 'progress' || !event.label.startsWith('reference')) return;
          done.push(event.done);
          if (event.done === stopAt) controller.abort();
        },
      });
      if (stopAt === undefined) await work;
      else await expect(work).rejects.toThrow(/abort/i);
      return done;
    };
    const told = (await reference(11)).at(-1)!;
    expect(told).toBeGreaterThanOrEqual(11);
    expect(told).toBeLessThan(many);
    expect(existsSync(at('m.jsonl')) || existsSync(at('adapter'))).toBe(false);
    const resumed = await reference();
    expect(resumed[0]).toBe(told);
    expect(resumed).toHaveLength(many - told + 1);
    await services.close();
  });
});
