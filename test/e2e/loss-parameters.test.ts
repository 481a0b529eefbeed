import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CompareResult, RunDetails, RunsResult, TrainResult } from '../../src/shared/contract.ts';
import type { StepMetrics } from '../../src/shared/metrics.ts';
import { plumbline, readLines, scratchFolder, sums, writeLines, writeTinyModel } from './support.ts';
import { succeed } from './succeed.ts';

const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
const at = (name: string): string => join(folder, name);
const arms = ['dpo', 'kappa-dpo:kappa=0', 'kappa-dpo:kappa=0.25', 'kappa-dpo:kappa=1', 'minor-dpo'];
const shared = [
  ...['--model', at('tiny'), '--data', at('pairs.jsonl'), '--batch-size', 4, '--eval-share', 0.25],
  ...['--lr', '1e-2', '--lora-r', 4],
];
let result: CompareResult;

beforeAll(async () => {
  writeTinyModel(at('tiny'));
  writeLines(at('pairs.jsonl'), sums(16));
  const { code, err, json } = await plumbline(home, [
    ...['compare', ...shared, '--arms', arms.join(','), '--epochs', 3, '--eval-every', 3],
    ...['--seeds', 0, '--out', at('grid'), '--report', at('report.html'), '--json'],
  ]);
  expect(err).toMatch(/planned/);
  expect(code).toBe(0);
  result = json<CompareResult>();
});
afterAll(remove);

const metricsOf = (arm: string): readonly StepMetrics[] =>
  result.comparison.runs.find((run) => run.loss === arm)!.metrics;
const losses = (arm: string): (number | undefined)[] => metricsOf(arm).map(({ loss }) => loss);

describe('arms of one loss with different parameters', () => {
  it('are arms of their own in result, table, folders and command', () => {
    const { comparison, table } = result;
    expect(comparison.arms).toEqual(arms);
    expect(comparison.runs.map(({ loss }) => loss)).toEqual(arms);
    expect(comparison.onlyDiffers).toEqual(['loss']);
    expect(comparison.command).toContain(`--arms ${arms.join(',')}`);
    for (const arm of arms) expect(table).toContain(arm);
    for (const name of ['kappa-dpo-kappa0.25-lr1e-2-seed0', 'dpo-lr1e-2-seed0'])
      expect(existsSync(join(at('grid'), name, 'adapter_model.safetensors'))).toBe(true);
  });

  it('meet DPO and MinorDPO at the ends, bit for bit, and lie apart from both between them', () => {
    // The gate of some pairs closes: else nothing would tell the arms apart.
    expect(metricsOf('dpo').some((step) => step['gate/open']! < 1)).toBe(true);
    expect(losses('kappa-dpo:kappa=1')).toEqual(losses('dpo'));
    expect(losses('kappa-dpo:kappa=0')).toEqual(losses('minor-dpo'));
    const last = (arm: string): number => losses(arm).at(-1)!;
    expect(last('kappa-dpo:kappa=0.25')).not.toBe(last('dpo'));
    expect(last('kappa-dpo:kappa=0.25')).not.toBe(last('minor-dpo'));
  });

  it('push rejected answers by κ where the gate is closed', () => {
    const first = (arm: string): number => metricsOf(arm)[0]!['grad/chosen_share']!;
    // At the start r = 0 for every pair: closed.
    expect(first('dpo')).toBeCloseTo(0.5, 6);
    expect(first('kappa-dpo:kappa=0.25')).toBeCloseTo(1 / 1.25, 6);
    expect(first('minor-dpo')).toBe(1);
  });

  it('equal a training with --loss-parameter, which records it; held-out loss included', async () => {
    const { config } = (
      await succeed(home, [
        ...['train', ...shared, '--loss', 'kappa-dpo', '--loss-parameter', 'kappa=0.25', '--epochs', 3],
        ...['--eval-every', 3, '--metrics', at('m.jsonl'), '--adapter-out', at('out'), '--json'],
      ])
    ).json<TrainResult>();
    expect(config.lossParameters).toEqual({ kappa: 0.25 });
    const lines = readLines<StepMetrics & { eval_loss?: number }>(at('m.jsonl'));
    expect(lines[0]).toMatchObject({ step: 0, eval_loss: Math.fround(Math.LN2) });
    const steps = lines.filter(({ loss }) => loss !== undefined);
    steps.forEach(({ loss }, place) =>
      expect(Math.abs(loss! - losses('kappa-dpo:kappa=0.25')[place]!)).toBeLessThan(1e-5),
    );
    const { runs } = (await succeed(home, ['runs', 'list', '--json'])).json<RunsResult>();
    expect(runs.map(({ loss }) => loss)).toEqual([...arms, 'kappa-dpo:kappa=0.25']);
  });

  it('change with a fork: another loss leaves them behind', async () => {
    const out = (name: string) => ['--metrics', at(`${name}.jsonl`), '--adapter-out', at(name), '--json'];
    const configOf = async (run: number) =>
      (await succeed(home, ['runs', 'show', run, '--json'])).json<RunDetails>().config;
    await succeed(home, ['runs', 'fork', 6, '--loss-parameter', 'kappa=0.75', '--steps', 10, ...out('fork')]);
    expect((await configOf(7)).lossParameters).toEqual({ kappa: 0.75 });
    await succeed(home, ['runs', 'fork', 6, '--loss', 'cdpo', '--steps', 10, ...out('other')]);
    expect(await configOf(8)).toMatchObject({ loss: 'cdpo', lossParameters: { epsilon: 0.1 } });
  });

  it('are refused where the loss has no such parameter', async () => {
    const train = ['train', ...shared, '--metrics', at('no.jsonl'), '--adapter-out', at('no')];
    for (const [words, message] of [
      [['--loss', 'dpo', '--loss-parameter', 'kappa=1'], 'dpo has no parameter kappa'],
      [['--loss', 'robust', '--loss-parameter', 'epsilon=0.5'], 'must be below 0.5'],
      [['--loss', 'dpop', '--loss-parameter', 'lambda'], '--loss-parameter must be a parameter and a number'],
    ] as const) {
      const { code, err } = await plumbline(home, [...train, ...words]);
      expect(code).toBe(2);
      expect(err).toContain(message);
    }
  });
});

