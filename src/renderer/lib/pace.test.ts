import { describe, expect, it } from 'vitest';
import { paceOf } from './pace.ts';

describe('pace', () => {
  it('tells rate and time left', () => {
    expect(paceOf(50_000, 200_000, 'rows', 10)).toBe('5,000 rows/s, 0:30 left');
    expect(paceOf(30_000_000, 60_000_000, 'B', 20)).toBe('1.5 MB/s, 0:20 left');
  });

  it('tells what is known', () => {
    expect(paceOf(100, undefined, 'rows', 4)).toBe('25 rows/s');
    expect(paceOf(0, 100, 'rows', 4)).toBe('');
    expect(paceOf(5, 100, 'rows', 0.1)).toBe('');
  });
});
