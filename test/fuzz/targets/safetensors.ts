import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  isFloatDtype,
  readSafetensorsHeader,
  readTensorFloat32,
} from '../../../src/main/formats/safetensors.ts';
import type { Target } from '../target.ts';
import { fixtureBytes, putTogether, takeApart } from './support.ts';

const seeds = ['f32', 'f16', 'bf16', 'f64'].map((name) => fixtureBytes(`safetensors/${name}.safetensors`));
const special = [
  'F32',
  'BOOL',
  'C64',
  'F8_E4M3',
  [0, 8],
  [8, 0],
  [0, 2 ** 53],
  [2 ** 30, 2 ** 30],
  [1, 1, 1, 1],
];

export const safetensors: Target = {
  name: 'safetensors',
  prepare(mutator, folder) {
    const path = join(folder, 'model.safetensors');
    const seed = mutator.pick(seeds);
    if (mutator.chance(0.01))
      symlinkSync(mutator.pick(['/dev/zero', '/dev/null', '.', path, '/proc/self/mem']), path);
    else if (mutator.chance(0.5)) writeFileSync(path, mutator.bytes(seed, seeds));
    else {
      const { header, data } = takeApart(seed);
      writeFileSync(path, putTogether(mutator.json(header, special), data));
    }
    return () => {
      const file = readSafetensorsHeader(path);
      for (const tensor of file.tensors.values())
        if (isFloatDtype(tensor.dtype)) readTensorFloat32(file, tensor);
    };
  },
};
