import { describe, expect, it } from 'vitest';
import { lineName, lineStyles } from './chart-lines.ts';

describe('styles of lines', () => {
  it('tell twelve lines of one loss apart, and start anew with each loss', () => {
    const styles = lineStyles([
      ...Array.from({ length: 12 }, () => ({ loss: 'dpo' })),
      { loss: 'minor-dpo' },
    ]).map((style) => JSON.stringify(style));
    expect(new Set(styles.slice(0, 12)).size).toBe(12);
    expect(styles[12]).toBe(styles[0]);
  });

  it('stay with a place that is given, whichever lines are left', () => {
    const [second] = lineStyles([{ loss: 'dpo', place: 1 }]);
    expect(second).toEqual(lineStyles([{ loss: 'dpo' }, { loss: 'dpo' }])[1]);
  });
});

it('a line is named by its loss and what tells it apart', () => {
  expect(lineName({ loss: 'minor-dpo', label: 'seed 1' })).toBe('MinorDPO seed 1');
  expect(lineName({ loss: 'dpo', label: '' })).toBe('DPO');
  expect(lineName({ loss: 'base', label: '' })).toBe('base');
});
