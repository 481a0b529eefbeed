import { describe, expect, it } from 'vitest';
import { votes } from '../../shared/judging.ts';
import { judgeAction, promptsWords, typedPrompts, voteKeys } from './judging.ts';

describe('keys of the judge', () => {
  it('give every vote by a digit and by a letter, whichever the case', () => {
    const pressed = (keys: string) => [...keys].map((key) => judgeAction(key));
    const all = votes.map((vote) => ({ vote }));
    expect(pressed('12345')).toEqual(all);
    expect(pressed('abtns')).toEqual(all);
    expect(pressed('ABTNS')).toEqual(all);
  });

  it('mean one thing each, and others nothing', () => {
    const keys = voteKeys.flatMap((each) => each.keys);
    expect(new Set([...keys, 'U']).size).toBe(11);
    expect(judgeAction('u')).toEqual({ undo: true });
    expect(judgeAction('ArrowLeft')).toEqual({ go: 'previous' });
    for (const key of ['6', '0', 'x', ' ', 'Enter', 'Tab', 'Escape', 'ArrowUp', 'F1'])
      expect(judgeAction(key)).toBeUndefined();
  });
});

describe('prompts', () => {
  it('are typed one a line', () => {
    expect(typedPrompts(' one \n\n\ttwo\r\nthree\n')).toEqual(['one', 'two', 'three']);
    expect(typedPrompts(' \n')).toEqual([]);
  });

  it('are told in words', () => {
    expect(promptsWords({ data: 'sums', side: 'eval' })).toBe('held-out prompts of sums');
    expect(promptsWords({ comparison: 3 })).toBe('prompts that comparison 3 held out');
    expect(promptsWords({ texts: ['a'] })).toBe('one typed prompt');
  });
});
