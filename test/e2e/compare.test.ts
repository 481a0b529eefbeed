import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CompareResult, ProgressEvent } from '../../src/shared/contract.ts';
import { createServices } from '../../src/main/service/index.ts';
import { pairingProofs, runsOf } from '../../src/shared/comparison.ts';
import { parseSharedSettings } from '../../src/shared/config.ts';
import type { StepMetrics } from '../../src/shared/metrics.ts';
import { filesBelow, inStore, plumbline, readLines, scratchFolder, sums } from './support.ts';
import { writeLines, writeTinyModel } from './support.ts';

const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
const at = (name: string): string => join(folder, name);
const args = [
  ...['compare', '--model', at('tiny'), '--data', at('pairs.jsonl'), '--batch-size', 4, '--eval-share', 0.25],
  ...['--lr', '1e-3,1e-2', '--seeds', '0,1', '--lora-r', 4, '--task-data', at('questions.jsonl')],
  ...['--task-tokens', 4, '--report', at('report.html'), '--out', at('grid')],
];
let result: CompareResult;

beforeAll(async () => {
  writeTinyModel(at('tiny'));
  writeLines(at('pairs.jsonl'), sums(16));
  writeLines(at('questions.jsonl'), [
    { prompt: 'What is 1 plus 1?', answer: '2' },
    { prompt: 'What is 2 plus 1?', answer: '3' },
  ]);
  const { code, err, json } = await plumbline(home, [...args, '--json']);
  // Nothing but its plan.
  expect(err).toMatch(/^planned: .* of disk\n$/);
  expect(code).toBe(0);
  result = json<CompareResult>();
});
afterAll(remove);

