import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  ComparisonDetails,
  QueueResult,
  RunDetails,
  RunsResult,
  TrainResult,
} from '../../src/shared/contract.ts';
import type { StepMetrics } from '../../src/shared/metrics.ts';
import type { Evaluation } from '../../src/shared/comparison.ts';
import type { openStore } from '../../src/main/store/database.ts';
import {
  exactMetrics,
  filesBelow,
  inStore,
  plumbline,
  readLines,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
} from './support.ts';
import { succeed } from './succeed.ts';

/** Trainings that are killed, paused, queued and taken up again. */
const { path: folder, remove } = scratchFolder();
const at = (name: string): string => join(folder, name);
const entry = fileURLToPath(new URL('../../bin/plumbline.mjs', import.meta.url));
const steps = 40;
const settings = [
  ...['--model', at('tiny'), '--data', at('pairs.jsonl'), '--eval-data', at('held.jsonl'), '--lr', '1e-2'],
  ...['--batch-size', '2', '--grad-accum', '2', '--steps', String(steps), '--checkpoint-every', '3'],
];
const trainTo = (name: string): string[] => [
  ...['train', ...settings, '--loss', 'minor-dpo'],
  ...['--metrics', at(`${name}.jsonl`), '--adapter-out', at(name)],
];

beforeAll(() => {
  writeTinyModel(at('tiny'));
  writeLines(at('pairs.jsonl'), sums(24));
  writeLines(at('held.jsonl'), sums(6, 100));
});
afterAll(remove);

const adapterBytes = (name: string): Buffer => readFileSync(join(at(name), 'adapter_model.safetensors'));

/** The program in a process of its own, which `onErr` may kill. */
function start(home: string, args: readonly string[]) {
  const child = spawn(process.execPath, [entry, ...args, '--home', home, '--threads', '1']);
  let err = '';
  child.stderr.on('data', (data: Buffer) => (err += data.toString()));
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  return { child, ended, err: () => err };
}

