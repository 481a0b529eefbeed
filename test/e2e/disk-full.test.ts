import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import type { DoctorResult, ListDataResult, ListRunsResult } from '../../src/shared/contract.ts';
import { InputError } from '../../src/shared/errors.ts';
import { writeFileWhole } from '../../src/main/formats/files.ts';
import { writeSafetensors } from '../../src/main/formats/safetensors.ts';
import { openStore } from '../../src/main/store/database.ts';
import { inspectDatabase } from '../../src/main/store/inspect.ts';
import { sampleRun } from '../../src/main/store/samples.ts';
import { writeCheckpoint } from '../../src/main/training/checkpoint.ts';
import {
  filesBelow,
  plumbline,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
  type Outcome,
} from './support.ts';

const { path: folder, remove } = scratchFolder();
const at = (name: string): string => join(folder, name);
const disk = at('disk');
const home = join(disk, 'home');
const ballast = join(disk, 'ballast');
const megabyte = 1 << 20;

/** A small disk of the test's own, for which one must be allowed to mount. */
function mount(): string | undefined {
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', disk], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `no disk can be mounted here: ${String((error as Error).message)
      .split('\n')
      .at(-1)}`;
  }
}
const refused = mount();
afterAll(() => {
  if (refused === undefined) execFileSync('umount', [disk]);
  remove();
});

/** Takes all room but so many bytes. */
function fill(left = 0): void {
  const file = openSync(ballast, 'a');
  try {
    for (let size = megabyte; size >= 4096;) {
      try {
        writeSync(file, Buffer.alloc(size));
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
        size /= 2;
      }
    }
  } finally {
    closeSync(file);
  }
  if (left > 0) execFileSync('truncate', ['-s', `-${left}`, ballast]);
}
const free = (): void => rmSync(ballast, { force: true });

beforeEach((context) => {
  if (refused !== undefined) context.skip(refused);
  execFileSync('find', [disk, '-mindepth', '1', '-delete']);
});

async function sound(): Promise<void> {
  const { code, err, json } = await plumbline(home, ['doctor', '--json']);
  expect(code, err).toBe(0);
  expect(json<DoctorResult>()).toMatchObject({ healthy: true, findings: [] });
}

async function run(...args: (string | number)[]): Promise<Outcome> {
  const outcome = await plumbline(home, args);
  expect(outcome.code, outcome.err).toBe(0);
  return outcome;
}

describe('on a full disk', () => {
  it('an import says so, leaves nothing, and works once there is room', async () => {
    writeLines(at('few.jsonl'), sums(5));
    writeLines(at('many.jsonl'), sums(20_000));
    await run('data', 'add', at('few.jsonl'));
    fill(megabyte);
    const { code, err } = await plumbline(home, ['data', 'add', at('many.jsonl')]);
    expect(code).toBe(1);
    expect(err).toMatch(/plumbline\.db: the disk is full; free space and try again/);
    free();
    await sound();
    const list = async (): Promise<string[]> =>
      (await run('data', 'list', '--json'))
        .json<ListDataResult>()
        .datasets.map(({ name, rows }) => `${name} ${rows}`);
    expect(await list()).toEqual(['few 5']);
    await run('data', 'add', at('many.jsonl'));
    expect(await list()).toEqual(['few 5', 'many 20000']);
    await sound();
  });

  it('metrics that were kept stay, and writing goes on once there is room', () => {
    const file = join(home, 'plumbline.db');
    const store = openStore(file);
    const { id } = store.runs.add(sampleRun);
    fill(megabyte);
    let step = 0;
    const write = (): void => {
      const points = Array.from({ length: 100 }, (_, place) => ({ step: step + place, loss: step + place }));
      store.metrics.append(id, points);
      step += 100;
    };
    const writeOn = (): void => {
      for (;;) write();
    };
    expect(writeOn).toThrow(InputError);
    expect(writeOn).toThrow(
      /plumbline\.db: the disk is full; free space and try again, nothing of this was kept/,
    );
    const kept = store.metrics.series(id, 'loss').steps;
    expect(kept).toEqual(Array.from({ length: step }, (_, place) => place));
    free();
    write();
    expect(store.metrics.series(id, 'loss').steps).toHaveLength(step);
    expect(
      store.metrics.decimated(id, 'loss', { points: 10 }).reduce((sum, { points }) => sum + points, 0),
    ).toBe(step);
    store.close();
    expect(inspectDatabase(file).problems).toEqual([]);
  });

  it('files appear whole or not at all', () => {
    const path = join(disk, 'x.safetensors');
    const tensors = (size: number) => [{ name: 'a', shape: [size], data: new Float32Array(size).fill(1) }];
    writeSafetensors(path, tensors(10));
    writeFileWhole(join(disk, 'x.json'), '{"old": true}');
    const before = filesBelow(disk).map((name) => [name, readFileSync(join(disk, name), 'latin1')]);
    fill(megabyte);
    const state = (size: number) => {
      const numbers = new Float32Array(size).fill(0.5);
      return {
        parameters: numbers,
        optimizer: { step: 3, firstMoment: numbers, secondMoment: numbers },
        tokensSeen: 7,
      };
    };
    const facts = { adapterStartHash: 'a'.repeat(64), orderHash: 'b'.repeat(64) };
    const checkpoints = join(disk, 'checkpoints');
    expect(() => writeCheckpoint(checkpoints, state(200_000), facts)).toThrow(
      /checkpoints: .*the disk is full/,
    );
    expect(() => writeSafetensors(path, tensors(500_000))).toThrow(/ENOSPC/);
    expect(() => writeFileWhole(join(disk, 'x.json'), 'x'.repeat(2 * megabyte))).toThrow(/ENOSPC/);
    free();
    const now = filesBelow(disk).map((name) => [name, readFileSync(join(disk, name), 'latin1')]);
    expect(now).toEqual(before);
    writeCheckpoint(checkpoints, state(200_000), facts);
    expect(filesBelow(checkpoints)).toHaveLength(1);
  });

  it('a model is not half converted', async () => {
    writeTinyModel(at('halves'), {
      dtype: 'F16',
      config: { hidden_size: 512, head_dim: 128, vocab_size: 3000 },
    });
    await run('models', 'list');
    fill(megabyte);
    const { code, err } = await plumbline(home, ['models', 'add', at('halves')]);
    expect(code).toBe(1);
    expect(err).toMatch(/models.*: the converted model cannot be written: the disk is full/);
    free();
    expect(filesBelow(home).filter((name) => name.startsWith('models'))).toEqual([]);
    await run('models', 'add', at('halves'));
    await sound();
  });

  it('a training ends with the reason, and resumes to the same bytes once there is room', async () => {
    writeTinyModel(at('tiny'));
    writeLines(at('pairs.jsonl'), sums(24));
    const training = (name: string): string[] => [
      ...['train', '--model', at('tiny'), '--data', at('pairs.jsonl'), '--loss', 'dpo', '--lr', '1e-2'],
      ...['--batch-size', '2', '--steps', '120', '--checkpoint-every', '2'],
      ...['--metrics', at(`${name}.jsonl`), '--adapter-out', at(name)],
    ];
    const entry = fileURLToPath(new URL('../../bin/plumbline.mjs', import.meta.url));
    const child = spawn(process.execPath, [entry, ...training('full'), '--home', home, '--threads', '1']);
    let err = '';
    child.stderr.on('data', (data: Buffer) => (err += data.toString()));
    const ended = once(child, 'close');
    const checkpoints = join(home, 'checkpoints');
    while (child.exitCode === null && !(existsSync(checkpoints) && filesBelow(checkpoints).length > 0))
      await sleep(5);
    fill();
    expect((await ended)[0]).toBe(1);
    expect(err).toMatch(/: .*the disk is full; free space/);
    expect(existsSync(at('full'))).toBe(false);
    free();

    const [before] = (await run('runs', 'list', '--json')).json<ListRunsResult>().runs;
    expect(['failed', 'interrupted']).toContain(before!.status);
    await run('runs', 'resume', before!.id);
    await run(...training('straight'));
    const adapter = (name: string): Buffer => readFileSync(join(at(name), 'adapter_model.safetensors'));
    expect(adapter('full').equals(adapter('straight'))).toBe(true);
    await sound();
  });
});
