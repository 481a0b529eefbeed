import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import { readSafetensorsHeader, readTensorFloat32, writeSafetensors } from './safetensors.ts';
import { fixture, temporaryFolder } from './testing.ts';

/** The values that test/parity/make_gguf_fixtures.py stores. */
const values = Float32Array.of(0, 1, -2.5, 65504, 6e-8, 0.1, -0, 3.14159);

function readOnly(path: string): Float32Array {
  const file = readSafetensorsHeader(path);
  expect(file.tensors.size).toBe(1);
  return readTensorFloat32(file, [...file.tensors.values()][0]!);
}

test('reads what the reference implementation wrote', () => {
  const file = readSafetensorsHeader(fixture('safetensors/f32.safetensors'));
  expect(file.metadata).toEqual({ format: 'pt' });
  expect([...file.tensors.values()].map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
    ['a.bias', 'F32', [3]],
    ['b.weight', 'F32', [2, 4]],
    ['é.empty', 'F32', [0, 3]],
  ]);
  expect(readTensorFloat32(file, file.tensors.get('b.weight')!)).toEqual(values);
});

test('reads half, bfloat16 and double precision', () => {
  // Neighbours of the values in each type, by IEEE 754: 6e-8 is nearest the smallest subnormal half, 2^-24.
  expect([...readOnly(fixture('safetensors/f16.safetensors'))]).toEqual([
    0,
    1,
    -2.5,
    65504,
    2 ** -24,
    0.0999755859375,
    -0,
    3.140625,
  ]);
  expect([...readOnly(fixture('safetensors/bf16.safetensors'))]).toEqual([
    0,
    1,
    -2.5,
    65536,
    2 ** -24 * (1 + 1 / 128),
    0.10009765625,
    -0,
    3.140625,
  ]);
  expect(readOnly(fixture('safetensors/f64.safetensors'))).toEqual(values.map((value) => value / 3));
});

test('writes byte for byte what the reference implementation writes', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'model.safetensors');
  writeSafetensors(
    path,
    [
      { name: 'é.empty', shape: [0, 3], data: new Float32Array(0) },
      { name: 'b.weight', shape: [2, 4], data: () => values },
      { name: 'a.bias', shape: [3], data: values.subarray(0, 3) },
    ],
    { metadata: { format: 'pt' } },
  );
  expect(readFileSync(path)).toEqual(readFileSync(fixture('safetensors/f32.safetensors')));
  writeSafetensors(path, [{ name: 'half', shape: [8], data: values }], { dtype: 'F16' });
  expect(readFileSync(path)).toEqual(readFileSync(fixture('safetensors/f16.safetensors')));
  expect(readdirSync(folder)).toEqual(['model.safetensors']);
});

test('a write that fails leaves the old file and nothing else', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'model.safetensors');
  writeFileSync(path, 'old');
  const broken = [
    { name: 'a', shape: [1], data: Float32Array.of(1) },
    { name: 'b', shape: [2, 2], data: Float32Array.of(1) },
  ];
  expect(() => writeSafetensors(path, broken)).toThrow('tensor b of shape [2, 2] was given 1 elements');
  expect(readdirSync(folder)).toEqual(['model.safetensors']);
  expect(readFileSync(path, 'utf8')).toBe('old');
});

const entry = (start: number, end: number, shape: number[] = [(end - start) / 4], dtype = 'F32') =>
  JSON.stringify({ dtype, shape, data_offsets: [start, end] });

test.each<[string, string | Buffer, number, string]>([
  [
    'truncated data',
    `{"a":${entry(0, 8)}}`,
    4,
    'tensor a ends at byte 70 but the file has 66; it is truncated',
  ],
  ['bytes left over', `{"a":${entry(0, 8)}}`, 12, '4 bytes follow after tensor a'],
  ['overlap', `{"a":${entry(0, 8)},"b":${entry(4, 12)}}`, 12, 'tensor b overlaps tensor a'],
  ['gap', `{"a":${entry(0, 4)},"b":${entry(8, 12)}}`, 12, '4 unused bytes lie between tensor a and tensor b'],
  ['shape', `{"a":${entry(0, 8, [3])}}`, 8, 'tensor a of shape [3] and dtype F32 needs 12 bytes but has 8'],
  ['negative shape', `{"a":${entry(0, 8, [-2, -1])}}`, 8, 'tensor a has the shape [-2,-1]'],
  ['huge shape', `{"a":${entry(0, 8, [2 ** 52, 2 ** 52])}}`, 8, 'bytes but has 8'],
  ['dtype', `{"a":${entry(0, 8, [2], 'Q4')}}`, 8, 'tensor a has the unknown dtype "Q4"'],
  ['inherited dtype', `{"a":${entry(0, 8, [2], 'toString')}}`, 8, 'unknown dtype "toString"'],
  [
    'offsets',
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}',
    8,
    'tensor a has the data offsets [4,0]',
  ],
  ['twice', `{"a":${entry(0, 8)},"a":${entry(0, 8)}}`, 8, 'the header names tensor a twice'],
  ['twice, escaped', `{"a":${entry(0, 8)},"\\u0061":${entry(0, 8)}}`, 8, 'the header names tensor a twice'],
  ['no description', '{"a":1}', 0, 'tensor a has no description'],
  ['metadata', '{"__metadata__":{"n":1}}', 0, '__metadata__ should map names to texts'],
  ['no JSON', '{"a":', 0, 'the header is not valid JSON'],
  ['no object', '[]', 0, 'the header is not a JSON object'],
  ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 0, 'the header is not valid JSON'],
])('refuses a broken header: %s', (_, header, dataLength, cause) => {
  const path = join(temporaryFolder(), 'broken.safetensors');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  writeFileSync(path, Buffer.concat([length, Buffer.from(header as string), Buffer.alloc(dataLength)]));
  expectRefusal(path, cause);
});

test('refuses a file that ends before its header does, or claims an absurd one', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'broken.safetensors');
  const whole = readFileSync(fixture('safetensors/f32.safetensors'));
  for (const length of [0, 5, 8, 100]) {
    writeFileSync(path, whole.subarray(0, length));
    expectRefusal(path, 'it is truncated');
  }
  writeFileSync(path, Buffer.from('not safetensors at all'));
  expectRefusal(path, "more than the format's 100 MB");
  expectRefusal(folder, 'is not a file');
  expectRefusal(join(folder, 'absent'), 'no such file');
});

function expectRefusal(path: string, cause: string): void {
  expect(() => readSafetensorsHeader(path)).toThrow(InputError);
  expect(() => readSafetensorsHeader(path)).toThrow(path);
  expect(() => readSafetensorsHeader(path)).toThrow(cause);
}

test('refuses integers where numbers with a fraction are needed', () => {
  const path = join(temporaryFolder(), 'integers.safetensors');
  const header = `{"ids":${entry(0, 8, [2], 'I32')}}`;
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(path, Buffer.concat([length, Buffer.from(header), Buffer.alloc(8)]));
  expect(() => readOnly(path)).toThrow('tensor ids has dtype I32');
});