/** Waits until the run of a store has taken a step. */
async function untilStep(home: string, step: number): Promise<void> {
  for (;;) {
    const reached =
      existsSync(join(home, 'plumbline.db')) &&
      inStore(home, (store) => (store.runs.list().at(-1)?.lastStep ?? 0) >= step);
    if (reached) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a training that was interrupted and resumed', () => {
  beforeAll(async () => {
    await succeed(at('whole-home'), trainTo('whole'));
  });

  /** What is kept of the first run's pairs, also where steps were taken again. */
  function pairsOf(name: string): object {
    return inStore(at(`${name}-home`), ({ pairTelemetry }) => {
      const kept = [...pairTelemetry.steps(1, 'train')];
      expect(kept.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, place) => place + 1));
      expect([...pairTelemetry.damaged()]).toEqual([]);
      return [kept, [...pairTelemetry.steps(1, 'eval')]];
    });
  }

  function expectSame(name: string): void {
    expect(exactMetrics(at(`${name}.jsonl`))).toEqual(exactMetrics(at('whole.jsonl')));
    expect(readLines(at(`${name}.jsonl`))).toHaveLength(steps);
    expect(adapterBytes(name).equals(adapterBytes('whole'))).toBe(true);
    expect(pairsOf(name)).toEqual(pairsOf('whole'));
  }

  it('tells how long each step took, which gives its pairs per second', () => {
    const taken = readLines<StepMetrics>(at('whole.jsonl'));
    for (const { 'time/step_s': seconds, 'throughput/pairs_per_s': rate } of taken) {
      expect(seconds).toBeGreaterThan(0);
      // Two passes of two pairs each.
      expect(seconds! * rate!).toBeCloseTo(4, 9);
    }
  });

  it.each([
    ['its process is killed', 'worker'],
    ['its supervisor is killed', 'supervisor'],
  ])('gives the same bytes when %s', async (_what, victim) => {
    const home = at(`${victim}-home`);
    const { child, ended } = start(home, trainTo(victim));
    await untilStep(home, 7);
    const pid = inStore(home, (store) =>
      victim === 'worker' ? store.jobs.active()[0]!.workerPid! : child.pid!,
    );
    process.kill(pid, 'SIGKILL');
    await ended;
    expect(existsSync(at(victim))).toBe(false);
    const [run] = (await succeed(home, ['runs', 'list', '--json'])).json<RunsResult>().runs;
    expect(run!.status).toBe(victim === 'worker' ? 'failed' : 'interrupted');
    expect(run!.error).toMatch(victim === 'worker' ? /was killed \(SIGKILL\)/ : /ended without a word/);
    await succeed(home, ['runs', 'resume', 1]);
    expectSame(victim);
  });

  it('goes on from an earlier checkpoint where the last one is damaged, and says so', async () => {
    const home = at('damaged-home');
    const { child, ended } = start(home, trainTo('damaged'));
    await untilStep(home, 10);
    child.kill('SIGKILL');
    await ended;
    const last = inStore(home, (store) => store.checkpoints.listOfRun(1).at(-1)!);
    const file = join(home, 'checkpoints', last.sha256.slice(0, 2), `${last.sha256}.safetensors`);
    const bytes = readFileSync(file);
    bytes[bytes.length - 3]! ^= 4;
    writeFileSync(file, bytes);
    const { err } = await succeed(home, ['runs', 'resume', 1]);
    expect(err).toContain('is damaged');
    expectSame('damaged');
  });

  it('pauses and stops when another process asks, and can be watched', async () => {
    const long = (name: string): string[] =>
      trainTo(name).map((word) => (word === String(steps) ? '900' : word === '3' ? '25' : word));
    await succeed(at('whole-home'), long('long'));
    const home = at('pause-home');
    const first = start(home, long('paused'));
    await untilStep(home, 4);
    const paused = await succeed(home, ['runs', 'pause', 1, '--json']);
    expect(paused.json<RunsResult>().runs[0]!.status).toBe('paused');
    const [code] = await first.ended;
    expect([code, first.err()]).toEqual([1, expect.stringContaining('runs resume 1')]);
    const { step } = paused.json<RunsResult>().runs[0]!;
    expect(step).toBeLessThan(900);
    // Between steps: nothing is computed again.
    expect(inStore(home, (store) => store.checkpoints.listOfRun(1).at(-1)!.step)).toBe(step);

    const second = start(home, ['runs', 'resume', '1']);
    await untilStep(home, step + 2);
    const watched = start(home, ['runs', 'watch', '1', '--json']);
    while (!watched.err().includes('step ')) await new Promise((resolve) => setTimeout(resolve, 20));
    second.child.kill('SIGTERM');
    expect((await second.ended)[0]).toBe(130);
    expect((await watched.ended)[0]).toBe(0);
    expect(watched.err()).toMatch(/step \d+\/900/);
    const shown = (await succeed(home, ['runs', 'show', 1, '--json'])).json<RunDetails>();
    expect(shown.status).toBe('interrupted');
    await succeed(home, ['runs', 'resume', 1]);
    expect(exactMetrics(at('paused.jsonl'))).toEqual(exactMetrics(at('long.jsonl')));
    expect(adapterBytes('paused').equals(adapterBytes('long'))).toBe(true);
    // Of a finished run the last one is kept.
    expect(inStore(home, (store) => store.checkpoints.listOfRun(1).map((each) => each.step))).toEqual([900]);
    expect(filesBelow(join(home, 'checkpoints'))).toHaveLength(1);
  });

  it('is refused where its data or model has changed, and goes on where it is back', async () => {
    const home = at('changed-home');
    const { child, ended } = start(home, trainTo('changed'));
    await untilStep(home, 5);
    child.kill('SIGKILL');
    await ended;
    const data = readFileSync(at('pairs.jsonl'));
    writeLines(at('pairs.jsonl'), sums(24, 1));
    const refused = await plumbline(home, ['runs', 'resume', 1]);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('the data has changed')]);
    writeFileSync(at('pairs.jsonl'), data);
    const weights = readFileSync(join(at('tiny'), 'model.safetensors'));
    writeTinyModel(at('tiny'), { seed: 3 });
    const other = await plumbline(home, ['runs', 'resume', 1]);
    expect([other.code, other.err]).toEqual([1, expect.stringContaining('the model has changed')]);
    writeFileSync(join(at('tiny'), 'model.safetensors'), weights);
    await succeed(home, ['runs', 'resume', 1]);
    expectSame('changed');
  });
});

