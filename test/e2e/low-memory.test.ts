import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CompareResult } from '../../src/shared/contract.ts';
import type { StepMetrics } from '../../src/shared/metrics.ts';
import {
  readSafetensorsHeader,
  readTensorFloat32,
  writeSafetensors,
} from '../../src/main/formats/safetensors.ts';
import {
  inStore,
  readLines,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
  writeTinyShell,
} from './support.ts';
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

it('reads weights of two bytes where they lie, and trains to the bits of float32 ones', async () => {
  writeTinyModel(at('half'), { dtype: 'F16', seed: 3 });
  const half = readSafetensorsHeader(at('half/model.safetensors'));
  const tensors = [...half.tensors.values()];
  writeTinyShell(at('same'));
  writeSafetensors(
    at('same/model.safetensors'),
    tensors.map((tensor) => ({ ...tensor, data: readTensorFloat32(half, tensor) })),
  );
  await succeed(home, ['models', 'add', at('half'), '--name', 'half']);
  const train = async (model: string, out: string) => {
    const outcome = await succeed(home, [
      ...[
        'train',
        '--loss',
        'dpo',
        '--model',
        model,
        '--data',
        at('pairs.jsonl'),
        '--lr',
        '1e-2',
        '--steps',
        4,
      ],
      ...['--eval-share', 0.25, '--adapter-out', at(out), '--metrics', at(`${out}.jsonl`), '--low-memory'],
    ]);
    return { said: outcome.err, adapter: readFileSync(join(at(out), 'adapter_model.safetensors')) };
  };
  const low = await train('half', 'half-low');
  expect((await train(at('same'), 'same-low')).adapter.equals(low.adapter)).toBe(true);

  // The float32 copy serves other runs; in little memory it is not even opened.
  const copy = inStore(home, (store) => store.models.findByName('half')!.weightsFolder);
  expect(copy).not.toBe(at('half'));
  renameSync(join(copy, 'model.safetensors'), at('aside'));
  expect((await train('half', 'again')).adapter.equals(low.adapter)).toBe(true);
  renameSync(at('aside'), join(copy, 'model.safetensors'));

  // Changed since, they are no longer what was imported: the copy is.
  const bytes = readFileSync(at('half/model.safetensors'));
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(at('half/model.safetensors'), bytes);
  const changed = await train('half', 'changed');
  expect(changed.said).toContain(
    'the files that model half was made of have changed; its float32 copy is used',
  );
  expect(changed.adapter.equals(low.adapter)).toBe(true);
});
