import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StepMetrics } from '../../src/shared/metrics.ts';
import {
  plumbline,
  readLines,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
  type Outcome,
} from './support.ts';

/** What would give wrong numbers, or lose work, without a word. */
const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
const at = (name: string): string => join(folder, name);
const run = async (...args: (string | number)[]): Promise<Outcome> => {
  const outcome = await plumbline(home, args);
  expect(outcome.code, outcome.err).toBe(0);
  return outcome;
};

beforeAll(() => {
  writeLines(at('pairs.jsonl'), sums(12));
  writeLines(at('held.jsonl'), sums(4, 100));
});
afterAll(remove);

describe('log-ratios at the start', () => {
  it.each([
    ['an adapter', []],
    ['every weight', ['--full']],
    ['every weight against the base', ['--full', '--reference', 'base']],
  ])('are exactly 0 when %s is trained, also where sums are long enough to be blocked', async (_, flags) => {
    const wide = { hidden_size: 320, intermediate_size: 640, num_attention_heads: 8, head_dim: 40 };
    writeTinyModel(at('wide'), { config: { ...wide, num_key_value_heads: 4, initializer_range: 0.05 } });
    const common = ['--model', at('wide'), '--data', at('pairs.jsonl'), '--loss', 'minor-dpo'];
    const steps = ['--lr', 0, '--batch-size', 1, '--steps', 12];
    await run('train', ...common, ...steps, ...flags, '--metrics', at('m.jsonl'), '--adapter-out', at('out'));
    for (const step of readLines<StepMetrics>(at('m.jsonl'))) {
      expect([step['rewards/chosen'], step['rewards/rejected'], step['gate/open']]).toEqual([0, 0, 0]);
    }
  });
});
