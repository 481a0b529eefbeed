import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { runLimited, TimeLimitError } from './time-limit.ts';

test('work that uses its processor time up is ended', () => {
  let rounds = 0;
  expect(() =>
    runLimited(() => {
      for (;;) rounds += 1;
    }, 50),
  ).toThrow(TimeLimitError);
  expect(rounds).toBeGreaterThan(0);
});

test('work that got no processor is begun anew', () => {
  let begun = 0;
  const found = runLimited(() => {
    begun += 1;
    // Waits for another process, as on a machine that is busy.
    if (begun === 1) execFileSync('sleep', ['0.5']);
    return begun;
  }, 150);
  expect(found).toBe(2);
});

test('what the work throws is thrown, and the next work has its own time', () => {
  expect(() =>
    runLimited(() => {
      throw new RangeError('its own');
    }),
  ).toThrow(RangeError);
  expect(runLimited(() => 7)).toBe(7);
});
