import { expect, it } from 'vitest';
import { bothFall } from './rewards.ts';

it('both rewards have fallen only where both are below zero at the end and sank to it', () => {
  expect(bothFall([0, -0.1, -0.2], [0, -0.3, -0.9])).toBe(true);
  expect(bothFall([0, 0.1, 0.2], [0, -0.3, -0.9])).toBe(false);
  expect(bothFall([0, -0.1, 0.2], [0, -0.3, -0.9])).toBe(false);
  // Below zero from the start, and rising.
  expect(bothFall([-3, -2, -1], [0, -0.3, -0.9])).toBe(false);
  expect(bothFall([0, -1], [0, -1])).toBe(false);
  expect(bothFall(undefined, undefined)).toBe(false);
});
