/** Records and folders for this room's tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewComparison } from './comparisons.ts';
import type { NewDataset } from './datasets.ts';
import type { NewModel } from './models.ts';
import type { NewRun } from './runs.ts';

export const sampleModel: NewModel = {
  name: 'small',
  hash: 'a'.repeat(64),
  source: '/somewhere/small.gguf',
  folder: '/home/models/small',
  weightsFolder: '/home/models/small/weights',
  architecture: 'llama',
  parameters: 134_515_008,
};

export const sampleDataset: NewDataset = {
  name: 'pairs',
  hash: 'd'.repeat(64),
  source: 'pairs.jsonl',
  format: 'preference',
  conversational: true,
};

export const sampleComparison: NewComparison = {
  kind: 'grid',
  config: { losses: ['dpo', 'minor-dpo'], learningRates: [5e-6, 5e-5], seeds: [0, 1] },
  baseHash: 'a'.repeat(64),
  dataHash: 'd'.repeat(64),
};

export const sampleRun: NewRun = {
  loss: 'minor-dpo',
  seed: 7,
  orderSeed: 2 ** 53 - 1,
  learningRate: 5e-6,
  beta: 0.1,
  config: { rank: 16 },
  baseHash: 'a'.repeat(64),
  dataHash: 'd'.repeat(64),
};

/** A folder of the test's own, and how to remove it. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'plumbline-store-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
