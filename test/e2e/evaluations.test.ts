import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  CompareResult,
  PlanResult,
  RunEvaluationsResult,
  TrainResult,
} from '../../src/shared/contract.ts';
import { measuresOf, type Evaluation } from '../../src/shared/comparison.ts';
import { evaluationMetricNames } from '../../src/shared/metrics.ts';
import {
  exactMetrics,
  exactSteps,
  inStore,
  plumbline,
  readLines,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
} from './support.ts';
import { succeed } from './succeed.ts';

/** Runs that are evaluated as they go. */
const { path: folder, remove } = scratchFolder();
const at = (name: string): string => join(folder, name);
const entry = fileURLToPath(new URL('../../bin/plumbline.mjs', import.meta.url));
const beta = 0.1;
const settings = [
  ...['--model', at('tiny'), '--data', at('pairs.jsonl'), '--eval-data', at('held.jsonl'), '--lr', '1e-2'],
  ...['--batch-size', '2', '--grad-accum', '2', '--steps', '22', '--checkpoint-every', '3'],
];
const every = [
  ...['--eval-every', '4', '--sample-prompts', '2', '--sample-tokens', '12'],
  ...['--eval-kl-prompts', '3'],
];
const due = [0, 4, 8, 12, 16, 20, 22];
const trainTo = (name: string): string[] => [
  ...['train', ...settings, '--loss', 'minor-dpo'],
  ...['--metrics', at(`${name}.jsonl`), '--adapter-out', at(name)],
];
const adapterBytes = (name: string): Buffer => readFileSync(join(at(name), 'adapter_model.safetensors'));
type Line = Record<string, number>;
const isEvaluated = (line: Line): boolean => 'eval_loss' in line;
const withoutEvaluation = (line: object): object =>
  Object.fromEntries(Object.entries(line).filter(([name]) => !name.startsWith('eval_')));

interface Kept {
  readonly step: number;
  readonly result: Evaluation;
}
/** Everything on record of a run's evaluations. */
const recordOf = (home: string, run: number): { readonly kept: readonly Kept[]; readonly series: object } =>
  inStore(home, ({ evaluations, metrics }) => ({
    kept: evaluations.listOfRun(run).map(({ step, result }) => ({ step, result: result as Evaluation })),
    series: Object.fromEntries(evaluationMetricNames.map((name) => [name, metrics.series(run, name)])),
  }));

/** Kills a process of its own once `isTime`. */
async function killed(home: string, args: readonly string[], isTime: () => boolean): Promise<void> {
  const child = spawn(process.execPath, [entry, ...args, '--home', home, '--threads', '1'], {
    stdio: 'ignore',
  });
  const ended = once(child, 'close');
  while (!existsSync(join(home, 'plumbline.db')) || !isTime()) await sleep(5);
  child.kill('SIGKILL');
  await ended;
}

beforeAll(() => {
  writeTinyModel(at('tiny'));
  writeLines(at('pairs.jsonl'), sums(24));
  // The first prompt twice: samples are of different prompts.
  const held = sums(6, 100);
  writeLines(at('held.jsonl'), [held[0], { ...held[0]!, rejected: ' Who knows?' }, ...held.slice(1)]);
});
afterAll(remove);

