import { expect, test } from 'vitest';
import { gridRuns, secondsOfAll } from './grid.ts';

test('every loss with every rate and seed', () => {
  const runs = gridRuns().map(({ loss, learningRate, seed }) => `${loss} ${learningRate} ${seed}`);
  expect(runs).toHaveLength(12);
  expect(new Set(runs).size).toBe(12);
});

test('runs that were not made take as long as those behind the first', () => {
  expect(secondsOfAll([10, 4, 6], 3)).toBe(20);
  expect(secondsOfAll([10, 4, 6], 12)).toBe(10 + 11 * 5);
  expect(secondsOfAll([10], 1)).toBe(10);
});