describe('a comparison that was killed', () => {
  const compareTo = (name: string): string[] => [
    ...['compare', ...settings, '--arms', 'dpo,minor-dpo', '--seeds', '0,1'],
    ...['--out', at(name), '--report', at(`${name}.html`)],
  ];
  const runs = ['dpo', 'minor-dpo'].flatMap((loss) => [`${loss}-lr1e-2-seed0`, `${loss}-lr1e-2-seed1`]);

  it('resumes in the middle of its third run and has the same runs at its end', async () => {
    await succeed(at('grid-home'), compareTo('grid'));
    const home = at('killed-home');
    const { child, ended: gone } = start(home, compareTo('killed'));
    for (let third = 0; third < 5;) {
      await untilStep(home, 0);
      third = inStore(home, (store) => store.runs.list()[2]?.lastStep ?? 0);
    }
    child.kill('SIGKILL');
    await gone;
    expect(existsSync(at('killed.html'))).toBe(false);
    const partial = await succeed(home, ['runs', 'report', 1, '--report', at('partial.html')]);
    expect(partial.out).toMatch(/report of 2 runs.*2 more/);
    const show = async () =>
      (await succeed(home, ['comparisons', 'show', 1, '--json'])).json<ComparisonDetails>();
    const stopped = await show();
    expect(stopped).toMatchObject({ status: 'interrupted', runs: { done: 2, total: 4 }, verdicts: [] });
    expect(stopped.result!.runs.map(({ id }) => id)).toEqual(['1', '2']);
    await succeed(home, ['runs', 'resume', 3]);
    const ended = await show();
    expect(ended).toMatchObject({ status: 'finished', runs: { done: 4, total: 4 } });
    expect(ended.verdicts).toEqual([expect.stringMatching(/^lr 1e-2: too few seeds to tell about/)]);
    for (const { adapterPath, metrics } of ended.result!.runs) {
      const losses = readLines<StepMetrics>(join(adapterPath!, 'metrics.jsonl')).map(({ loss }) => loss!);
      const last = losses.slice(-steps / 10);
      expect(metrics).toHaveLength(1);
      expect(metrics[0]!.loss).toBeCloseTo(last.reduce((sum, loss) => sum + loss, 0) / last.length, 9);
    }
    expect((await succeed(home, ['comparisons', 'list'])).out).toMatch(/ 1 +finished +4\/4 +dpo,minor-dpo/);
    for (const run of runs) {
      expect(exactMetrics(join(at('killed'), run, 'metrics.jsonl'))).toEqual(
        exactMetrics(join(at('grid'), run, 'metrics.jsonl')),
      );
      expect(adapterBytes(`killed/${run}`).equals(adapterBytes(`grid/${run}`))).toBe(true);
    }
    expect(existsSync(at('killed.html'))).toBe(true);
    inStore(home, (store) => {
      const evaluations = (of: ReturnType<typeof openStore>): unknown =>
        of.runs.list().map(({ id }) => of.evaluations.listOfRun(id).map(({ result }) => result));
      inStore(at('grid-home'), (whole) => expect(evaluations(store)).toEqual(evaluations(whole)));
      expect(store.comparisons.list().map(({ status }) => status)).toEqual(['finished']);
    });
  });
});