describe('a training that is evaluated as it goes', () => {
  const home = at('home');
  let result: TrainResult;
  beforeAll(async () => {
    await succeed(home, trainTo('plain'));
    result = (await succeed(home, [...trainTo('evaluated'), ...every, '--json'])).json<TrainResult>();
  });

  it('trains to the same bytes as one that is not', () => {
    expect(adapterBytes('evaluated').equals(adapterBytes('plain'))).toBe(true);
    const lines = exactMetrics(at('evaluated.jsonl')) as Line[];
    expect(lines.filter(({ step }) => step! > 0).map(withoutEvaluation)).toEqual(
      exactMetrics(at('plain.jsonl')),
    );
    expect([result.steps, result.first.step, result.last.step]).toEqual([22, 1, 22]);
  });

  it('has the metrics of each evaluation in its step’s line', () => {
    const lines = readLines<Line>(at('evaluated.jsonl'));
    expect(lines.filter(isEvaluated).map(({ step }) => step)).toEqual(due);
    const [start] = lines;
    // A training by itself has no task.
    const names = evaluationMetricNames.filter((name) => name !== 'eval_task/accuracy');
    expect(Object.keys(start!)).toEqual(['step', ...names]);
    expect(start!['eval_loss']).toBeCloseTo(Math.LN2, 6);
    for (const name of ['chosen', 'rejected', 'margins', 'accuracies'])
      expect(start![`eval_rewards/${name}`]).toBe(0);
    expect(start!['eval_gate/open']).toBe(0);
  });

  it('measures the KL to the reference each time: none at the start, more as it learns', () => {
    const { kept } = recordOf(home, 2);
    const found = kept.map(({ result: { klToReference } }) => klToReference!);
    for (const { samples, tokens } of found) {
      expect(samples).toBe(3);
      expect(tokens).toBeLessThanOrEqual(3 * 12);
    }
    expect(found[0]).toMatchObject({ perToken: 0, standardError: 0 });
    for (const { perToken } of found.slice(1)) expect(perToken).toBeGreaterThan(0);
    const lines = readLines<Line>(at('evaluated.jsonl')).filter(isEvaluated);
    expect(lines.map((line) => line['eval_kl'])).toEqual(found.map(({ perToken }) => perToken));
    expect(result.evaluation!.klToReference).toEqual(found.at(-1));
    const mean = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0) / 2;
    for (const [place, { result: each }] of kept.entries()) {
      const line = lines[place]!;
      expect(line['eval_answers/tokens']).toBe(mean(each.samples!.map(({ tokens }) => tokens)));
      expect(line['eval_answers/repetition']).toBe(mean(each.samples!.map(({ repetition }) => repetition)));
    }
  });

  it('measures the loss and the rewards on all held-out pairs', () => {
    const last = readLines<Line>(at('evaluated.jsonl')).at(-1)!;
    const pairs = result.evaluation!.perPair!;
    expect(pairs).toHaveLength(7);
    const mean = (of: (pair: { c: number; r: number }) => number): number =>
      pairs.reduce((sum, pair) => sum + of(pair), 0) / pairs.length;
    expect(last['eval_loss']).toBeCloseTo(
      mean(({ c, r }) => Math.log1p(Math.exp(-beta * (c - Math.max(0, r))))),
      5,
    );
    expect(last['eval_rewards/chosen']).toBeCloseTo(beta * mean(({ c }) => c), 5);
    expect(last['eval_rewards/margins']).toBeCloseTo(beta * mean(({ c, r }) => c - r), 5);
    expect(last['eval_rewards/accuracies']).toBe(mean(({ c, r }) => (c > r ? 1 : 0)));
    expect(last['eval_gate/open']).toBe(mean(({ r }) => (r > 0 ? 1 : 0)));
    expect(last['eval_loss']).toBeLessThan(Math.LN2);
  });

  it('answers the same prompts each time, at the start as the base does', async () => {
    const { json } = await succeed(home, ['runs', 'evaluations', 2, '--json']);
    const { evaluations } = json<RunEvaluationsResult>();
    expect(evaluations.map(({ step }) => step)).toEqual(due);
    const held = readLines<{ prompt: string }>(at('held.jsonl'));
    for (const { samples, evaluation } of evaluations) {
      expect(samples!.map(({ prompt }) => prompt)).toEqual([held[0]!.prompt, held[2]!.prompt]);
      for (const { tokens } of samples!) expect(tokens).toBeLessThanOrEqual(12);
      expect(evaluation).not.toHaveProperty('perPair');
    }
    expect(evaluations[0]!.evaluation).toMatchObject({ meanMargin: 0, ties: 7 });
    expect(evaluations[0]!.evaluation).not.toHaveProperty('preferenceAccuracy');
    const [start, last] = [evaluations[0]!.samples![0]!, evaluations.at(-1)!.samples![0]!];
    for (const [{ output }, policy] of [
      [start, []],
      [last, ['--adapter', at('evaluated')]],
    ] as const) {
      const asked = [
        'generate',
        '--model',
        at('tiny'),
        ...policy,
        '--prompt',
        start.prompt,
        '--max-tokens',
        12,
      ];
      const { text } = (await succeed(home, [...asked, '--json'])).json<{ text: string }>();
      expect(text.trim()).toBe(output);
    }
    const shown = await succeed(home, ['runs', 'evaluations', 2]);
    expect(shown.out).toContain(`sample 2: ${held[2]!.prompt}`);
  });

  it('goes on from a checkpoint with what was evaluated before it', async () => {
    const files = ['--metrics', at('fork.jsonl'), '--adapter-out', at('fork')];
    await succeed(home, ['runs', 'fork', 2, '--steps', 26, ...files]);
    const [before, after] = [recordOf(home, 2).kept, recordOf(home, 3).kept];
    expect(after.map(({ step }) => step)).toEqual([...due, 24, 26]);
    expect(after.slice(0, 6)).toEqual(before.slice(0, 6));
    expect(
      readLines<Line>(at('fork.jsonl'))
        .filter(isEvaluated)
        .map(({ step }) => step),
    ).toEqual([...due, 24, 26]);
  });

  it('keeps the checkpoint that was best on held-out pairs', async () => {
    const best = at('best-home');
    await succeed(best, ['settings', 'set', 'keepBestBy', 'eval_rewards/accuracies']);
    // At this rate it soon learns the training pairs by heart.
    await succeed(best, [...trainTo('best'), ...every]);
    const { steps, values } = inStore(best, ({ metrics }) => metrics.series(1, 'eval_rewards/accuracies'));
    const top = steps[values.indexOf(Math.max(...values.slice(1)))]!;
    const kept = inStore(best, ({ checkpoints }) => checkpoints.listOfRun(1).map(({ step }) => step));
    expect(kept).toEqual([...new Set([top, 22])]);
  });

  it('tells of a sample that begins to repeat itself', async () => {
    const stammer = sums(8).map(({ prompt, rejected }) => ({ prompt, rejected, chosen: ' no'.repeat(16) }));
    const data = writeLines(at('stammer.jsonl'), stammer);
    const line = [
      ...['train', '--model', at('tiny'), '--data', data, '--eval-data', at('held.jsonl'), '--loss', 'sft'],
      ...[
        '--lr',
        '3e-2',
        '--steps',
        '20',
        '--eval-every',
        '5',
        '--sample-prompts',
        '2',
        '--sample-tokens',
        '24',
      ],
      ...['--metrics', at('stammer-metrics.jsonl'), '--adapter-out', at('stammer')],
    ];
    const told = await plumbline(at('stammer-home'), line);
    expect(told.code, told.err).toBe(0);
    const { kept } = recordOf(at('stammer-home'), 1);
    for (const place of [0, 1]) {
      const repeated = kept.map(({ result }) => result.samples![place]!.repetition);
      expect(repeated[0]).toBeLessThan(0.5);
      const since = kept[repeated.findIndex((share) => share > 0.5)]!.step;
      const text = `sample ${place + 1} repeats itself since step ${since}; the learning rate may be too high`;
      expect(told.err.split(text)).toHaveLength(2);
      expect(told.err.match(new RegExp(`sample ${place + 1} repeats`, 'g'))).toHaveLength(1);
    }
  });

  it('measures the start where that is not its reference', async () => {
    const from = ['--init-adapter', at('evaluated'), '--reference', 'base', '--eval-every', '0.5'];
    const line = trainTo('onward').map((word) => (word === '22' ? '2' : word));
    const few = ['--sample-prompts', 2, '--sample-tokens', 12, '--eval-kl-prompts', 3];
    await succeed(at('onward-home'), [...line, ...from, ...few]);
    const [start] = recordOf(at('onward-home'), 1).kept;
    const reached = measuresOf(recordOf(home, 2).kept.at(-1)!.result);
    expect(start).toEqual({ step: 0, result: reached });
  });

  it('is planned with all its evaluations', async () => {
    const planned = async (options: readonly string[]): Promise<Map<string, number>> => {
      const asked = ['plan', 'train', ...settings, '--loss', 'dpo', ...options, '--json'];
      const { plan } = (await succeed(home, asked)).json<PlanResult>();
      return new Map(plan.time!.parts.map(({ name, amount }) => [name, amount]));
    };
    const [last, all] = [await planned([]), await planned(['--eval-every', '1'])];
    // 22 scorings against one, on a machine that may be busy.
    expect(all.get('evaluation')).toBeGreaterThan(4 * last.get('evaluation')!);
    expect(all.get('samples')).toBeGreaterThan(0);
    expect(last.has('samples')).toBe(false);
  });

  it('refuses what it cannot do in words of the command line', async () => {
    const bare = trainTo('refused').filter((word) => !['--eval-data', at('held.jsonl')].includes(word));
    const none = await plumbline(home, [...bare, '--eval-every', 4]);
    expect([none.code, none.err]).toEqual([2, expect.stringContaining('--eval-every needs held-out rows')]);
    const alone = await plumbline(home, [...trainTo('refused'), '--sample-prompts', 4]);
    expect([alone.code, alone.err]).toEqual([
      2,
      expect.stringContaining('--sample-prompts needs --eval-every'),
    ]);
    const apart = await plumbline(home, [...trainTo('refused'), '--eval-kl-prompts', 4]);
    expect([apart.code, apart.err]).toEqual([
      2,
      expect.stringContaining('--eval-kl-prompts needs --eval-every'),
    ]);
  });
});

