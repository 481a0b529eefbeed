import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Evaluation } from '../../src/shared/comparison.ts';
import type { CompareResult } from '../../src/shared/contract.ts';
import { demoSettings } from '../../src/shared/demo.ts';
import { plumbline, scratchFolder } from './support.ts';

const scratch = scratchFolder();
afterAll(() => scratch.remove());

it('the demo trains the whole bundled example, and says more than that seeds are too few', async () => {
  const report = join(scratch.path, 'demo.html');
  const shown = await plumbline(join(scratch.path, 'home'), ['demo', '--report', report, '--json']);
  expect(shown.code, shown.err).toBe(0);
  const { comparison, verdicts } = shown.json<CompareResult>();
  const { arms, learningRates, seeds } = demoSettings;
  expect(comparison.runs).toHaveLength(arms.length * learningRates.length * seeds.length);
  const accuracy = ({ task }: Evaluation): number => task!.correct / task!.questions;
  // A torch prototype of the example has both losses lift exact match at the lower rate.
  const lower = comparison.runs.filter(({ learningRate }) => learningRate === learningRates[0]);
  expect(lower).toHaveLength(arms.length * seeds.length);
  for (const { evaluation } of lower)
    expect(accuracy(evaluation!)).toBeGreaterThan(accuracy(comparison.base));
  const html = readFileSync(report, 'utf8');
  expect(verdicts.length).toBeGreaterThan(0);
  for (const { words } of verdicts) {
    expect(words).not.toContain('too few seeds');
    expect(html).toContain(words);
  }
}, 900_000);
