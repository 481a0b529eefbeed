import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { expect, test } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import { configFromGguf, llama3Scaling, namedTensors } from './gguf-llama.ts';
import { quantTypes } from './gguf-quants.ts';
import { tokenizerConfigFromGguf, tokenizerFromGguf } from './gguf-tokenizer.ts';
import { readGguf } from './gguf.ts';
import { readSafetensorsHeader, readTensorFloat32 } from './safetensors.ts';
import { bytesOf, fixture, shared, temporaryFolder } from './testing.ts';

const tiny = fixture('gguf/tiny-llama.gguf');
const smol = 'models/smollm2-135m-instruct';

type Blocks = Record<string, { bytes: string; floats: string }>;
const blocks = JSON.parse(readFileSync(fixture('gguf/blocks.json'), 'utf8')) as Blocks;

test('the fixture covers every supported type', () => {
  expect(Object.keys(blocks).sort()).toEqual(Object.keys(quantTypes).sort());
});

test.each(Object.keys(blocks))('%s blocks decode bit for bit as in the Python package gguf', (type) => {
  const { bytes, floats } = blocks[type]!;
  const decoded = quantTypes[type]!.decode(Uint8Array.from(Buffer.from(bytes, 'base64')));
  expect(decoded.length).toBeGreaterThanOrEqual(64);
  expect(bytesOf(decoded).toString('base64')).toBe(floats);
});

test('a Llama in mixed types reads exactly as transformers reads it: names, shapes, row order of q and k', async () => {
  const expected = readSafetensorsHeader(fixture('gguf/expected.safetensors'));
  const tensors = namedTensors(await readGguf(tiny));
  expect(tensors.map(({ name }) => name).sort()).toEqual([...expected.tensors.keys()].sort());
  for (const { name, shape, read } of tensors) {
    const reference = expected.tensors.get(name)!;
    expect(shape, name).toEqual(reference.shape);
    expect(bytesOf(read()).equals(bytesOf(readTensorFloat32(expected, reference))), name).toBe(true);
  }
});

test('SmolLM2 in Q4_1 reads exactly as transformers reads it', async ({ skip }) => {
  const path = shared(`${smol}/SmolLM2-135M-Instruct.Q4_1.gguf`);
  if (path === undefined) return skip('../shared/models is absent');
  const tensors = new Map(namedTensors(await readGguf(path)).map((tensor) => [tensor.name, tensor]));
  expect(tensors.size).toBe(272);
  // Figures of transformers 5.23, printed by test/parity/make_gguf_fixtures.py FILE.gguf
  for (const [name, shape, digest] of [
    [
      'model.embed_tokens.weight',
      [49152, 576],
      '3fd491c8066dd9dc1a2bf6796701526c82817d95c0ecabacdef3013c2b8bbbaa',
    ],
    ['model.norm.weight', [576], '3b87f8e27335e67fc08f159cabfd2d18f205d6c5b225a6f978153552bf01d559'],
    [
      'model.layers.0.self_attn.q_proj.weight',
      [576, 576],
      '54b377bbfa2deab945dfdba7fb59e0ca3eb74329358bd1b53b635b3ff37c1a56',
    ],
    [
      'model.layers.29.self_attn.k_proj.weight',
      [192, 576],
      '8e99b2450d5f3d53731f52790cc82f80b04341e533306bcfee6669ffa3c79921',
    ],
    [
      'model.layers.7.mlp.down_proj.weight',
      [576, 1536],
      '9d3af8b67d13c727ae5ffe470464163b9cac42eb494525392bd3e79c8db73880',
    ],
  ] as const) {
    const tensor = tensors.get(name)!;
    expect(tensor.shape, name).toEqual(shape);
    expect(createHash('sha256').update(bytesOf(tensor.read())).digest('hex'), name).toBe(digest);
  }
});

