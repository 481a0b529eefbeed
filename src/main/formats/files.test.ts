import { execFileSync } from 'node:child_process';
import { symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import { inWords, readJsonObject, readSmallFile } from './files.ts';
import { readSafetensorsHeader } from './safetensors.ts';
import { temporaryFolder } from './testing.ts';

it.skipIf(process.platform === 'win32')('refuses pipes and devices, which would never end', () => {
  const folder = temporaryFolder();
  const [pipe, device] = [join(folder, 'pipe'), join(folder, 'device')];
  execFileSync('mkfifo', [pipe]);
  symlinkSync('/dev/zero', device);
  for (const path of [pipe, device]) {
    for (const read of [readSmallFile, readJsonObject, readSafetensorsHeader]) {
      expect(() => read(path)).toThrow(InputError);
      expect(() => read(path)).toThrow(`${path}: is not a file`);
    }
  }
});

it('refuses a small file that is not small', () => {
  const path = join(temporaryFolder(), 'config.json');
  writeFileSync(path, '{}');
  expect(readJsonObject(path)).toEqual({});
  truncateSync(path, 200_000_000);
  expect(() => readJsonObject(path)).toThrow(`${path}: has 200000000 bytes`);
});

it('words any value on one short line', () => {
  expect(inWords({ a: [1, 'b'] })).toBe('{"a":[1,"b"]}');
  expect(inWords(12n)).toBe('12');
  expect(inWords(undefined)).toBe('nothing');
  expect(inWords('x'.repeat(1000))).toHaveLength(101);
  let deep: unknown = 1;
  for (let depth = 0; depth < 100_000; depth++) deep = [deep];
  expect(inWords(deep)).toBe('what nests too deeply');
});

it('keeps an error on one line, whatever a file calls its tensors', () => {
  expect(new InputError('tensor a\n\u001b[31mb is odd').message).toBe('tensor a [31mb is odd');
  expect(new InputError('x'.repeat(10_000)).message.length).toBeLessThan(2010);
});
