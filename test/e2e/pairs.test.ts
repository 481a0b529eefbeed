import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServices } from '../../src/main/service/index.ts';
import type { ComparisonDetails, PairHistory, RunEvaluationsResult } from '../../src/shared/contract.ts';
import type { StepMetrics } from '../../src/shared/metrics.ts';
import { succeed } from './succeed.ts';
import {
  plumbline,
  readLines,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
  writeTinyShell,
} from './support.ts';

const { path: folder, remove } = scratchFolder();
const at = (name: string): string => join(folder, name);
const home = at('home');
const beta = 0.2;
const rows = 12;
const epochs = 4;
/** Batches of 2 × 2 pairs: three steps an epoch. */
const steps = (epochs * rows) / 4;

interface Pairs {
  readonly run: number;
  readonly pairs: readonly PairHistory[];
}
const pairsOf = async (...args: (string | number)[]): Promise<Pairs> =>
  (await succeed(home, ['runs', 'pairs', ...args, '--json'])).json<Pairs>();
const train = (loss: string, ...more: string[]): string[] => [
  ...['train', '--model', 'tiny', '--data', at('pairs.jsonl'), '--eval-data', at('held.jsonl')],
  ...['--loss', loss, '--lr', '2e-2', '--batch-size', '2', '--grad-accum', '2', '--epochs', String(epochs)],
  ...['--metrics', at(`${loss}.jsonl`), '--adapter-out', at(loss), ...more],
];
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
/** Of all pairs at one step. */
const atStep = (pairs: readonly PairHistory[], step: number, name: 'c' | 'r'): number[] =>
  pairs.flatMap((pair) => {
    const place = pair.steps.indexOf(step);
    return place < 0 ? [] : [pair[name]![place]!];
  });

beforeAll(async () => {
  writeTinyModel(at('tiny'));
  await succeed(home, ['models', 'add', at('tiny')]);
  writeLines(at('pairs.jsonl'), sums(rows));
  writeLines(at('held.jsonl'), sums(5, 100));
  await succeed(home, train('minor-dpo', '--beta', String(beta), '--eval-every', '4'));
}, 120_000);
afterAll(remove);

describe('c and r of every pair', () => {
  it('give the rewards and the gate that each step told', async () => {
    const { pairs } = await pairsOf(1);
    expect(pairs.map(({ row }) => row)).toEqual(Array.from({ length: rows }, (_, row) => row));
    // Every pair once an epoch.
    for (const { steps: seen } of pairs)
      expect(seen.map((step) => Math.ceil(step / 3))).toEqual([1, 2, 3, 4]);
    // Step 0 is the start's evaluation alone.
    const told = readLines<StepMetrics>(at('minor-dpo.jsonl')).filter(({ step }) => step > 0);
    expect(told).toHaveLength(steps);
    for (const metrics of told) {
      const [c, r] = [atStep(pairs, metrics.step, 'c'), atStep(pairs, metrics.step, 'r')];
      expect(c).toHaveLength(4);
      expect(metrics['rewards/chosen']).toBeCloseTo(beta * mean(c), 9);
      expect(metrics['rewards/rejected']).toBeCloseTo(beta * mean(r), 9);
      expect(metrics['gate/open']).toBe(mean(r.map((value) => Number(value > 0))));
    }
    expect(new Set(atStep(pairs, 1, 'r'))).toEqual(new Set([0]));
  });

  it('say when a gate closed and opened', async () => {
    const { pairs } = await pairsOf(1);
    const changed = pairs.filter(({ gate }) => gate.length > 0);
    expect(changed.length).toBeGreaterThan(0);
    for (const { steps: seen, r, gate } of pairs) {
      // By hand: what each sight says against the one before.
      const expected = seen.flatMap((step, place) => {
        if (place === 0 || r![place]! > 0 === r![place - 1]! > 0) return [];
        return [{ step, to: r![place]! > 0 ? 'open' : 'closed' }];
      });
      expect(gate).toEqual(expected);
    }
    const [{ row, gate }] = changed as [PairHistory];
    const text = (await succeed(home, ['runs', 'pairs', 1, '--row', row])).out;
    expect(text).toContain(`${gate[0]!.to === 'open' ? 'opened' : 'closed'} at step ${gate[0]!.step}`);
    expect((await succeed(home, ['runs', 'pairs', 1])).out.trim().split('\n')).toHaveLength(1 + rows);
  });

  it('are kept of held-out pairs at every evaluation', async () => {
    const { pairs } = await pairsOf(1, '--held-out');
    expect(pairs).toHaveLength(5);
    const { evaluations } = (
      await succeed(home, ['runs', 'evaluations', 1, '--json'])
    ).json<RunEvaluationsResult>();
    expect(evaluations.map(({ step }) => step)).toEqual([0, 4, 8, 12]);
    for (const { step, evaluation } of evaluations) {
      // Kept in single precision.
      expect(mean(atStep(pairs, step, 'c'))).toBeCloseTo(evaluation.meanChosenLogRatio, 4);
      expect(mean(atStep(pairs, step, 'r'))).toBeCloseTo(evaluation.meanRejectedLogRatio, 4);
    }
    expect(evaluations.at(-1)!.evaluation.meanChosenLogRatio).not.toBeCloseTo(0, 1);
    const { pairs: some } = await pairsOf(1, '--held-out', '--row', 2, '--from', 1, '--to', 8);
    expect(some).toEqual([
      expect.objectContaining({
        row: 2,
        steps: [4, 8],
        c: pairs[2]!.c.slice(1, 3),
        r: pairs[2]!.r!.slice(1, 3),
      }),
    ]);
  });

  it('are not there where a loss has no reference, and r is not where it has no rejected answer', async () => {
    await succeed(home, train('simpo'));
    expect((await pairsOf(2)).pairs).toEqual([]);
    expect((await succeed(home, ['runs', 'pairs', 2])).out).toContain('nothing is on record');
    await succeed(home, train('minor-sft'));
    const { pairs } = await pairsOf(3);
    expect(pairs).toHaveLength(rows);
    for (const pair of pairs) {
      expect(pair).not.toHaveProperty('r');
      expect(pair.gate).toEqual([]);
    }
    // The end's evaluation is there for every loss.
    expect((await pairsOf(2, '--held-out')).pairs.map(({ steps: seen }) => seen)).toEqual(
      Array.from({ length: 5 }, () => [steps]),
    );
  });

  it('are left out where no room is given, and refused for a run that is not there', async () => {
    await succeed(home, ['settings', 'set', 'keepPairs', 0]);
    await succeed(
      home,
      train('dpo', '--steps', '2').filter((word) => !['--epochs', String(epochs)].includes(word)),
    );
    expect((await pairsOf(4)).pairs).toEqual([]);
    const outcome = await plumbline(home, ['runs', 'pairs', 99]);
    expect([outcome.code, outcome.err]).toEqual([1, expect.stringContaining('no run 99')]);
    const report = await succeed(home, ['doctor', '--json']);
    expect(report.json<{ findings: unknown[] }>().findings).toEqual([]);
    const raw = new Sqlite(join(home, 'plumbline.db'));
    raw.exec(`UPDATE pair_telemetry SET last_step = last_step + 1 WHERE run_id = 1 AND side = 'train'`);
    raw.close();
    const damaged = (await succeed(home, ['doctor', '--json'])).json<{ findings: unknown[] }>();
    expect(damaged.findings).toEqual([
      expect.objectContaining({ severity: 'warning', kind: 'pairs', name: 'run 1' }),
    ]);
  });
});