test('SmolLM2 gives the config that transformers made of it', async ({ skip }) => {
  const folder = shared(smol);
  if (folder === undefined) return skip('../shared/models is absent');
  const config = configFromGguf(await readGguf(join(folder, 'SmolLM2-135M-Instruct.Q4_1.gguf')));
  const theirs = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
  expect(Object.keys(config).length).toBeGreaterThan(15);
  expect(config).toEqual(Object.fromEntries(Object.keys(config).map((key) => [key, theirs[key]])));
});

test("SmolLM2's tokenizer taken from the GGUF file gives the tokens of its tokenizer.json", async ({
  skip,
}) => {
  const folder = shared(smol);
  const data = shared('data/gsm8k-eval-500.jsonl');
  if (folder === undefined || data === undefined) return skip('../shared is absent');
  const file = await readGguf(join(folder, 'SmolLM2-135M-Instruct.Q4_1.gguf'));
  const json = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as object;
  const theirs = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
  const ours = new Tokenizer(tokenizerFromGguf(file), tokenizerConfigFromGguf(file));
  // transformers, which made that tokenizer.json from the same file, dropped SmolLM2's rule that each digit stands alone.
  // It shows only where several blanks precede a digit: the last of them then no longer goes with the digit.
  const texts = readFileSync(data, 'utf8').trim().split('\n');
  const alike = texts.filter((text) => !/\s\s\p{N}/u.test(text));
  expect(alike.length).toBeGreaterThan(450);
  for (const text of [...alike, '<|im_start|>user\nHello, it’s 12345.67 — naïve?<|im_end|>\n']) {
    expect(ours.encode(text).ids).toEqual(theirs.encode(text).ids);
  }
  expect(ours.encode('a  12').tokens).toEqual(['a', 'ĠĠ', '1', '2']);
});

test('a GGUF whose tokenizer is of another kind asks for tokenizer.json', async () => {
  const file = await readGguf(tiny);
  const changed = (change: Record<string, unknown>) => ({
    ...file,
    metadata: { ...file.metadata, ...change },
  });
  const hint = "put the model's tokenizer.json beside the file";
  expect(() => tokenizerFromGguf(changed({ 'tokenizer.ggml.model': 'llama' }))).toThrow(hint);
  expect(() => tokenizerFromGguf(changed({ 'tokenizer.ggml.pre': 'toString' }))).toThrow(hint);
  expect(() => tokenizerFromGguf(changed({ 'tokenizer.ggml.merges': undefined }))).toThrow(hint);
});

test('refuses what the config cannot be derived from', async () => {
  const file = await readGguf(tiny);
  const changed = (change: Record<string, unknown>) => ({
    ...file,
    metadata: { ...file.metadata, ...change },
  });
  expect(() => configFromGguf(changed({ 'general.architecture': 'rwkv6' }))).toThrow(
    'unknown architecture rwkv6',
  );
  expect(() => configFromGguf(changed({ 'llama.expert_count': 8 }))).toThrow('mixtures of experts');
  expect(() => configFromGguf(changed({ 'llama.block_count': undefined }))).toThrow(
    'llama.block_count should be',
  );
  expect(() => configFromGguf(changed({ 'llama.rope.scaling.type': 'yarn' }))).toThrow('rotary scaling yarn');
  expect(
    configFromGguf(changed({ 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 2 })),
  ).toMatchObject({ rope_parameters: { rope_theta: 10000, rope_type: 'linear', factor: 2 } });
});

test("recognises Llama 3's rotary scaling by the divisors that transformers computes", () => {
  type Case = { rope_parameters: Record<string, unknown>; divisors: number[] };
  const [small, large, foreign] = JSON.parse(
    readFileSync(fixture('gguf/llama3-rope.json'), 'utf8'),
  ) as Case[];
  for (const { rope_parameters: theirs, divisors } of [small!, large!]) {
    const scaling = llama3Scaling(Float32Array.from(divisors), 500000)!;
    expect(scaling['factor']).toBeCloseTo(theirs['factor'] as number, 4);
    expect({ ...theirs, factor: 0 }).toEqual({ ...scaling, rope_theta: 500000, factor: 0 });
  }
  expect(llama3Scaling(Float32Array.from(foreign!.divisors), 500000)).toBeUndefined();
});

