import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CompareResult } from '../../src/shared/contract.ts';
import { plumbline, scratchFolder, sums, writeLines, writeTinyModel } from './support.ts';

const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  writeTinyModel(at('tiny'));
  writeLines(at('pairs.jsonl'), sums(16));
});
afterAll(remove);

describe('what is measured beside the verdict', () => {
  it('finds no KL at all where nothing was learnt, and draws as many samples as are asked for', async () => {
    const { code, json } = await plumbline(home, [
      ...[
        'compare',
        '--model',
        at('tiny'),
        '--data',
        at('pairs.jsonl'),
        '--batch-size',
        4,
        '--eval-share',
        0.25,
      ],
      ...['--lr', 0, '--seeds', 0, '--lora-r', 4, '--kl-prompts', 3, '--json'],
    ]);
    expect(code).toBe(0);
    const { comparison } = json<CompareResult>();
    expect(comparison.command).toContain('--kl-prompts 3');
    for (const { evaluation } of comparison.runs) {
      expect(evaluation!.klToReference).toMatchObject({ samples: 3, perToken: 0, standardError: 0 });
      // The same draws from the same distributions.
      expect(evaluation!.generation).toEqual(comparison.base.generation);
    }
    expect(comparison.base.generation).toMatchObject({ answers: 3, decoding: 'sampled' });
  });

  it('says which loss broke at which learning rate and since when, in table, report and heat map', async () => {
    const { code, json } = await plumbline(home, [
      ...[
        'compare',
        '--model',
        at('tiny'),
        '--data',
        at('pairs.jsonl'),
        '--batch-size',
        4,
        '--eval-share',
        0.25,
      ],
      // A step this large leaves nothing of a model.
      ...['--lr', '1e-6,3', '--scheduler', 'constant', '--warmup', 0, '--seeds', 0, '--lora-r', 4],
      ...['--kl-prompts', 3, '--eval-every', 1, '--report', at('report.html'), '--json'],
    ]);
    expect(code).toBe(0);
    const { collapses, comparison, table } = json<CompareResult>();
    expect(new Set(collapses.map(({ learningRate }) => learningRate))).toEqual(new Set([3]));
    expect(collapses.map(({ arm }) => arm)).toEqual(['dpo', 'minor-dpo']);
    const [first] = collapses;
    expect(first!.words).toMatch(/^dpo collapsed at lr 3 in 1 of 1 seed: .*(since step \d|at the end)/);
    expect(comparison.runs[0]!.evaluations!.map(({ step }) => step)).toEqual([0, 1, 2]);
    expect(JSON.stringify(comparison.runs[0]!.evaluations)).not.toContain('prompt');
    // The KL is measured at every step: nothing before the first one, and a blow-up at once.
    for (const { evaluations, learningRate } of comparison.runs) {
      const [start, first] = evaluations!.map(({ evaluation }) => evaluation.klToReference!);
      expect(start).toMatchObject({ samples: 4, perToken: 0 });
      if (learningRate === 3) expect(first!.perToken).toBeGreaterThan(1);
      else expect(first!.perToken).toBeLessThan(0.01);
    }
    expect(first!.runs[0]!.collapses).toContainEqual(
      expect.objectContaining({ rule: 'kl', since: 1, atEnd: false }),
    );
    expect(table.replaceAll('\n    ', ' ')).toContain(`! ${first!.words}`);
    const page = readFileSync(at('report.html'), 'utf8');
    expect(page).toContain('id="heat-maps"');
    expect(
      page.match(/<small title="c\d+\.collapse\.[^"]*\.runs"\s*>\s*collapsed 1\/1\s*<\/small>/g),
    ).toHaveLength(2);
  });
});
