import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServices } from '../../src/main/service/index.ts';
import { pairingProofs } from '../../src/shared/comparison.ts';
import { parseSharedSettings } from '../../src/shared/config.ts';
import type {
  CompareResult,
  PlanResult,
  RunDetails,
  RunsResult,
  TrainResult,
} from '../../src/shared/contract.ts';
import type { StepMetrics } from '../../src/shared/metrics.ts';
import type { Plan } from '../../src/shared/plan.ts';
import { plumbline, readLines, scratchFolder, sums, writeLines, writeTinyModel } from './support.ts';

const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
const at = (name: string): string => join(folder, name);

describe('compare with SFT first', () => {
  const line = [
    ...['--model', at('tiny'), '--data', at('pairs.jsonl'), '--batch-size', 4, '--eval-share', 0.25],
    ...['--lora-r', 4],
  ];
  const grid = [
    ...['compare', ...line, '--lr', '1e-2', '--seeds', '0,1', '--sft-first', '2e-2', '--sft-epochs', 2],
    ...['--out', at('staged')],
  ];
  let staged: CompareResult;
  beforeAll(async () => {
    writeTinyModel(at('tiny'));
    writeLines(at('pairs.jsonl'), sums(16));
    const { code, json } = await plumbline(home, [...grid, '--report', at('staged.html'), '--json']);
    expect(code).toBe(0);
    staged = json<CompareResult>();
  });
  afterAll(remove);

  it('trains one SFT per seed, from which every arm of that seed starts as its own reference', () => {
    const { comparison, verdicts } = staged;
    const { runs, sftFirst } = comparison;
    expect(runs.map(({ loss, seed }) => `${loss} ${seed}`)).toEqual([
      ...['dpo 0', 'minor-dpo 0', 'dpo 1', 'minor-dpo 1'],
    ]);
    expect(sftFirst).toMatchObject({ learningRate: 2e-2, epochs: 2 });
    expect(sftFirst!.runs.map(({ loss, seed, metrics }) => [loss, seed, metrics.length])).toEqual([
      ['sft', 0, 6],
      ['sft', 1, 6],
    ]);
    for (const { loss } of verdicts.flatMap(({ arm, against }) => [{ loss: arm }, { loss: against }]))
      expect(['dpo', 'minor-dpo']).toContain(loss);
    const proofs = pairingProofs(comparison);
    expect(proofs.map(({ paired }) => paired)).toEqual([true, true]);
    const starts = proofs.map(({ adapterStartHashes }) => adapterStartHashes[0]);
    expect(new Set([...starts, ...sftFirst!.runs.map((run) => run.adapterStartHash)]).size).toBe(4);
    for (const { metrics } of runs) {
      expect(metrics[0]!['logratio/chosen_per_token']).toBe(0);
      expect(metrics[0]!['logratio/rejected_per_token']).toBe(0);
    }
    // It has learnt something: chosen answers are likelier than under the base.
    for (const run of sftFirst!.runs) expect(run.evaluation!.meanChosenLogRatio).toBeGreaterThan(1);
  });

  it('equals a training of SFT, then one from its adapter', async () => {
    const seed = ['--seed', 1];
    await plumbline(home, [
      ...['train', ...line, ...seed, '--loss', 'sft', '--lr', '2e-2', '--epochs', 2],
      ...['--metrics', at('sft.jsonl'), '--adapter-out', at('sft-alone')],
    ]);
    const [, stage] = staged.comparison.sftFirst!.runs;
    const close = (found: readonly StepMetrics[], file: string): void => {
      const alone = readLines<StepMetrics>(file);
      expect(found).toHaveLength(alone.length);
      // One graph holds one loss, the other three: the same numbers but for the last bits.
      for (const [place, { loss, grad_norm }] of alone.entries()) {
        expect(Math.abs(found[place]!.loss! - loss!)).toBeLessThan(1e-5);
        expect(Math.abs(found[place]!.grad_norm! / grad_norm! - 1)).toBeLessThan(1e-4);
      }
    };
    close(stage!.metrics, at('sft.jsonl'));
    const lines = line.slice(0, -2);
    const start = stage!.adapterPath!;
    const { code, json } = await plumbline(home, [
      ...['train', ...lines, ...seed, '--loss', 'minor-dpo', '--lr', '1e-2', '--init-adapter', start],
      ...['--metrics', at('after.jsonl'), '--adapter-out', at('after'), '--json'],
    ]);
    expect(code).toBe(0);
    const arm = staged.comparison.runs.find((run) => run.loss === 'minor-dpo' && run.seed === 1)!;
    close(arm.metrics, at('after.jsonl'));
    const { run } = json<TrainResult>();
    const shown = (await plumbline(home, ['runs', 'show', run, '--json'])).json<RunDetails>();
    expect(shown.hashes.start).toBe(arm.adapterStartHash);
    expect(shown.evaluation!.meanMargin).toBeCloseTo(arm.evaluation!.meanMargin, 3);
  });

  it('says so in its table, report, command and list of runs, and computes no reference twice', async () => {
    const sentence =
      'Every arm starts from SFT on the chosen answers (lr 2e-2, 2 epochs), one for each seed, which is also its';
    expect(staged.table.replaceAll('\n', ' ')).toContain(sentence);
    expect(staged.table).toMatch(/^2e-2 +sft first +2\/2 /m);
    const page = readFileSync(at('staged.html'), 'utf8').replace(/<script[^]*?<\/script>/g, '');
    expect(page.replace(/\s+/g, ' ')).toContain(sentence);
    expect(page).toContain('--sft-first 0.02 --sft-epochs 2');
    const list = (await plumbline(home, ['runs', 'list', '--json'])).json<RunsResult>().runs;
    const stages = list.filter(({ role }) => role === 'stage');
    expect(stages.map(({ loss, seed, status }) => `${loss} ${seed} ${status}`)).toEqual([
      ...['sft 0 finished', 'sft 1 finished'],
    ]);
    const arm = stages[0]!.id + 1;
    const outputs = ['--metrics', at('fork.jsonl'), '--adapter-out', at('fork')];
    const fork = await plumbline(home, ['runs', 'fork', arm, '--lr', '1e-3', ...outputs]);
    expect([fork.code, fork.err]).toEqual([1, expect.stringContaining(`export run ${stages[0]!.id}`)]);

    const services = await createServices({ home });
    const bars = new Map<string, number[]>();
    const { comparison } = await services.compare(
      {
        ...{ model: at('tiny'), data: at('pairs.jsonl'), arms: ['dpo'], learningRates: [1e-3], seeds: [0] },
        sftFirst: { learningRate: 2e-2, epochs: 2 },
        shared: parseSharedSettings({ batchSize: 4, evalShare: 0.25, lora: { rank: 4 }, threads: 1 }),
      },
      {
        onProgress(event) {
          if (event.kind !== 'progress' || !event.label.startsWith('reference')) return;
          bars.set(event.label, [...(bars.get(event.label) ?? []), event.done]);
        },
      },
    );
    await services.close();
    expect(comparison.runs).toHaveLength(1);
    expect([...bars.keys()]).toEqual([
      'reference log-probs',
      'reference log-probs of sft first, lr 2e-2, seed 0',
    ]);
  });

  it('ends where SFT diverges, naming what to lower', async () => {
    const hot = ['compare', ...line, '--sft-first', '1e30', '--warmup', 0];
    const { code, err } = await plumbline(home, hot);
    expect(code).toBe(1);
    expect(err).toMatch(/sft first, lr 1e\+30, seed 0: .*not finite.*lower --sft-first/);
    const last = (await plumbline(home, ['runs', 'list', '--limit', 3, '--json'])).json<RunsResult>().runs;
    const [stage] = last;
    expect([stage!.role, stage!.divergedAt !== undefined]).toEqual(['stage', true]);
    const again = await plumbline(home, ['runs', 'resume', stage!.id]);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('lower --sft-first')]);
  });

  it('plans its steps and references', async () => {
    const plan = async (...more: (string | number)[]) =>
      (
        await plumbline(at('plan-home'), [
          'plan',
          ...grid.slice(0, grid.indexOf('--sft-first')),
          ...more,
          '--json',
        ])
      ).json<PlanResult>().plan;
    const part = ({ disk }: Plan, name: string): number =>
      disk
        .flatMap(({ parts }) => parts)
        .filter((each) => each.name === name)
        .reduce((sum, { amount }) => sum + amount, 0);
    const [without, withIt] = [
      await plan('--out', at('p')),
      await plan('--out', at('p'), '--sft-first', '1e-2'),
    ];
    // Four arms, and two runs more.
    expect(part(withIt, 'adapters') / part(without, 'adapters')).toBeCloseTo(6 / 4, 6);
  });
});
