import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import { importModel, type ImportProgress } from './import-model.ts';
import { readSafetensorsHeader, readTensorFloat32, writeSafetensors } from './safetensors.ts';
import { bytesOf, fixture, shared, temporaryFolder } from './testing.ts';
import { openWeights } from './weights.ts';

const supported = ['LlamaForCausalLM'];
const config = { architectures: ['LlamaForCausalLM'], model_type: 'llama' };

function folderModel(dtype: 'F32' | 'F16', changes: object = {}): string {
  const folder = join(temporaryFolder(), 'my-model');
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, ...changes }));
  writeFileSync(join(folder, 'tokenizer.json'), '{"version":"1.0"}');
  writeFileSync(join(folder, 'tokenizer_config.json'), '{}');
  writeFileSync(join(folder, 'chat_template.jinja'), '{{ messages }}');
  writeFileSync(join(folder, 'unrelated.txt'), '');
  const tensors = [
    { name: 'model.norm.weight', shape: [3], data: Float32Array.of(1, 0.1, -2) },
    { name: 'lm_head.weight', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6e-8) },
  ];
  writeSafetensors(join(folder, 'model.safetensors'), tensors, { dtype });
  return folder;
}

test('uses float32 safetensors where they are', async () => {
  const folder = folderModel('F32');
  const store = join(temporaryFolder(), 'store');
  const model = await importModel(folder, store, { supported });
  expect(model).toMatchObject({
    name: 'my-model',
    source: folder,
    folder,
    weightsFolder: folder,
    parameters: 9,
    architecture: 'LlamaForCausalLM',
  });
  expect(existsSync(store)).toBe(false);
});

test('converts half precision once, and finds it again', async () => {
  const folder = folderModel('F16');
  const store = join(temporaryFolder(), 'store');
  const progress: ImportProgress[] = [];
  const model = await importModel(folder, store, { supported, onProgress: (now) => progress.push(now) });
  expect(model.folder).toBe(join(store, model.hash.slice(0, 16)));
  expect(model.hash).toMatch(/^[0-9a-f]{64}$/);
  expect(readdirSync(store)).toEqual([model.hash.slice(0, 16)]);
  expect(readdirSync(model.folder).sort()).toEqual([
    'chat_template.jinja',
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  expect(readFileSync(join(model.folder, 'config.json'))).toEqual(readFileSync(join(folder, 'config.json')));
  const file = readSafetensorsHeader(join(model.weightsFolder, 'model.safetensors'));
  expect([...file.tensors.values()].map(({ dtype }) => dtype)).toEqual(['F32', 'F32']);
  // The nearest halves of 0.1 and 6e-8.
  expect([...readTensorFloat32(file, file.tensors.get('model.norm.weight')!)]).toEqual([
    1, 0.0999755859375, -2,
  ]);
  expect([...readTensorFloat32(file, file.tensors.get('lm_head.weight')!)]).toEqual([
    1,
    2,
    3,
    4,
    5,
    2 ** -24,
  ]);
  expect(progress.at(-1)).toEqual({ stage: 'convert', done: 36, total: 36 });

  const weights = join(model.folder, 'model.safetensors');
  utimesSync(weights, 1, 1);
  expect(await importModel(folder, store, { supported })).toEqual(model);
  expect(statSync(weights).mtimeMs).toBe(1000);

  // Damaged since: made anew.
  const whole = readFileSync(weights);
  writeFileSync(weights, whole.subarray(0, -4));
  await importModel(folder, store, { supported });
  expect(readFileSync(weights)).toEqual(whole);
});

test('the hash tells apart sources that differ in config, tokenizer or weights, and only those', async () => {
  const store = temporaryFolder();
  const hashOf = async (change: (folder: string) => void) => {
    const folder = folderModel('F32');
    change(folder);
    return (await importModel(folder, store, { supported })).hash;
  };
  const original = await hashOf(() => undefined);
  expect(await hashOf((folder) => writeFileSync(join(folder, 'unrelated.txt'), 'changed'))).toBe(original);
  const others = await Promise.all([
    hashOf((folder) => writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, x: 1 }))),
    hashOf((folder) => writeFileSync(join(folder, 'tokenizer.json'), '{}')),
    hashOf((folder) => {
      const path = join(folder, 'model.safetensors');
      const bytes = readFileSync(path);
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(path, bytes);
    }),
  ]);
  expect(new Set([original, ...others]).size).toBe(4);
});

