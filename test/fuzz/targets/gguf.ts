import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importModel } from '../../../src/main/formats/import-model.ts';
import { chatTemplateFromGguf, tokenizerFromGguf } from '../../../src/main/formats/gguf-tokenizer.ts';
import { readGguf } from '../../../src/main/formats/gguf.ts';
import type { Mutator } from '../mutate.ts';
import type { Target } from '../target.ts';
import { fixtureBytes } from './support.ts';

const whole = fixtureBytes('gguf/tiny-llama.gguf');

/** A small file of random metadata and tensors, mostly well-formed. */
function made(mutator: Mutator): Buffer {
  const parts: Buffer[] = [];
  const uint32 = (value: number): void => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    parts.push(bytes);
  };
  const uint64 = (value: number): void => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(Math.trunc(value))));
    parts.push(bytes);
  };
  const count = (value: number): void => {
    uint64(mutator.chance(0.03) ? mutator.number() : value);
  };
  const text = (value: string): void => {
    const bytes = Buffer.from(value);
    count(bytes.length);
    parts.push(bytes);
  };
  const value = (type: number, depth: number): void => {
    if (type === 8) text(mutator.text());
    else if (type === 9) {
      const inner = mutator.chance(0.9) ? mutator.pick([0, 4, 5, 8, 10, 9]) : mutator.random.below(40);
      const length = mutator.random.below(6);
      uint32(inner);
      count(length);
      for (let at = 0; at < length && depth < 8; at++) value(inner, depth + 1);
    } else
      parts.push(Buffer.alloc([1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8][type] ?? 4, mutator.random.below(256)));
  };
  const keys = ['architecture', 'alignment', 'name', 'file_type', 'vocab', 'name'].map(
    (key) => `general.${key}`,
  );
  const entries = mutator.random.below(8);
  const tensors = mutator.random.below(5);
  parts.push(Buffer.from('GGUF'));
  uint32(mutator.chance(0.95) ? 3 : mutator.number());
  count(tensors);
  count(entries + 1);
  text('general.architecture');
  uint32(8);
  text('llama');
  for (let entry = 0; entry < entries; entry++) {
    text(mutator.chance(0.5) ? mutator.pick(keys) : mutator.text());
    const type = mutator.random.below(mutator.chance(0.95) ? 13 : 1000);
    uint32(type);
    value(type, 0);
  }
  const names = [
    'token_embd.weight',
    'output.weight',
    'blk.0.attn_q.weight',
    'rope_freqs.weight',
    'blk.999999999.attn_k.weight',
  ];
  for (let tensor = 0; tensor < tensors; tensor++) {
    text(mutator.chance(0.9) ? mutator.pick(names) : mutator.text());
    const rank = mutator.chance(0.9) ? 1 + mutator.random.below(3) : Math.trunc(mutator.number());
    uint32(rank);
    for (let at = 0; at < Math.min(Math.max(rank, 0), 6); at++) count(1 + mutator.random.below(64));
    uint32(mutator.chance(0.9) ? mutator.pick([0, 1, 2, 8, 14, 30]) : mutator.number());
    count(32 * mutator.random.below(64));
  }
  parts.push(Buffer.alloc(mutator.random.below(8192)));
  return Buffer.concat(parts);
}

export const gguf: Target = {
  name: 'gguf',
  prepare(mutator, folder, store) {
    const path = join(folder, 'model.gguf');
    if (mutator.chance(0.4)) writeFileSync(path, made(mutator));
    else {
      const bytes = mutator.bytes(whole);
      // The header is a twentieth of the file: change it more often than the data.
      if (mutator.chance(0.5)) {
        const at = mutator.random.below(Math.min(3000, bytes.length));
        if (at + 8 < bytes.length) bytes.writeUInt32LE(Math.trunc(mutator.number()) >>> 0, at);
      }
      writeFileSync(path, bytes);
    }
    return async () => {
      const file = await readGguf(path);
      chatTemplateFromGguf(file);
      if (mutator.chance(0.5)) tokenizerFromGguf(file);
      await importModel(path, store, { supported: ['LlamaForCausalLM'] });
    };
  },
};