describe('an evaluated run that was interrupted and resumed', () => {
  const home = at('whole-home');
  beforeAll(async () => {
    await succeed(home, [...trainTo('whole'), ...every]);
  });

  function expectSame(other: string, name: string): void {
    expect(recordOf(other, 1)).toEqual(recordOf(home, 1));
    expect(exactMetrics(at(`${name}.jsonl`))).toEqual(exactMetrics(at('whole.jsonl')));
    expect(adapterBytes(name).equals(adapterBytes('whole'))).toBe(true);
  }

  it.each([
    ['at its first evaluation', 0],
    ['after an evaluation and before the next checkpoint', 8],
    ['after an evaluation at a checkpoint', 12],
    ['before its last evaluation', 20],
  ])('has every evaluation once when it was killed %s', async (_when, step) => {
    const name = `killed-${step}`;
    const args = [...trainTo(name), ...every];
    await killed(at(`${name}-home`), args, () =>
      inStore(at(`${name}-home`), ({ evaluations }) =>
        evaluations.listOfRun(1).some((each) => each.step >= step),
      ),
    );
    expect(existsSync(at(name))).toBe(false);
    await succeed(at(`${name}-home`), ['runs', 'resume', 1]);
    expectSame(at(`${name}-home`), name);
  });

  it('makes up for an evaluation that a stop cut off', async () => {
    const other = at('stopped-home');
    let isStopped = false;
    const stopped = await plumbline(other, [...trainTo('stopped'), ...every], (_text, interrupt) => {
      if (isStopped || !existsSync(join(other, 'plumbline.db'))) return;
      if (!inStore(other, ({ runs }) => (runs.list()[0]?.lastStep ?? 0) >= 1)) return;
      isStopped = true;
      interrupt();
    });
    expect(stopped.code).toBe(130);
    await succeed(other, ['runs', 'resume', 1]);
    expectSame(other, 'stopped');
  });
});