describe('compare', () => {
  it('trains every cell of the grid, evaluated on the same held-out pairs', () => {
    const { runs, data } = result.comparison;
    const cells = runs.map(({ loss, learningRate, seed }) => `${loss} ${learningRate} ${seed}`);
    expect(new Set(cells).size).toBe(8);
    expect(data).toMatchObject({ trainPairs: 12, evalPairs: 4, skipped: 0 });
    for (const { evaluation, status, metrics } of runs) {
      expect(status).toBe('finished');
      expect(evaluation?.pairs).toBe(4);
      expect(evaluation?.task?.questions).toBe(2);
      expect(metrics.map(({ step }) => step)).toEqual([1, 2, 3]);
    }
    expect(result.comparison.onlyDiffers).toEqual(['loss']);
  });

  it('gives all arms of one seed the same start and order, and another seed others', () => {
    const { runs } = result.comparison;
    for (const key of ['orderHash', 'adapterStartHash'] as const) {
      const bySeed = [0, 1].map(
        (seed) => new Set(runs.filter((run) => run.seed === seed).map((run) => run[key])),
      );
      expect(bySeed.map(({ size }) => size)).toEqual([1, 1]);
      expect([...bySeed[0]!]).not.toEqual([...bySeed[1]!]);
    }
  });

  it('starts every run at c = r = 0, exactly', () => {
    for (const { metrics } of result.comparison.runs) {
      const first = metrics[0]!;
      expect(first['logratio/chosen_per_token']).toBe(0);
      expect(first['logratio/rejected_per_token']).toBe(0);
      expect(first['rewards/chosen']).toBe(0);
      expect(first['rewards/rejected']).toBe(0);
    }
    const { base } = result.comparison;
    expect([base.meanChosenLogRatio, base.meanRejectedLogRatio, base.ties]).toEqual([0, 0, 4]);
  });

  it('measures the final answers, their KL to the reference and the bias by length, and shows them', () => {
    const { runs, base } = result.comparison;
    expect(base.generation).toMatchObject({ answers: 2, decoding: 'greedy' });
    expect(base.klToReference).toBeUndefined();
    for (const { evaluation } of runs) {
      const { klToReference, generation, lengthBias } = evaluation!;
      expect(klToReference).toMatchObject({ samples: 2 });
      expect(klToReference!.tokens).toBeLessThanOrEqual(2 * 4);
      expect(klToReference!.perToken).toBeGreaterThan(0);
      expect(generation!.meanTokens).toBeLessThanOrEqual(4);
      // Every rejected answer of these sums is the longer one.
      expect([lengthBias!.shorter.pairs, lengthBias!.longer.pairs]).toEqual([4, 0]);
      expect(lengthBias!.shorter.accuracy).toBe(evaluation!.preferenceAccuracy);
    }
    expect(result.table).toContain('KL/token');
  });

  it('holds every policy against every loss', () => {
    const { runs, base } = result.comparison;
    // At c = r = 0 both are −log ½.
    expect(base.losses!.map(({ arm }) => arm)).toEqual(['dpo', 'minor-dpo']);
    for (const { loss } of base.losses!) expect(loss).toBeCloseTo(Math.LN2, 6);
    for (const { evaluation } of runs) {
      const beta = 0.1;
      const soft = (logit: number): number => Math.log(1 + Math.exp(-logit));
      const { perPair = [], losses = [] } = evaluation!;
      const wanted = [({ r }: { r: number }) => r, ({ r }: { r: number }) => Math.max(0, r)].map(
        (pushed) =>
          perPair.reduce((sum, pair) => sum + soft(beta * (pair.c - pushed(pair))), 0) / perPair.length,
      );
      losses.forEach(({ loss }, place) => expect(loss).toBeCloseTo(wanted[place]!, 4));
    }
    expect(readFileSync(at('report.html'), 'utf8')).toContain('Every policy under every loss');
  });

  it('equals train with the same settings', async () => {
    const outputs = ['--metrics', at('alone.jsonl'), '--adapter-out', at('alone')];
    const settings = ['--batch-size', 4, '--eval-share', 0.25, '--lr', 1e-2, '--seed', 1, '--lora-r', 4];
    const { code } = await plumbline(home, [
      ...['train', '--model', at('tiny'), '--data', at('pairs.jsonl'), '--loss', 'minor-dpo', ...settings],
      ...outputs,
    ]);
    expect(code).toBe(0);
    const cell = result.comparison.runs.find(
      (run) => run.loss === 'minor-dpo' && run.learningRate === 1e-2 && run.seed === 1,
    )!;
    const alone = readLines<StepMetrics>(at('alone.jsonl'));
    expect(cell.metrics).toHaveLength(alone.length);
    // Two graphs, one with both losses: the same numbers but for the last bits.
    for (const [place, own] of alone.entries()) {
      const loss = cell.metrics[place]!.loss!;
      expect(Math.abs(loss - own.loss!)).toBeLessThan(1e-5);
    }
  });

  it('writes an adapter and metrics for every run, and a report that stands alone', async () => {
    expect(filesBelow(at('grid'))).toHaveLength(8 * 3);
    for (const { adapterPath, metrics } of result.comparison.runs) {
      const lines = readLines<StepMetrics>(join(adapterPath!, 'metrics.jsonl'));
      expect(lines).toEqual(JSON.parse(JSON.stringify(metrics)));
    }
    const adapter = result.comparison.runs[0]!.adapterPath!;
    const scored = await plumbline(home, [
      ...['score', '--model', at('tiny'), '--data', at('pairs.jsonl'), '--adapter', adapter],
      ...['--out', at('scores.jsonl')],
    ]);
    expect(scored.code).toBe(0);
    const page = readFileSync(at('report.html'), 'utf8');
    expect(page).toMatch(/^<!doctype html>/i);
    // Nothing is loaded from anywhere: no address in src, href, url() or import.
    expect(page).not.toMatch(/\b(?:src|href)\s*=\s*["']?(?!["'#]|data:)[\w./]/i);
    expect(page).not.toMatch(/@import|<link\b/i);
  });

  it('scores no reference again, finds the same, and shows it to people', async () => {
    const again = await plumbline(home, args);
    expect(again.code).toBe(0);
    expect(again.out).toContain('trained on 12 pairs, evaluated on 4 held-out ones');
    expect(again.out).toContain(result.table.trimEnd());
    expect(again.out).toContain(`report: ${at('report.html')}`);
    inStore(home, (store) => {
      expect(store.comparisons.list().map(({ status }) => status)).toEqual(['finished', 'finished']);
      expect(store.runs.list().every(({ status }) => status === 'finished')).toBe(true);
    });

    const services = await createServices({ home });
    const events: ProgressEvent[] = [];
    await services.compare(
      {
        model: at('tiny'),
        data: at('pairs.jsonl'),
        arms: ['dpo', 'minor-dpo'],
        learningRates: [1e-3],
        seeds: [0],
        shared: parseSharedSettings({ batchSize: 4, evalShare: 0.25, lora: { rank: 4 }, threads: 1 }),
      },
      { onProgress: (event) => void events.push(event) },
    );
    await services.close();
    const reference = events.filter(
      (event) => event.kind === 'progress' && event.label.startsWith('reference'),
    );
    expect(reference).toEqual([
      { kind: 'progress', label: 'reference log-probs', done: 16, total: 16, unit: 'pairs' },
    ]);
  });

  it('compares at several β, and trains a loss that ignores it once', async () => {
    const line = [
      ...['compare', '--model', at('tiny'), '--data', at('pairs.jsonl'), '--batch-size', 4],
      ...['--eval-share', 0.25, '--lr', '1e-2', '--seeds', '0,1', '--lora-r', 4],
    ];
    const outputs = ['--out', at('betas'), '--report', at('betas.html')];
    const grid = [...line, '--arms', 'dpo,minor-dpo,sft', '--betas', '0.1,0.5', ...outputs];
    const { code, json } = await plumbline(home, [...grid, '--json']);
    expect(code).toBe(0);
    const { comparison, verdicts, itemComparisons, selection } = json<CompareResult>();
    const folders = [0, 1].flatMap((seed) =>
      [
        ...[
          'dpo-lr1e-2-beta0.1',
          'dpo-lr1e-2-beta0.5',
          'minor-dpo-lr1e-2-beta0.1',
          'minor-dpo-lr1e-2-beta0.5',
        ],
        'sft-lr1e-2',
      ].map((name) => at(`betas/${name}-seed${seed}`)),
    );
    expect(comparison.runs.map(({ adapterPath }) => adapterPath).sort()).toEqual(folders.sort());
    expect(comparison.betas).toEqual([0.1, 0.5]);
    expect(comparison.onlyDiffers).toEqual(['loss']);
    expect(comparison.command).toContain('--betas 0.1,0.5');
    expect(pairingProofs(comparison).map(({ paired }) => paired)).toEqual([true, true]);
    const { promptHashes } = comparison.base;
    expect(promptHashes).toHaveLength(comparison.base.pairs);
    expect(new Set(promptHashes).size).toBe(comparison.base.pairs);
    expect(itemComparisons.map(({ beta, arm, items, seeds }) => [beta, arm, items, seeds.length])).toEqual(
      [0.1, 0.5].flatMap((beta) => [
        [beta, 'minor-dpo', comparison.base.pairs, 2],
        [beta, 'sft', comparison.base.pairs, 2],
      ]),
    );
    expect(selection!.words).toMatch(/^too few pairs to choose/);
    expect(
      verdicts.filter(({ primary }) => primary).map((each) => [each.beta, each.arm, each.differences.length]),
    ).toEqual(
      [0.1, 0.5].flatMap((beta) => [
        [beta, 'minor-dpo', 2],
        [beta, 'sft', 2],
      ]),
    );

    // β is what the runs were trained with: those at one β are the same as where only that one is asked for.
    const single = await plumbline(home, [...line, '--arms', 'dpo,sft', '--beta', 0.5, '--json']);
    const alone = single.json<CompareResult>().comparison;
    const both = (
      await plumbline(home, [...line, '--arms', 'dpo,sft', '--betas', '0.1,0.5', '--json'])
    ).json<CompareResult>();
    const evaluations = (of: typeof alone, loss: string) =>
      runsOf(of, loss, 1e-2, 0.5).map(({ evaluation }) => ({
        ...evaluation,
        // Every arm's loss is taken at every β.
        losses: new Map(
          evaluation!
            .losses!.filter(({ beta = 0.5 }) => beta === 0.5)
            .map(({ arm: name, loss: value }) => [name, value]),
        ),
      }));
    for (const loss of ['dpo', 'sft']) {
      expect(evaluations(alone, loss)).toHaveLength(2);
      expect(evaluations(both.comparison, loss)).toEqual(evaluations(alone, loss));
    }
    const [calm] = runsOf(both.comparison, 'dpo', 1e-2, 0.1);
    expect(calm!.evaluation).not.toEqual(evaluations(alone, 'dpo')[0]);
    const listed = await plumbline(home, ['runs', 'list', '--limit', 3]);
    expect(
      listed.out
        .trimEnd()
        .split('\n')
        .map((row) => row.trim().split(/ +/).slice(2, 5)),
    ).toEqual([
      ['LOSS', 'LR', 'BETA'],
      ['dpo', '1e-2', '0.1'],
      ['sft', '1e-2', '1'],
      ['dpo', '1e-2', '0.5'],
    ]);
  });

  it('marks a run that diverges, trains the others and says so', async () => {
    const short = args.slice(0, args.indexOf('--lr'));
    const line = [...short, '--lr', '1e-3,1e30', '--arms', 'dpo', '--warmup', 0, '--out', at('diverged')];
    const { code, json } = await plumbline(home, [...line, '--json']);
    expect(code).toBe(0);
    const { runs } = json<CompareResult>().comparison;
    expect(runs.map(({ status }) => status)).toEqual(['finished', 'diverged']);
    expect(runs[1]!.divergedAt).toBe(2);
    const human = await plumbline(home, line);
    expect(human.err).toMatch(/dpo, lr 1e\+30, seed 0: the loss is not finite .* at step 2/);
    expect(human.out).toMatch(/Diverged: dpo at lr 1e\+30, seed 0, step 2\./);
    // One arm has nothing to be paired with.
    expect(human.out).not.toContain('Only the loss differs');
    expect(human.out).not.toContain('\n\n\n');
  });
});
