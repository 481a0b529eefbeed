import { describe, expect, it } from 'vitest';
import { columnsParam, parseColumns, surprise } from './columns.ts';

describe('columns of the playground', () => {
  it('come back from an address, whatever models are called', () => {
    const policies = [{ model: 'a"b,[c]:@1' }, { run: 3 }, { run: 12, step: 0 }, { model: 'run:3' }];
    expect(parseColumns(columnsParam(policies))).toEqual(policies);
  });

  it('may be one alone, and are none where an address makes no sense', () => {
    expect(parseColumns('model:small')).toEqual([{ model: 'small' }]);
    for (const nonsense of [undefined, '', 'run:0', 'run:x', '{}', '["run:-1", 3, null, "model:"]', '[[1]]'])
      expect(parseColumns(nonsense)).toEqual([]);
  });
});

describe('the colour of a token', () => {
  it('grows from certain to surprising, and is full for what is not a number', () => {
    expect([0, -0.5, -2.5, -5, -80, -Infinity, NaN].map(surprise)).toEqual([0, 0.1, 0.5, 1, 1, 1, 1]);
    // Rounding may give a log-prob just above 0.
    expect(surprise(1e-7)).toBe(0);
  });
});