test('converts a GGUF file with all that its metadata holds', async () => {
  const folder = temporaryFolder();
  cpSync(fixture('gguf/tiny-llama.gguf'), join(folder, 'tiny-llama.gguf'));
  const store = join(folder, 'store');
  const model = await importModel(join(folder, 'tiny-llama.gguf'), store, { supported });
  expect(model).toMatchObject({ name: 'tiny-llama', architecture: 'LlamaForCausalLM' });
  expect(readdirSync(model.folder).sort()).toEqual([
    'chat_template.jinja',
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  const expected = readSafetensorsHeader(fixture('gguf/expected.safetensors'));
  const index = openWeights(model.weightsFolder);
  let parameters = 0;
  for (const [name, tensor] of expected.tensors) {
    const place = index.tensors.get(name)!;
    const values = readTensorFloat32({ path: join(index.folder, place.file) }, { name, ...place });
    expect(bytesOf(values).equals(bytesOf(readTensorFloat32(expected, tensor))), name).toBe(true);
    parameters += values.length;
  }
  expect(index.tensors.size).toBe(expected.tensors.size);
  expect(model.parameters).toBe(parameters);
  // A folder with one GGUF file stands for that file.
  expect(await importModel(folder, store, { supported })).toEqual(model);
  cpSync(fixture('gguf/tiny-llama.gguf'), join(folder, 'other.gguf'));
  await expect(importModel(folder, store, { supported })).rejects.toThrow('holds several GGUF files');
});

test('refuses a config.json beside a GGUF file that is not its own', async () => {
  const folder = temporaryFolder();
  cpSync(fixture('gguf/tiny-llama.gguf'), join(folder, 'tiny-llama.gguf'));
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, vocab_size: 32000 }));
  const both = { supported: [...supported, 'OtherForCausalLM'] };
  const attempt = () => importModel(folder, join(folder, 'store'), both);
  await expect(attempt()).rejects.toThrow(
    /config\.json: vocab_size 32000 is not that of tiny-llama\.gguf, 48$/,
  );
  change(folder, { architectures: ['OtherForCausalLM'] });
  await expect(attempt()).rejects.toThrow('architecture OtherForCausalLM is not that of tiny-llama.gguf');
});

test.each<[string, (folder: string) => void, string]>([
  [
    'architecture',
    (folder) => change(folder, { architectures: ['MambaForCausalLM'] }),
    'unknown architecture Mamba',
  ],
  ['no architecture', (folder) => change(folder, { architectures: [] }), 'names no architecture'],
  [
    'quantised',
    (folder) => change(folder, { quantization_config: {} }),
    'quantised safetensors are not supported',
  ],
  [
    'broken JSON',
    (folder) => writeFileSync(join(folder, 'tokenizer.json'), '{'),
    'tokenizer.json: is not valid JSON',
  ],
  ['cut weights', cutWeights, 'it is truncated'],
])('refuses and leaves nothing behind: %s', async (_, spoil, cause) => {
  const folder = folderModel('F16');
  spoil(folder);
  const store = join(temporaryFolder(), 'store');
  const refusal = importModel(folder, store, { supported });
  await expect(refusal).rejects.toThrow(InputError);
  await expect(refusal).rejects.toThrow(cause);
  expect(existsSync(store)).toBe(false);
});

function change(folder: string, changes: object): void {
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, ...changes }));
}

function cutWeights(folder: string): void {
  const path = join(folder, 'model.safetensors');
  writeFileSync(path, readFileSync(path).subarray(0, -1));
}

test('a conversion that fails leaves nothing that looks whole, and one that was killed is cleared away', async () => {
  const folder = folderModel('F16');
  const store = temporaryFolder();
  const stop = () => {
    throw new Error('stopped');
  };
  await expect(
    importModel(folder, store, { supported, onProgress: ({ stage }) => stage === 'convert' && stop() }),
  ).rejects.toThrow('stopped');
  expect(readdirSync(store)).toEqual([]);

  const { hash } = await importModel(folder, temporaryFolder(), { supported });
  const name = hash.slice(0, 16);
  // No process has the largest number; our own is running.
  for (const owner of [2 ** 31 - 1, process.pid])
    mkdirSync(join(store, `.${name}.${owner}.00ff00ff.partial`));
  await importModel(folder, store, { supported });
  expect(readdirSync(store).sort()).toEqual([`.${name}.${process.pid}.00ff00ff.partial`, name]);
});

test('imports SmolLM2 from its folder with a GGUF file', async ({ skip }) => {
  const folder = shared('models/smollm2-135m-instruct');
  if (folder === undefined) return skip('../shared/models is absent');
  const model = await importModel(folder, temporaryFolder(), { supported });
  // 134,515,008: the sum that test/parity/make_gguf_fixtures.py prints for transformers' state.
  expect(model).toMatchObject({ name: 'SmolLM2-135M-Instruct.Q4_1', parameters: 134_515_008 });
  expect(openWeights(model.weightsFolder).tensors.size).toBe(272);
  expect(readFileSync(join(model.folder, 'tokenizer.json'))).toEqual(
    readFileSync(join(folder, 'tokenizer.json')),
  );
  expect(existsSync(join(model.folder, 'chat_template.jinja'))).toBe(true);
});