describe('a comparison with SFT first that was killed', () => {
  const compareTo = (name: string): string[] => [
    ...['compare', ...settings, '--arms', 'dpo,minor-dpo', '--seeds', '0,1', '--sft-first', '1e-2'],
    ...['--sft-steps', '60', '--eval-every', '20', '--sample-prompts', '1', '--sample-tokens', '4'],
    ...['--out', at(name), '--report', at(`${name}.html`)],
  ];
  const folders = [0, 1].flatMap((seed) =>
    ['sft-first', 'dpo', 'minor-dpo'].map((what) => `${what}-lr1e-2-seed${seed}`),
  );

  /** Waits until a run of the job, by its place, has so many steps on record. */
  async function untilStepOf(home: string, place: number, step: number): Promise<void> {
    await untilStep(home, 0);
    while (inStore(home, (store) => store.runs.list()[place]?.lastStep ?? 0) < step)
      await new Promise((resolve) => setTimeout(resolve, 20));
  }

  it('resumes in the middle of a stage, then of an arm, and past a damaged end of the stage, to the same bytes', async () => {
    await succeed(at('staged-whole-home'), compareTo('staged-whole'));
    const home = at('staged-home');
    const first = start(home, compareTo('staged'));
    await untilStepOf(home, 3, 5);
    first.child.kill('SIGKILL');
    await first.ended;
    const steps = inStore(home, (store) => store.runs.list().map(({ lastStep }) => lastStep));
    expect([steps[3]! < 60, steps[4]]).toEqual([true, 0]);
    const second = start(home, ['runs', 'resume', '1']);
    await untilStepOf(home, 4, 5);
    second.child.kill('SIGKILL');
    await second.ended;
    const stood = inStore(home, (store) => store.runs.list().map(({ role, status }) => `${role} ${status}`));
    // Whoever looks next marks the arm that was at work as interrupted.
    expect(stood.slice(3)).toEqual(['stage finished', 'run running', 'run queued']);

    const last = inStore(home, (store) => store.checkpoints.listOfRun(4).at(-1)!);
    const file = join(home, 'checkpoints', last.sha256.slice(0, 2), `${last.sha256}.safetensors`);
    const bytes = readFileSync(file);
    bytes[bytes.length - 3]! ^= 4;
    writeFileSync(file, bytes);
    const { err } = await succeed(home, ['runs', 'resume', 1]);
    expect(err).toContain('is damaged');

    for (const run of folders) {
      expect(exactMetrics(join(at('staged'), run, 'metrics.jsonl'))).toEqual(
        exactMetrics(join(at('staged-whole'), run, 'metrics.jsonl')),
      );
      expect(adapterBytes(`staged/${run}`).equals(adapterBytes(`staged-whole/${run}`))).toBe(true);
    }
    inStore(home, (store) => {
      const recorded = (of: ReturnType<typeof openStore>): unknown =>
        of.runs.list().map(({ id, role, adapterStartHash, orderHash }) => ({
          ...{ role, adapterStartHash, orderHash },
          evaluations: of.evaluations.listOfRun(id).map(({ step, result }) => ({ step, result })),
        }));
      inStore(at('staged-whole-home'), (whole) => expect(recorded(store)).toEqual(recorded(whole)));
      // On the way an arm is measured against the SFT of its seed, which it starts as.
      for (const id of [2, 3, 5, 6]) {
        const [first, later] = store.evaluations.listOfRun(id).map(({ result }) => result as Evaluation);
        expect([first!.meanChosenLogRatio, first!.meanRejectedLogRatio, first!.ties]).toEqual([0, 0, 6]);
        expect(later!.meanChosenLogRatio).not.toBe(0);
      }
      expect(store.comparisons.list().map(({ status }) => status)).toEqual(['finished']);
    });
  });
});

describe('a run on an imported dataset', () => {
  it('holds out its own split, and goes on with the rows it began with when they were changed since', async () => {
    const home = at('dataset-home');
    await succeed(home, ['data', 'add', at('pairs.jsonl'), '--name', 'own']);
    await succeed(home, ['data', 'split', 'own', '--share', 0.25, '--seed', 3]);
    const line = (name: string): string[] => [
      ...['train', '--model', at('tiny'), '--data', 'own', '--eval-split', '--loss', 'dpo', '--lr', '1e-2'],
      ...['--batch-size', '2', '--steps', '40', '--checkpoint-every', '3'],
      ...['--metrics', at(`${name}.jsonl`), '--adapter-out', at(name)],
    ];
    const whole = (await succeed(home, [...line('split'), '--json'])).json<TrainResult>();
    expect([whole.counts.rows, whole.evaluation?.pairs]).toEqual([18, 6]);
    await succeed(home, [...line('edited'), '--queue']);
    await succeed(home, ['data', 'edit', 'own', '--row', 0, '--set', 'chosen=something else']);
    await succeed(home, ['data', 'exclude', 'own', '--row', '1,2']);
    await succeed(home, ['queue', 'run']);
    expect(exactMetrics(at('edited.jsonl'))).toEqual(exactMetrics(at('split.jsonl')));
    expect(adapterBytes('edited').equals(adapterBytes('split'))).toBe(true);
    const later = (await succeed(home, [...line('later'), '--json'])).json<TrainResult>();
    expect(later.counts.rows + later.evaluation!.pairs).toBe(22);
    expect(exactMetrics(at('later.jsonl'))).not.toEqual(exactMetrics(at('split.jsonl')));
  });
});

