import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exactSteps, filesBelow, inStore, scratchFolder } from './support.ts';

const { path: folder, remove } = scratchFolder();
const at = (...names: string[]): string => join(folder, ...names);
const script = fileURLToPath(new URL('../../scripts/study.ts', import.meta.url));
afterAll(remove);

/** A grid on the real example that takes seconds; at the second rate nothing stays finite. */
const grid = [
  ...['--part', 'example', '--arms', 'dpo,minor-dpo', '--lr', '1e-3,1e30', '--betas', '0.1', '--seeds', '1'],
  ...['--steps', '5', '--threads', '1'],
];

function begin(name: string, ...more: string[]) {
  const places = ['--home', at(name, 'home'), '--out', at(name, 'docs')];
  const child = spawn(process.execPath, [script, ...grid, ...places, ...more]);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (text += data.toString()));
  return { child, ended: once(child, 'close'), text: () => text };
}

async function finish(name: string, ...more: string[]): Promise<{ code: number | null; text: string }> {
  const { child, ended, text } = begin(name, ...more);
  await ended;
  return { code: child.exitCode, text: text() };
}

const finished = (home: string): number =>
  existsSync(join(home, 'plumbline.db'))
    ? inStore(home, (store) => store.runs.list().filter(({ status }) => status === 'finished').length)
    : 0;

/** Everything that training and evaluation found, run by run, without what a clock says. */
const found = (home: string) =>
  inStore(home, (store) =>
    store.runs.list().map((run) => ({
      loss: run.loss,
      learningRate: run.learningRate,
      divergedAt: run.divergedAt,
      steps: exactSteps(store.metrics.points(run.id) as never),
      evaluation: store.evaluations.listOfRun(run.id).map(({ step, result }) => ({ step, result })),
    })),
  );

let whole: { code: number | null; text: string };
beforeAll(async () => {
  whole = await finish('whole');
});

describe('npm run study', () => {
  it('ends well where runs diverge, and says so', () => {
    expect(whole).toMatchObject({ code: 0 });
    const runs = found(at('whole', 'home'));
    expect(runs.map(({ learningRate, divergedAt }) => [learningRate, divergedAt !== null])).toEqual([
      [1e-3, false],
      [1e-3, false],
      [1e30, true],
      [1e30, true],
    ]);
    const text = readFileSync(at('whole', 'docs', 'study.md'), 'utf8');
    expect(text).toMatch(/\| dpo \| 0\/1 \| 1\/1 \| 1e-3 \|/);
    expect(text).not.toContain(folder);
    for (const picture of text.matchAll(/\]\((images\/[^)]+)\)/g))
      expect(existsSync(at('whole', 'docs', picture[1]!))).toBe(true);
    expect(filesBelow(at('whole', 'home')).filter((name) => name.startsWith('example.'))).toHaveLength(4);
  });

  it('killed midway, it goes on and comes to the same numbers to the last digit', async () => {
    const { child, ended } = begin('killed');
    while (child.exitCode === null && finished(at('killed', 'home')) < 1) await sleep(50);
    child.kill('SIGKILL');
    await ended;
    expect(child.signalCode).toBe('SIGKILL');
    const before = found(at('killed', 'home')).filter(({ evaluation }) => evaluation.length > 0).length;
    expect(before).toBeGreaterThanOrEqual(1);
    expect(before).toBeLessThan(4);

    const again = await finish('killed');
    expect(again.code).toBe(0);
    expect(again.text).toMatch(/going on, \d of 4 runs are on record/);
    expect(found(at('killed', 'home'))).toEqual(found(at('whole', 'home')));
    const text = (name: string): string => readFileSync(at(name, 'docs', 'study.md'), 'utf8');
    expect(text('killed')).toBe(text('whole'));
  });

  it('writes the same text anew out of the record, and trains nothing', async () => {
    const before = readFileSync(at('whole', 'docs', 'study.md'), 'utf8');
    const written = await finish('whole', '--write-only', '--out', at('anew'));
    expect(written.code).toBe(0);
    expect(readFileSync(at('anew', 'study.md'), 'utf8')).toBe(before);
    expect(inStore(at('whole', 'home'), (store) => store.runs.list().length)).toBe(4);
  });

  it('run again when all is there, it trains nothing', async () => {
    expect((await finish('whole')).text).toContain('all 4 runs are on record');
  });

  it('says on a dry run what it would take, and leaves no runs', async () => {
    const { code, text } = await finish('dry', '--dry-run');
    expect(code).toBe(0);
    expect(text).toMatch(/2 learning rates \(0\.001, 1e\+30\), β 0\.1, 1 seeds?: 4 runs/);
    expect(text).toMatch(/time +about/);
    expect(inStore(at('dry', 'home'), (store) => store.runs.list().length)).toBe(0);
  });

  it('tells wrong arguments and missing files by exit code and one line', async () => {
    expect(await finish('wrong', '--seeds', '0')).toMatchObject({
      code: 2,
      text: expect.stringMatching(/^study: --seeds must be 1 or more, not 0 \(see --help\)\n$/) as string,
    });
    const missing = await finish('wrong', '--part', 'smollm2', '--model', at('none'));
    expect(missing.code).toBe(1);
    expect(missing.text).toMatch(/^study: .*none: is not there\n$/);
  });
});
