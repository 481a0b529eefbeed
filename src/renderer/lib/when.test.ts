import { describe, expect, it } from 'vitest';
import { formatWhen } from './when.ts';

describe('moments', () => {
  // Made of local parts, so that the test means the same in every time zone.
  const at = (...parts: [number, number, number, number, number]): string => new Date(...parts).toISOString();
  const now = new Date(2026, 10, 25, 20, 0);

  it('are as short as they stay clear', () => {
    expect(formatWhen(at(2026, 10, 25, 9, 5), now)).toBe('09:05');
    expect(formatWhen(at(2026, 10, 24, 23, 59), now)).toBe('24 Nov 23:59');
    expect(formatWhen(at(2026, 0, 25, 20, 0), now)).toBe('25 Jan 20:00');
    expect(formatWhen(at(2025, 10, 25, 20, 0), now)).toBe('25 Nov 2025');
  });
});
