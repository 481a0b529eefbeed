import { createHash } from 'node:crypto';
import type { DataRow, PreferenceRow } from '../../shared/preferences.ts';
import { promptKey } from '../../shared/row-texts.ts';
import {
  pairHash,
  tokenizeCompletions,
  tokenizePreferences,
  type TokenizingNotes,
} from '../engine/tokens/pairs.ts';
import type { Tokenizer } from '../engine/tokens/tokenizer.ts';
import type { TrainingPair } from '../engine/train/trainer.ts';
import { Random } from '../engine/train/random.ts';
import { InputError } from '../../shared/errors.ts';

export type { TrainingPair };

/** Rows ready for the engine, with what happened to those that are not among them. */
export interface PreparedData extends TokenizingNotes {
  readonly pairs: readonly TrainingPair[];
  /** Rows of the data before any was left out. */
  readonly rows: number;
}

/**
 * Tokenises rows for a loss: pairs, or (where no rejected answer is looked at) prompts with one completion.
 * @param file named in errors
 * @throws InputError where the rows are not of the kind that the loss needs, or none is left
 */
export function prepareData(
  rows: readonly DataRow[],
  tokenizer: Tokenizer,
  options: { readonly maxLength: number; readonly needsRejected: boolean; readonly file: string },
): PreparedData {
  const { maxLength, needsRejected, file } = options;
  if (!needsRejected) {
    const { completions, ...notes } = tokenizeCompletions(rows, tokenizer, { maxLength });
    const pairs = completions.map(({ index, prompt, completion }) => ({
      index,
      prompt,
      chosen: completion,
      rejected: new Int32Array(),
    }));
    return requirePairs({ pairs, rows: rows.length, ...notes }, maxLength, file);
  }
  const completion = rows.find(({ kind }) => kind !== 'preference');
  if (completion) {
    throw new InputError('has one completion a row, preference losses need chosen and rejected answers', {
      file,
    });
  }
  const { pairs, ...notes } = tokenizePreferences(rows as readonly PreferenceRow[], tokenizer, { maxLength });
  return requirePairs({ pairs, rows: rows.length, ...notes }, maxLength, file);
}

function requirePairs(data: PreparedData, maxLength: number, file: string): PreparedData {
  if (data.pairs.length > 0) return data;
  throw new InputError(`no row is left to use: ${data.skipped[0]?.reason ?? `max length ${maxLength}`}`, {
    file,
  });
}

/**
 * Splits rows into training and held-out ones. Rows that share a prompt stay together, so that no held-out question
 * was trained on. The split does not depend on a run's seed: every run of a comparison has the same one.
 * @param share of the questions to hold out; at least one on either side
 */
export function splitRows(
  rows: readonly DataRow[],
  share: number,
  file: string,
): { readonly train: readonly DataRow[]; readonly held: readonly DataRow[] } {
  const groups = new Map<string, DataRow[]>();
  for (const row of rows) {
    const key = promptKey(row);
    const group = groups.get(key);
    if (group) group.push(row);
    else groups.set(key, [row]);
  }
  if (groups.size < 2)
    throw new InputError('needs at least two different prompts to hold some out', { file });
  const order = new Random(0, 'held-out share').permutation(groups.size);
  const count = Math.min(groups.size - 1, Math.max(1, Math.round(share * groups.size)));
  const heldPlaces = new Set(order.slice(0, count));
  const sides = { train: [] as DataRow[], held: [] as DataRow[] };
  [...groups.values()].forEach((group, place) =>
    sides[heldPlaces.has(place) ? 'held' : 'train'].push(...group),
  );
  return sides;
}

/** SHA-256 over what is trained on and in which order: equal in every arm of one seed. */
export function orderHash(pairs: readonly TrainingPair[], batches: readonly (readonly number[])[]): string {
  const hash = createHash('sha256');
  const hashes = pairs.map(pairHash);
  for (const batch of batches) hash.update(`${batch.map((place) => hashes[place]).join(' ')}\n`);
  return hash.digest('hex');
}
