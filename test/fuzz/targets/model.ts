import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '../../../src/main/engine/models/load.ts';
import { importModel } from '../../../src/main/formats/import-model.ts';
import type { Target } from '../target.ts';
import { fixtureBytes, fixtureJson, fixturePath, putTogether, takeApart } from './support.ts';

const config = fixtureJson('llama/tied/config.json');
const weights = fixtureBytes('llama/tied/model.safetensors');
const { header, data } = takeApart(weights);
const special = [
  '../../../escape.safetensors',
  '../input/model.safetensors',
  '/escape.safetensors',
  'part.safetensors',
  'part.bin',
  'LlamaForCausalLM',
  'F16',
  'F64',
  { rope_type: 'llama3', factor: 8 },
  { type: 'linear', factor: 1e308 },
];

/** A model's folder: config, weights whole or in shards, tokenizer; imported and opened. */
export const model: Target = {
  name: 'model',
  prepare(mutator, folder, store) {
    for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
      const text = fixtureBytes(`tokens/${name}`);
      writeFileSync(join(folder, name), mutator.chance(0.05) ? mutator.bytes(text) : text);
    }
    const way = mutator.random.below(4);
    writeFileSync(
      join(folder, 'config.json'),
      way === 0 ? mutator.json(config, special) : JSON.stringify(config),
    );
    if (way === 1) {
      const names = Object.keys(header as object).filter((name) => name !== '__metadata__');
      const map = Object.fromEntries(names.map((name) => [name, 'part.safetensors']));
      const index = { metadata: { total_size: data.length }, weight_map: map };
      writeFileSync(join(folder, 'model.safetensors.index.json'), mutator.json(index, special));
      writeFileSync(join(folder, 'part.safetensors'), weights);
      if (mutator.chance(0.1)) {
        mkdirSync(join(folder, 'escape'));
        symlinkSync(mutator.pick(['..', '/', '../part.safetensors']), join(folder, 'escape', 'link'));
      }
    } else if (way === 2 && mutator.chance(0.05)) {
      symlinkSync(
        mutator.pick(['/dev/zero', fixturePath('llama/untied/model.safetensors'), '..']),
        join(folder, 'model.safetensors'),
      );
    } else if (way === 2) {
      writeFileSync(join(folder, 'model.safetensors'), putTogether(mutator.json(header, special), data));
    } else if (way === 3) {
      writeFileSync(join(folder, 'model.safetensors'), mutator.bytes(weights));
    } else cpSync(fixturePath('llama/tied/model.safetensors'), join(folder, 'model.safetensors'));
    return async () => {
      const { folder: found, weightsFolder } = await importModel(folder, store, {
        supported: ['LlamaForCausalLM'],
      });
      openModel(found, weightsFolder);
    };
  },
};