describe('log-probs of tokens under a run and under what it is measured against', () => {
  const chat = [...sums(1, 200)].map(({ prompt, chosen, rejected }) => ({
    prompt: [
      { role: 'user', content: 'Do you add?' },
      { role: 'assistant', content: 'I do.' },
      { role: 'user', content: prompt },
    ],
    chosen: [{ role: 'assistant', content: chosen }],
    rejected: [{ role: 'assistant', content: rejected }],
  }));

  it.each([
    ['the base', [], sums(1, 100)[0]!],
    ['the SFT before it', ['--sft-first', '2e-2'], sums(1, 100)[0]!],
    ['the base, in a conversation', [], chat[0]!],
  ])(
    'add up to c and r: %s',
    async (_what, more, row) => {
      const held = writeLines(at('one.jsonl'), [row]);
      const training =
        typeof row.prompt === 'string'
          ? at('pairs.jsonl')
          : writeLines(
              at('chats.jsonl'),
              sums(rows).map(({ prompt, chosen, rejected }) => ({
                prompt: [{ role: 'user', content: prompt }],
                chosen: [{ role: 'assistant', content: chosen }],
                rejected: [{ role: 'assistant', content: rejected }],
              })),
            );
      await succeed(home, [
        ...['compare', '--model', 'tiny', '--data', training, '--eval-data', held, '--arms', 'dpo'],
        ...['--lr', '2e-2', '--seeds', '0', '--steps', '6', '--batch-size', '4', ...more],
      ]);
      const services = await createServices({ home });
      try {
        const { comparisons } = await services.listComparisons({});
        const { members, result } = await services.showComparison({ comparison: comparisons.at(-1)!.id });
        expect(members.some(({ role }) => role === 'stage')).toBe(more.length > 0);
        const arm = members.find(({ role }) => role === undefined)!;
        const { c, r } = (result as ComparisonDetails['result'])!.runs[0]!.evaluation!.perPair![0]!;
        for (const [answer, expected] of [[row.chosen, c] as const, [row.rejected, r] as const]) {
          const request = { prompt: row.prompt, completion: answer, chat: false };
          const ours = await services.scoreText({ ...request, policy: { run: arm.id } });
          const reference = await services.scoreText({ ...request, policy: { referenceOf: arm.id } });
          expect(ours.tokens.map(({ id }) => id)).toEqual(reference.tokens.map(({ id }) => id));
          const differences = ours.tokens.map(({ logProb }, at_) => logProb - reference.tokens[at_]!.logProb);
          // Decoding sums in another order than training does.
          expect(differences.reduce((sum, value) => sum + value, 0)).toBeCloseTo(expected, 2);
          expect(Math.abs(expected)).toBeGreaterThan(0.1);
        }
      } finally {
        await services.close();
      }
    },
    120_000,
  );

  it('are refused where a run began with random weights', async () => {
    writeTinyShell(at('shell'));
    await succeed(home, [
      ...['train', '--init', join(at('shell'), 'config.json'), '--data', at('pairs.jsonl'), '--loss', 'sft'],
      ...['--steps', '1', '--metrics', at('fresh.jsonl'), '--adapter-out', at('fresh')],
    ]);
    const services = await createServices({ home });
    try {
      const { id } = (await services.listRuns({})).runs.findLast(
        ({ loss, comparison }) => loss === 'sft' && comparison === undefined,
      )!;
      const asked = services.scoreText({
        policy: { referenceOf: id },
        ...{ prompt: 'a', completion: 'b', chat: false },
      });
      await expect(asked).rejects.toThrow(/random weights/);
    } finally {
      await services.close();
    }
  });
});
