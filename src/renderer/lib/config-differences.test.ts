import { expect, it } from 'vitest';
import { parseRunConfig } from '../../shared/config.ts';
import { settingLines } from './config-differences.ts';

it('settings that were chosen come first, with what they would have been', () => {
  const lines = settingLines(
    parseRunConfig({
      loss: 'dpo',
      learningRate: 1e-4,
      steps: 50,
      lora: { rank: 8, targets: ['q_proj', 'v_proj'] },
    }),
  );
  const chosen = lines.filter(({ differs }) => differs);
  expect(lines.slice(0, chosen.length)).toEqual(chosen);
  expect(Object.fromEntries(chosen.map(({ name, value, usual }) => [name, [value, usual]]))).toEqual({
    learningRate: ['0.0001', '0.000005'],
    steps: ['50', '–'],
    // Epochs give way to steps.
    epochs: ['–', '1'],
    'lora.rank': ['8', '16'],
    'lora.targets': ['q_proj, v_proj', 'all-linear'],
  });
  expect(settingLines(parseRunConfig({ loss: 'sft' })).some(({ differs }) => differs)).toBe(false);
});
