import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fixture } from '../../formats/testing.ts';
import { readTensorFloat32 } from '../../formats/safetensors.ts';
import { Generator } from '../generate/generator.ts';
import type { ModelSource } from '../models/family.ts';
import { openModel } from '../models/load.ts';
import { selectTargets, startAdapter, type LoraTrainable } from './adapter.ts';
import { trainableLayout } from './graphs.ts';
import { mergePolicy } from './merge.ts';
import { Random } from './random.ts';

const scratch = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-merge-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

function tensorOf({ weights }: ModelSource, name: string): Float32Array {
  const tensor = weights!.tensors.get(name)!;
  return readTensorFloat32({ path: join(weights!.folder, tensor.file) }, { ...tensor, name });
}

test('adds (B A)·scale to the weights that have an adapter, and to no other', async () => {
  const source = openModel(fixture('llama/tied'), fixture('llama/tied'));
  const targets = selectTargets(source, ['q_proj', 'down_proj']);
  const lora: LoraTrainable = { kind: 'lora', rank: 3, scale: 1.5, targets };
  const random = new Random(4, 'update');
  const parameters = startAdapter(lora, 1).map((value) => value || 0.1 * random.normal());
  const { entries } = trainableLayout(source, lora);
  const trained = (name: string): Float32Array => {
    const { offset, size } = entries.find((entry) => entry.name === name)!;
    return parameters.subarray(offset, offset + size);
  };
  const merged = await mergePolicy(source, lora, parameters, scratch());
  let changed = 0;
  for (const [name, shape] of source.family.parameterShapes(source.config)) {
    const [before, after] = [tensorOf(source, name), tensorOf(merged, name)];
    const target = targets.find(({ path }) => `${path}.weight` === name);
    if (!target) {
      expect(after, name).toEqual(before);
      continue;
    }
    changed += 1;
    const [a, b] = [trained(`${target.path}.lora_A`), trained(`${target.path}.lora_B`)];
    const [out, inner] = shape as [number, number];
    for (let row = 0; row < out; row++) {
      for (let column = 0; column < inner; column++) {
        let update = 0;
        for (let at = 0; at < 3; at++) update += b[row * 3 + at]! * a[at * inner + column]!;
        const expected = before[row * inner + column]! + 1.5 * update;
        expect(after[row * inner + column], `${name}[${row}, ${column}]`).toBeCloseTo(expected, 6);
      }
    }
  }
  expect(changed).toBe(2 * source.config.layers);
});

test('a policy of which all is trained is its own weights', async () => {
  const source = openModel(fixture('llama/tied'), fixture('llama/tied'));
  const { size, entries } = trainableLayout(source, { kind: 'full' });
  const parameters = Float32Array.from({ length: size }, (_, place) => Math.sin(place));
  const merged = await mergePolicy(source, { kind: 'full' }, parameters, scratch());
  for (const { name, offset, size: own } of entries)
    expect(tensorOf(merged, name), name).toEqual(parameters.slice(offset, offset + own));
});

test('gives the log-probs that the fed adapter gives', async () => {
  const source = openModel(fixture('llama/tied'), fixture('llama/tied'));
  const lora: LoraTrainable = {
    kind: 'lora',
    rank: 4,
    scale: 2,
    targets: selectTargets(source, 'all-linear'),
  };
  const random = new Random(5, 'update');
  const parameters = startAdapter(lora, 2).map((value) => value || 0.05 * random.normal());
  const ids = (length: number): Int32Array =>
    Int32Array.from({ length }, () => random.below(source.config.vocabularySize));
  const [prompt, completion] = [ids(9), ids(30)];
  const logProbs = async (model: ModelSource, isFed: boolean): Promise<number[]> => {
    const generator = await Generator.create(model, isFed ? lora : { kind: 'none' }, { maxLength: 64 });
    const given = isFed ? { parameters } : {};
    return generator.score(prompt, completion, given).finally(() => generator.release());
  };
  const fed = await logProbs(source, true);
  const merged = await logProbs(await mergePolicy(source, lora, parameters, scratch()), false);
  const base = await logProbs(source, false);
  const distance = (others: readonly number[]): number =>
    Math.max(...fed.map((value, place) => Math.abs(value - others[place]!)));
  expect(distance(merged)).toBeLessThan(1e-4);
  expect(distance(base), 'the adapter does something').toBeGreaterThan(0.01);
});
