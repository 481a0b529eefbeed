import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import { readAdapter, writeAdapter, type PeftAdapter } from './peft.ts';
import { writeSafetensors, type TensorToWrite } from './safetensors.ts';
import { fixture, temporaryFolder } from './testing.ts';

type Figures = Record<string, { shape: number[]; sum: number; last: number }>;

test('reads an adapter that PEFT wrote', () => {
  const adapter = readAdapter(fixture('peft'));
  expect(adapter).toMatchObject({
    rank: 4,
    alpha: 6,
    targets: ['down_proj', 'q_proj'],
    baseModel: 'tiny-llama',
  });
  const expected = JSON.parse(readFileSync(fixture('peft/expected.json'), 'utf8')) as Figures;
  const read: Figures = {};
  for (const [module, { a, aShape, b, bShape }] of adapter.tensors) {
    const figures = (values: Float32Array, shape: readonly number[]) => ({
      shape: [...shape],
      sum: expect.closeTo(
        values.reduce((sum, value) => sum + value, 0),
        10,
      ) as number,
      last: values.at(-1)!,
    });
    read[`${module}.lora_A`] = figures(a, aShape);
    read[`${module}.lora_B`] = figures(b, bShape);
  }
  expect(Object.keys(expected).length).toBe(8);
  expect(expected).toEqual(read);
});

test('writes what it read: the weights file byte for byte, the config with the same meaning', () => {
  const folder = join(temporaryFolder(), 'new', 'adapter');
  writeAdapter(folder, readAdapter(fixture('peft')));
  expect(readdirSync(folder).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
  const bytes = (path: string) => readFileSync(join(path, 'adapter_model.safetensors'));
  expect(bytes(folder)).toEqual(bytes(fixture('peft')));
  const config = (path: string) =>
    JSON.parse(readFileSync(join(path, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
  const ours = config(folder);
  const theirs = config(fixture('peft'));
  expect(ours).toEqual({
    ...Object.fromEntries(Object.keys(ours).map((key) => [key, theirs[key]])),
    target_modules: (theirs['target_modules'] as string[]).sort(),
  });
});

/** A copy of PEFT's adapter with some of its config changed. */
function changed(config: Record<string, unknown>, tensors?: TensorToWrite[]): string {
  const folder = temporaryFolder();
  cpSync(fixture('peft'), folder, { recursive: true });
  const path = join(folder, 'adapter_config.json');
  const old = JSON.parse(readFileSync(path, 'utf8')) as object;
  writeFileSync(path, JSON.stringify({ ...old, ...config }));
  if (tensors !== undefined) writeSafetensors(join(folder, 'adapter_model.safetensors'), tensors);
  return folder;
}

test("folds rank-stabilised LoRA's scale into alpha", () => {
  // PEFT scales by alpha / √r; ours is alpha / r, so with r = 4 alpha doubles.
  expect(readAdapter(changed({ use_rslora: true })).alpha).toBe(12);
});

test.each(['all-linear', '.*\\.(q_proj|down_proj)'])(
  'takes the targets of %s from the tensors',
  (targets) => {
    expect(readAdapter(changed({ target_modules: targets })).targets).toEqual(['down_proj', 'q_proj']);
  },
);

test.each<[Record<string, unknown>, string]>([
  [{ peft_type: 'LOHA' }, 'peft_type "LOHA" is not supported'],
  [{ use_dora: true }, 'use_dora true is not supported'],
  [{ rank_pattern: { q_proj: 8 } }, 'rank_pattern {"q_proj":8} is not supported'],
  [{ alpha_pattern: { q_proj: 8 } }, 'alpha_pattern'],
  [{ modules_to_save: ['lm_head'] }, 'modules_to_save ["lm_head"] is not supported'],
  [{ fan_in_fan_out: true }, 'fan_in_fan_out true is not supported'],
  [{ bias: 'all' }, 'bias "all" is not supported'],
  [{ init_lora_weights: 'pissa' }, 'init_lora_weights "pissa" changes the base weights'],
  [{ r: 0 }, 'r should be a whole number from 1 up, but is 0'],
  [{ lora_alpha: '8' }, 'lora_alpha should be a number, but is "8"'],
  [{ target_modules: ['q_proj', 'down_proj', 'v_proj'] }, 'target v_proj has no tensors'],
  [{ target_modules: ['q_proj'] }, 'mlp.down_proj, which target_modules does not name'],
  [{ target_modules: null }, 'target_modules should be a list or a text, but is null'],
  [{ r: 8 }, 'with r = 8 they should be [8, inputs] and [outputs, 8]'],
])('refuses the config %j', (config, cause) => {
  const folder = changed(config);
  expect(() => readAdapter(folder)).toThrow(InputError);
  expect(() => readAdapter(folder)).toThrow(cause);
});

const key = 'base_model.model.model.layers.0.self_attn.q_proj';
const tensor = (name: string, shape: number[], value = 1) => ({
  name: `${key}.${name}`,
  shape,
  data: new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(value),
});

test.each<[string, TensorToWrite[], string]>([
  ['A alone', [tensor('lora_A.weight', [4, 2])], 'q_proj has lora_A but not its partner'],
  ['B alone', [tensor('lora_B.weight', [2, 4])], 'q_proj has lora_B but not its partner'],
  [
    'a vector',
    [tensor('lora_A.weight', [4]), tensor('lora_B.weight', [2, 4])],
    'lora_A [4] and lora_B [2, 4]',
  ],
  ['B turned', [tensor('lora_A.weight', [4, 2]), tensor('lora_B.weight', [4, 2])], 'and [outputs, 4]'],
  ['NaN', [tensor('lora_A.weight', [4, 2], NaN), tensor('lora_B.weight', [2, 4])], 'holds NaN at element 0'],
  [
    'infinite B',
    [tensor('lora_A.weight', [4, 2]), tensor('lora_B.weight', [2, 4], -Infinity)],
    'holds -Infinity',
  ],
  ['DoRA', [tensor('lora_magnitude_vector', [4])], 'is no LoRA weight of a linear layer'],
  ['embedding', [tensor('lora_embedding_A', [4, 2])], 'is no LoRA weight of a linear layer'],
  ['nothing', [], 'holds no LoRA weights'],
])('refuses the weights: %s', (_, tensors, cause) => {
  const folder = changed({ target_modules: ['q_proj'] }, tensors);
  expect(() => readAdapter(folder)).toThrow(InputError);
  expect(() => readAdapter(folder)).toThrow(cause);
});

test('refuses pickle, a folder without config, and no folder', () => {
  const folder = changed({});
  rmSync(join(folder, 'adapter_model.safetensors'));
  expect(() => readAdapter(folder)).toThrow('adapter_model.safetensors: no such file');
  writeFileSync(join(folder, 'adapter_model.bin'), '');
  expect(() => readAdapter(folder)).toThrow('pickle weights are refused');
  expect(() => readAdapter(temporaryFolder())).toThrow('adapter_config.json: no such file');
  expect(() => readAdapter(join(folder, 'absent'))).toThrow('no such folder');
});

test('a write that fails leaves no config behind, so no adapter', () => {
  const folder = temporaryFolder();
  const adapter = readAdapter(fixture('peft'));
  writeAdapter(folder, adapter);
  const pair = [...adapter.tensors.values()][0]!;
  const broken: PeftAdapter = {
    ...adapter,
    tensors: new Map([['x.q_proj', { ...pair, a: new Float32Array(1) }]]),
  };
  expect(() => writeAdapter(folder, broken)).toThrow('was given 1 elements');
  expect(existsSync(join(folder, 'adapter_config.json'))).toBe(false);
});
