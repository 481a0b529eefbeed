import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import { writeSafetensors } from './safetensors.ts';
import { temporaryFolder } from './testing.ts';
import { openWeights } from './weights.ts';

const tensor = (name: string, length: number) => ({ name, shape: [length], data: new Float32Array(length) });

function shards(weightMap: Record<string, string>): string {
  const folder = temporaryFolder();
  writeSafetensors(join(folder, 'one.safetensors'), [tensor('a', 2), tensor('b', 3)]);
  writeSafetensors(join(folder, 'two.safetensors'), [tensor('c', 4)]);
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
  return folder;
}

test('indexes a single file and a sharded model', () => {
  const folder = temporaryFolder();
  writeSafetensors(join(folder, 'model.safetensors'), [tensor('a', 2)]);
  const index = openWeights(folder);
  expect(index.folder).toBe(realpathSync(folder));
  expect([...index.tensors]).toMatchObject([
    ['a', { file: 'model.safetensors', dtype: 'F32', shape: [2], length: 8 }],
  ]);
  const sharded = openWeights(shards({ a: 'one.safetensors', b: 'one.safetensors', c: 'two.safetensors' }));
  expect([...sharded.tensors].map(([name, { file, length }]) => [name, file, length])).toEqual([
    ['a', 'one.safetensors', 8],
    ['b', 'one.safetensors', 12],
    ['c', 'two.safetensors', 16],
  ]);
});

test('follows links to where the files really are, as in the download cache', () => {
  const cache = temporaryFolder();
  mkdirSync(join(cache, 'blobs'));
  mkdirSync(join(cache, 'snapshot'));
  writeSafetensors(join(cache, 'blobs', 'c0ffee'), [tensor('a', 2)]);
  symlinkSync('../blobs/c0ffee', join(cache, 'snapshot', 'model.safetensors'));
  const index = openWeights(join(cache, 'snapshot'));
  expect(index.folder).toBe(realpathSync(join(cache, 'blobs')));
  expect(index.tensors.get('a')?.file).toBe('c0ffee');
});

test.each([
  [{ a: '../one.safetensors' }, 'tensor a points out of the folder, to "../one.safetensors"'],
  [{ a: '/etc/passwd' }, 'tensor a points out of the folder, to "/etc/passwd"'],
  [{ a: '..' }, 'points out of the folder'],
  [{ a: 'sub\\one.safetensors' }, 'points out of the folder'],
  [{ a: 'one.bin' }, 'tensor a is in one.bin, which is not safetensors'],
  [{ a: 'three.safetensors' }, 'three.safetensors: no such file'],
  [{ z: 'one.safetensors' }, 'tensor z is not in one.safetensors'],
  [{}, 'weight_map is missing or empty'],
])('refuses the index %j', (weightMap, cause) => {
  const folder = shards(weightMap);
  expect(() => openWeights(folder)).toThrow(InputError);
  expect(() => openWeights(folder)).toThrow(cause);
});

test.each(['pytorch_model.bin', 'model.pt', 'consolidated.00.pth', 'model.pkl'])(
  'refuses pickle: %s',
  (name) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, name), '');
    expect(() => openWeights(folder)).toThrow(`${join(folder, name)}: pickle weights are refused`);
  },
);

test('refuses a folder without weights, or none at all', () => {
  const folder = temporaryFolder();
  expect(() => openWeights(folder)).toThrow(
    'holds neither model.safetensors nor model.safetensors.index.json',
  );
  expect(() => openWeights(join(folder, 'absent'))).toThrow('no such folder');
});
