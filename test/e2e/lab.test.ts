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
});
