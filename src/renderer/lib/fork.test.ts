import { describe, expect, it } from 'vitest';
import { checkFork, type ForkForm } from './fork.ts';

const run = {
  config: { loss: 'dpo', lossParameters: {} },
  learningRate: 1e-3,
  beta: 0.1,
  totalSteps: 50,
} as unknown as Parameters<typeof checkFork>[1];
const form: ForkForm = { step: '20', loss: 'dpo', rate: '0.001', beta: '0.1', steps: '50', own: {} };

describe('a fork', () => {
  it('that changes nothing says nothing', () => {
    expect(checkFork(form, run)).toEqual({ problems: {}, changes: {} });
    expect(checkFork({ ...form, steps: '' }, run)).toEqual({ problems: {}, changes: {} });
  });

  it('tells what was changed, another loss with the β that stands there', () => {
    expect(checkFork({ ...form, loss: 'ipo', rate: '1e-4', steps: '80' }, run).changes).toEqual({
      loss: 'ipo',
      learningRate: 1e-4,
      steps: 80,
    });
    expect(checkFork({ ...form, loss: 'ipo', beta: '0.5' }, run).changes).toEqual({ loss: 'ipo', beta: 0.5 });
    expect(checkFork({ ...form, loss: 'sft', beta: 'x' }, run)).toEqual({
      problems: {},
      changes: { loss: 'sft' },
    });
  });

  it('has its own parameters checked by their bounds', () => {
    const own = (kappa: string) => checkFork({ ...form, loss: 'kappa-dpo', own: { kappa } }, run);
    expect(own('0.25')).toEqual({
      problems: {},
      changes: { loss: 'kappa-dpo', lossParameters: { kappa: 0.25 } },
    });
    expect(Object.keys(own('2').problems)).toEqual(['kappa']);
    expect(Object.keys(own('').problems)).toEqual(['kappa']);
  });

  it('says at each field what is wrong with it', () => {
    const { problems } = checkFork({ ...form, rate: 'fast', beta: '0', steps: 'abc' }, run);
    expect(Object.keys(problems).sort()).toEqual(['beta', 'rate', 'steps']);
    for (const text of Object.values(problems)) expect(text).toMatch(/^must be/);
  });

  it('is refused where no step is left to take', () => {
    expect(checkFork({ ...form, step: '50' }, run).problems).toEqual({
      steps: 'must be above 50: the fork has that many steps already',
    });
    expect(checkFork({ ...form, step: '50', steps: '' }, run).problems).toHaveProperty('steps');
    expect(checkFork({ ...form, step: '50', steps: '51' }, run).problems).toEqual({});
  });
});
