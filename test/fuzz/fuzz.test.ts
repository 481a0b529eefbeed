import { expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';
import { targets } from './targets/index.ts';

// A sample; `node test/fuzz/fuzz.ts` runs a hundred thousand. Time is judged there, not here.
it.each(targets.map(({ name }) => name))('%s: mutated inputs are read or refused cleanly', async (name) => {
  const tally = await fuzz(name, 7, 0, 150);
  expect(tally.findings.filter(({ kind }) => kind !== 'hang')).toEqual([]);
  expect(tally.cases).toBe(150);
  // A mutator that breaks everything at once tests little.
  expect(tally.read).toBeGreaterThan(0);
  expect(tally.refused).toBeGreaterThan(0);
});
