import { describe, expect, it } from 'vitest';
import { problemKinds } from '../../shared/preferences.ts';
import { changeWords, problemWords, undoneWords } from './data-words.ts';

describe('words for data', () => {
  it('name each kind of problem, without options of the command line', () => {
    expect(Object.keys(problemWords).sort()).toEqual(Object.keys(problemKinds).sort());
    for (const { title, advice } of Object.values(problemWords))
      expect(`${title} ${advice}`).not.toMatch(/--/);
  });

  it('say what a change did to how many rows', () => {
    expect(changeWords({ change: { kind: 'exclude' }, rows: 1, some: [7] })).toBe('Excluded row 7');
    expect(changeWords({ change: { kind: 'exclude' }, rows: 2500, some: [0, 1] })).toBe(
      'Excluded 2,500 rows',
    );
    expect(
      changeWords({ change: { kind: 'edit', fields: ['chosen', 'rejected'] }, rows: 1, some: [3] }),
    ).toBe('Edited chosen, rejected of row 3');
    const rule = { by: 'share', share: 0.125, seed: 3 } as const;
    expect(undoneWords({ change: { kind: 'split', rule }, rows: 0, some: [] })).toBe(
      'Undone: split: 12.5% held out, seed 3',
    );
  });
});
