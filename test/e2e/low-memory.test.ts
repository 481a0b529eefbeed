import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CompareResult } from '../../src/shared/contract.ts';
import type { StepMetrics } from '../../src/shared/metrics.ts';
import { readLines, scratchFolder, sums, writeLines, writeTinyModel } from './support.ts';
import { succeed } from './succeed.ts';

const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
const at = (name: string): string => join(folder, name);
const shared = [
  ...['--model', at('tiny'), '--data', at('pairs.jsonl'), '--batch-size', 4, '--eval-share', 0.25],
  ...['--lr', '1e-2', '--lora-r', 4, '--steps', 8],
];
beforeAll(() => {
  writeTinyModel(at('tiny'));
  writeLines(at('pairs.jsonl'), sums(16));
});
afterAll(remove);

it('trains in little memory to the same numbers, and c and r are exactly 0 at the start', async () => {
  const run = async (name: string, more: readonly string[]): Promise<readonly StepMetrics[]> => {
    const metrics = at(`${name}.jsonl`);
    const args = [
      'train',
      '--loss',
      'minor-dpo',
      ...shared,
      ...more,
      '--adapter-out',
      at(name),
      '--metrics',
      metrics,
      '--json',
    ];
    await succeed(home, args);
    return readLines<StepMetrics>(metrics);
  };
  const plain = await run('plain', []);
  const low = await run('low', ['--low-memory']);
  expect(low).toHaveLength(8);
  expect(low[0]!['rewards/margins']).toBe(0);
  low.forEach((step, place) => {
    const other = plain[place]!;
    expect(Math.abs(step.loss! - other.loss!)).toBeLessThan(1e-4);
    expect(step.grad_norm! / other.grad_norm!).toBeCloseTo(1, 4);
  });
});

it('is said in the command that repeats a comparison', async () => {
  const args = ['compare', ...shared, '--arms', 'dpo,minor-dpo', '--seeds', '0', '--low-memory', '--json'];
  const { comparison } = (await succeed(home, args)).json<CompareResult>();
  expect(comparison.command).toContain('--low-memory');
});
