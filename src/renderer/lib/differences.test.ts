import { describe, expect, it } from 'vitest';
import { settingRows } from './differences.ts';

describe('settings side by side', () => {
  it('say which of them differ, nested ones and absent ones too', () => {
    const rows = settingRows([
      { loss: 'dpo', seed: 0, lora: { rank: 16, targets: ['q_proj', 'v_proj'] } },
      { loss: 'minor-dpo', seed: 0, lora: { rank: 16, targets: 'all-linear' }, steps: 40 },
    ]);
    expect(rows).toEqual([
      { name: 'loss', values: ['dpo', 'minor-dpo'], differs: true },
      { name: 'seed', values: ['0', '0'], differs: false },
      { name: 'lora.rank', values: ['16', '16'], differs: false },
      { name: 'lora.targets', values: ['q_proj, v_proj', 'all-linear'], differs: true },
      { name: 'steps', values: ['–', '40'], differs: true },
    ]);
  });

  it('are none where there is no run, and differ in nothing where there is one', () => {
    expect(settingRows([])).toEqual([]);
    expect(settingRows([{ loss: 'dpo' }]).every(({ differs }) => !differs)).toBe(true);
  });
});
