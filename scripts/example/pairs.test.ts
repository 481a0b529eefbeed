import { describe, expect, it } from 'vitest';
import { pairOf } from './pairs.ts';
import type { Problem } from './problems.ts';

const problem: Problem = {
  template: 'gain',
  prompt: 'Ana has 2 pens. Ben gives Ana 3 more. How many pens does Ana have now?\n',
  solution: '2+3=5\n#### 5',
  written: '2+3=5\n#### 5',
  answer: '5',
  steps: [{ left: 2, operator: '+', right: 3, result: 5 }],
};
const ended = (text: string) => ({ text, ended: true });

describe('pairOf', () => {
  it('takes the first right and the first wrong sample', () => {
    const samples = ['2+3=6\n#### 6', '2+3=5\n#### 5', '2+3=4\n#### 4', '3+2=5\n#### 5'].map(ended);
    expect(pairOf(problem, samples)).toEqual({
      prompt: problem.prompt,
      chosen: '2+3=5\n#### 5',
      rejected: '2+3=6\n#### 6',
      answer: '5',
    });
  });

  it('makes no pair where all samples are right or all are wrong', () => {
    expect(pairOf(problem, [ended('#### 5'), ended('2+3=5\n#### 5')])).toBeUndefined();
    expect(pairOf(problem, [ended('#### 6'), ended('')])).toBeUndefined();
  });

  it('leaves out samples that were cut off', () => {
    const cut = { text: '2+3=6\n#### 6', ended: false };
    expect(pairOf(problem, [ended('#### 5'), cut])).toBeUndefined();
  });
});