describe('the queue', () => {
  it('keeps its order, lets it be changed, and is carried out by whoever asks', async () => {
    const home = at('queue-home');
    const short = (name: string): string[] => [...trainTo(name), '--queue'];
    for (const name of ['one', 'two', 'three']) await succeed(home, short(name));
    await succeed(home, ['queue', 'move', 3, '--first']);
    const order = async (): Promise<number[]> =>
      (await succeed(home, ['queue', 'list', '--json']))
        .json<QueueResult>()
        .jobs.map(({ runs }) => runs[0]!.id);
    expect(await order()).toEqual([3, 1, 2]);
    await succeed(home, ['queue', 'move', 2, '--before', 1]);
    expect(await order()).toEqual([3, 2, 1]);
    await succeed(home, ['runs', 'pause', 2]);
    expect(await order()).toEqual([3, 1]);
    expect((await succeed(home, ['queue', 'run', '--json'])).json()).toMatchObject({
      finished: [3, 1],
      failed: [],
    });
    expect(adapterBytes('three').equals(adapterBytes('one'))).toBe(true);
    expect(existsSync(at('two'))).toBe(false);
    await succeed(home, ['runs', 'resume', 2, '--queue']);
    expect(await order()).toEqual([2]);
    await succeed(home, ['runs', 'stop', 2]);
    expect(await order()).toEqual([]);
  });
});

describe('a run that has ended', () => {
  const home = at('ended-home');

  it('can be forked from a checkpoint with other settings', async () => {
    await succeed(home, trainTo('parent'));
    const same = ['--metrics', at('fork.jsonl'), '--adapter-out', at('fork')];
    // As long as its parent it would take no step at all.
    const nothing = await plumbline(home, ['runs', 'fork', 1, '--lr', '1e-3', ...same]);
    expect([nothing.code, nothing.err]).toEqual([1, expect.stringContaining('no step left to take')]);
    await succeed(home, ['runs', 'fork', 1, '--steps', 50, '--lr', '1e-3', ...same]);
    const [parent, fork] = [exactMetrics(at('parent.jsonl')), exactMetrics(at('fork.jsonl'))];
    expect(fork).toHaveLength(50);
    expect(fork.slice(0, steps)).toEqual(parent);
    const shown = (await succeed(home, ['runs', 'show', 2, '--json'])).json<RunDetails>();
    expect(shown).toMatchObject({ parent: { run: 1, step: steps }, config: { learningRate: 1e-3 } });
    expect(adapterBytes('fork').equals(adapterBytes('parent'))).toBe(false);
  });

  it('gives its checkpoint as an adapter, and is removed when that is confirmed', async () => {
    await succeed(home, ['runs', 'export', 1, '--out', at('exported')]);
    expect(adapterBytes('exported').equals(adapterBytes('parent'))).toBe(true);
    expect((await succeed(home, ['runs', 'remove', 1])).out).toContain('would be removed');
    await succeed(home, ['runs', 'remove', 1, '--yes']);
    const left = (await succeed(home, ['runs', 'list', '--json'])).json<RunsResult>().runs;
    expect(left.map(({ id }) => id)).toEqual([2]);
    rmSync(at('exported'), { recursive: true });
    // The fork's own checkpoints are untouched.
    await succeed(home, ['runs', 'export', 2, '--out', at('exported')]);
    expect(adapterBytes('exported').equals(adapterBytes('fork'))).toBe(true);
  });

  it('keeps its last good numbers where a step was not finite', async () => {
    const line = trainTo('exploded').map((word) => (word === '1e-2' ? '1e30' : word));
    const failed = await plumbline(home, [...line, '--warmup', 0]);
    expect([failed.code, failed.err]).toEqual([1, expect.stringMatching(/not finite/)]);
    const shown = (await succeed(home, ['runs', 'show', 3, '--json'])).json<RunDetails>();
    expect(shown.status).toBe('failed');
    expect(shown.checkpoints.at(-1)!.step).toBe(shown.step);
  });
});
