import { hash } from 'node:crypto';
import type { DataRow } from '../../shared/preferences.ts';
import { promptKey } from '../../shared/row-texts.ts';

/**
 * 52 bits of the prompt's SHA-256, as a number that JavaScript holds exactly: equal for rows that ask the same question.
 * Two of a million different prompts share one with a probability of about 1e-4, and then only stay on one side of a split.
 */
export function promptHash(row: DataRow): number {
  return hash52(promptKey(row));
}

/** The first 52 bits of a text's SHA-256. */
export function hash52(text: string): number {
  return Number.parseInt(hash('sha256', text, 'hex').slice(0, 13), 16);
}