test('refuses a GGUF file cut short anywhere, and names it', async () => {
  const path = join(temporaryFolder(), 'cut.gguf');
  const whole = readFileSync(tiny);
  for (const length of [0, 3, 20, 30, 500, 1500, 2500, 10_000, whole.length - 64]) {
    writeFileSync(path, whole.subarray(0, length));
    const refusal = await readGguf(path).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(refusal, `${length} bytes`).toBeInstanceOf(InputError);
    expect(String(refusal)).toContain(path);
  }
});

test('refuses an unsupported type by tensor and type, other files, and missing ones', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'changed.gguf');
  const bytes = readFileSync(tiny);
  const name = 'blk.0.ffn_gate.weight';
  // After the name stand the number of dimensions (4 bytes), two dimensions (8 each) and the type.
  const place = bytes.indexOf(name) + name.length + 20;
  expect(bytes.readUInt32LE(place)).toBe(6);
  for (const [type, label] of [
    [16, 'IQ2_XXS'],
    [9, 'Q8_1'],
    [999, 'number 999'],
  ] as const) {
    bytes.writeUInt32LE(type, place);
    writeFileSync(path, bytes);
    await expect(readGguf(path)).rejects.toThrow(`${path}: tensor ${name} has the type ${label}`);
  }
  writeFileSync(path, Buffer.alloc(64, 'x'));
  await expect(readGguf(path)).rejects.toThrow('is not a GGUF file');
  await expect(readGguf(join(folder, 'absent.gguf'))).rejects.toThrow('no such file');
  await expect(readGguf(folder)).rejects.toThrow('is not a file');
});

test('trusts no count of a GGUF header before the file is known to hold as much', async () => {
  const path = join(temporaryFolder(), 'made.gguf');
  const numbers = (...values: (bigint | number)[]) =>
    Buffer.concat(
      values.map((value) => {
        const bytes = Buffer.alloc(typeof value === 'bigint' ? 8 : 4);
        if (typeof value === 'bigint') bytes.writeBigUInt64LE(value);
        else bytes.writeUInt32LE(value);
        return bytes;
      }),
    );
  const text = (value: string) => Buffer.concat([numbers(BigInt(value.length)), Buffer.from(value)]);
  const magic = Buffer.from('GGUF');
  const list = (type: number, length: bigint) => [
    magic,
    numbers(3, 0n, 1n),
    text('a'),
    numbers(9, type, length),
  ];
  for (const [parts, cause] of [
    [[magic, numbers(3, 2n ** 63n, 0n)], 'impossible count'],
    [[magic, numbers(3, 90_000n, 0n)], 'truncated'],
    [[magic, numbers(3, 2n ** 40n, 0n)], 'tensors'],
    [[magic, numbers(3, 0n, 1n, 2n ** 40n)], 'truncated'],
    [list(8, 2n ** 40n), 'truncated'],
    [list(77, 1n), 'unknown type 77'],
    [[...list(9, 1n), numbers(9, 1n, 9, 1n, 9, 1n, 9, 1n, 9, 1n)], 'too deeply'],
    [[magic, numbers(3, 1n, 0n), text('a'), numbers(4_000_000_000)], 'dimensions'],
    [[magic, Buffer.from([0, 0, 0, 3]), numbers(0n, 0n)], 'big-endian'],
  ] as const) {
    writeFileSync(path, Buffer.concat([...parts, Buffer.alloc(64)]));
    await expect(readGguf(path)).rejects.toThrow(InputError);
    await expect(readGguf(path)).rejects.toThrow(cause);
  }
});
