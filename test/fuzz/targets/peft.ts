import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readAdapter, writeAdapter } from '../../../src/main/formats/peft.ts';
import type { Target } from '../target.ts';
import { fixtureBytes, fixtureJson, putTogether, takeApart } from './support.ts';

const config = fixtureJson('peft/adapter_config.json');
const weights = fixtureBytes('peft/adapter_model.safetensors');
const { header, data } = takeApart(weights);
const special = [
  'LORA',
  'all-linear',
  '^(a+)+$',
  ['q_proj'],
  1,
  8,
  16,
  { q_proj: 4 },
  'base_model.model.x.lora_A.weight',
];

export const peft: Target = {
  name: 'peft',
  prepare(mutator, folder, store) {
    const way = mutator.random.below(3);
    const configText = JSON.stringify(config);
    if (way === 0) writeFileSync(join(folder, 'adapter_config.json'), mutator.json(config, special));
    else
      writeFileSync(
        join(folder, 'adapter_config.json'),
        mutator.chance(0.1) ? mutator.bytes(Buffer.from(configText)) : configText,
      );
    const path = join(folder, 'adapter_model.safetensors');
    if (mutator.chance(0.01)) symlinkSync('/dev/zero', path);
    else if (way === 1) writeFileSync(path, putTogether(mutator.json(header, special), data));
    else writeFileSync(path, way === 2 ? mutator.bytes(weights) : weights);
    return () => {
      const adapter = readAdapter(folder);
      writeAdapter(join(store, 'again'), adapter);
    };
  },
};
