import { describe, expect, it } from 'vitest';
import { describeGate, gateHistory, pairStep } from './pair-telemetry.ts';

describe('the history of a gate', () => {
  it('has every closing and opening in order, and nothing for how it began', () => {
    expect(gateHistory([1, 5, 9, 13, 17], [0.2, 0.1, -0.1, -3, 0.4])).toEqual([
      { step: 9, to: 'closed' },
      { step: 17, to: 'open' },
    ]);
    expect(gateHistory([1, 2, 3], [-1, 1, -1])).toEqual([
      { step: 2, to: 'open' },
      { step: 3, to: 'closed' },
    ]);
  });

  it('takes exactly 0 for closed, of either sign', () => {
    expect(gateHistory([1, 2], [0.5, 0])).toEqual([{ step: 2, to: 'closed' }]);
    expect(gateHistory([1, 2], [0, 1e-30])).toEqual([{ step: 2, to: 'open' }]);
    expect(gateHistory([1, 2, 3], [0, -0, -1])).toEqual([]);
  });

  it('passes over what is not a number', () => {
    expect(gateHistory([1, 2, 3], [1, NaN, 1])).toEqual([]);
    expect(gateHistory([1, 2, 3], [NaN, 1, -1])).toEqual([{ step: 3, to: 'closed' }]);
    expect(gateHistory([], [])).toEqual([]);
    expect(() => gateHistory([1], [])).toThrow(RangeError);
  });

  it('is told in words', () => {
    const r = [1, -1, 2];
    expect(describeGate(r, gateHistory([3, 6, 9], r))).toBe('closed at step 6, opened at 9');
    expect(describeGate([1, 2], [])).toBe('open throughout');
    expect(describeGate([0, -2], [])).toBe('closed throughout');
    expect(describeGate([NaN], [])).toBe('no rejected answer');
  });
});

describe('a step of pairs', () => {
  it('is there only where the loss has a reference', () => {
    expect(pairStep(3, [{ index: 7 }, { index: 8 }])).toBeUndefined();
    expect(pairStep(3, [{ index: 7, c: 0.5, r: -0.25 }])).toEqual({
      step: 3,
      rows: Uint32Array.of(7),
      c: Float32Array.of(0.5),
      r: Float32Array.of(-0.25),
    });
    expect(pairStep(3, [{ index: 7, c: 0.5 }])!.r).toEqual(Float32Array.of(NaN));
  });
});