describe('losses without a reference', () => {
  it('train and are compared without a reference pass over the training pairs', async () => {
    const own = join(folder, 'other-home');
    const { code, json } = await plumbline(own, [
      ...['compare', ...shared, '--arms', 'simpo,orpo,sft', '--seeds', 0, '--eval-every', 2, '--json'],
    ]);
    expect(code).toBe(0);
    const { comparison } = json<CompareResult>();
    // 16 pairs, of which 4 are held out.
    const database = new Database(join(own, 'plumbline.db'), { readonly: true });
    expect(database.prepare('SELECT count(*) FROM reference_log_probs').pluck().get()).toBe(4);
    database.close();
    expect(comparison.arms).toEqual(['simpo:gamma=1', 'orpo:lambda=0.1', 'sft']);
    for (const { metrics, evaluation, status } of comparison.runs) {
      expect(status).toBe('finished');
      expect(metrics.every(({ loss }) => Number.isFinite(loss))).toBe(true);
      expect(Object.keys(metrics[0]!).filter((name) => /rewards|gate|logratio/.test(name))).toEqual([]);
      // Held-out pairs are measured against it all the same.
      expect(Number.isFinite(evaluation!.meanMargin)).toBe(true);
    }
  });
});

describe('MinorSFT, which has a reference but looks at no rejected answer', () => {
  it('starts at c = 0, exactly, beside DPO as well as by itself and with every weight', async () => {
    const { comparison } = (
      await succeed(home, ['compare', ...shared, '--arms', 'dpo,minor-sft', '--seeds', 1, '--json'])
    ).json<CompareResult>();
    const own = comparison.runs[1]!;
    expect(own.loss).toBe('minor-sft');
    const firsts = [own.metrics[0]!];
    for (const full of [[], ['--full']]) {
      const file = at(`minor-sft${full.length}.jsonl`);
      await succeed(home, [
        ...['train', '--model', at('tiny'), '--data', at('pairs.jsonl'), '--batch-size', 4, '--lr', '1e-3'],
        ...[
          '--loss',
          'minor-sft',
          '--metrics',
          file,
          '--adapter-out',
          at(`minor-sft${full.length}`),
          ...full,
        ],
      ]);
      firsts.push(readLines<StepMetrics>(file)[0]!);
    }
    for (const first of firsts) {
      expect(first['rewards/chosen']).toBe(0);
      expect(first).not.toHaveProperty(['rewards/rejected']);
      expect(first).not.toHaveProperty(['gate/open']);
    }
    // Slope −1/|y_w| at the start: SFT averaged over the answer, so it moves c up.
    expect(own.metrics.at(-1)!['rewards/chosen']).toBeGreaterThan(0);
  });
});