describe('a comparison that is evaluated as it goes', () => {
  const compareTo = (name: string, evaluated = every): string[] => [
    ...['compare', ...settings, ...evaluated, '--arms', 'dpo,minor-dpo', '--seeds', '0,1', '--out', at(name)],
  ];

  it('judges by the last evaluation alone, and resumes to the same record', async () => {
    const [plain, whole, cut] = [at('grid-plain-home'), at('grid-home'), at('grid-cut-home')];
    const questions = writeLines(at('questions.jsonl'), [
      { prompt: 'What is 1 plus 1?', answer: '2' },
      { prompt: 'What is 2 plus 1?', answer: '3' },
    ]);
    const task = ['--task-data', questions, '--task-tokens', '4', '--json'];
    const asked = [...task, '--eval-questions', '1'];
    const before = (await succeed(plain, [...compareTo('grid-plain', []), ...task])).json<CompareResult>();
    const after = (await succeed(whole, [...compareTo('grid'), ...asked])).json<CompareResult>();
    const judged = ({ comparison, verdicts }: CompareResult) => ({
      verdicts,
      base: comparison.base,
      runs: comparison.runs.map(({ metrics, evaluation }) => ({
        metrics: exactSteps(metrics),
        evaluation: { ...evaluation, samples: undefined },
      })),
    });
    expect(judged(after)).toEqual(judged(before));
    const records = [1, 2, 3, 4].map((run) => recordOf(whole, run).kept);
    for (const kept of records) {
      expect(kept.map(({ step }) => step)).toEqual(due);
      expect(kept.map(({ result }) => result.task!.questions)).toEqual(
        due.map((step) => (step === 22 ? 2 : 1)),
      );
      expect(kept[0]!.result.samples).toEqual(records[0]![0]!.result.samples);
    }
    expect(
      readLines<Line>(join(at('grid'), 'dpo-lr1e-2-seed0', 'metrics.jsonl')).filter(isEvaluated),
    ).toHaveLength(due.length);

    await killed(cut, [...compareTo('grid-cut'), ...asked], () =>
      inStore(cut, ({ runs, evaluations }) =>
        runs.list().some(({ id }) => id === 3 && evaluations.listOfRun(id).length > 2),
      ),
    );
    await succeed(cut, ['runs', 'resume', 3]);
    for (const run of [1, 2, 3, 4]) expect(recordOf(cut, run)).toEqual(recordOf(whole, run));
    const alone = await plumbline(cut, [...compareTo('refused', []), '--eval-questions', 1]);
    expect([alone.code, alone.err]).toEqual([
      2,
      expect.stringContaining('--eval-questions needs --task-data FILE and --eval-every N'),
    ]);
  });
});
