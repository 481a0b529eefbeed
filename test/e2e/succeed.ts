import { expect } from 'vitest';
import { plumbline, type Outcome } from './support.ts';

/** Runs a command that must end with 0. */
export async function succeed(home: string, args: readonly (string | number)[]): Promise<Outcome> {
  const outcome = await plumbline(home, [...args]);
  expect(outcome.code, outcome.err).toBe(0);
  return outcome;
}
