import { InputError } from '../../shared/errors.ts';
import type { DataRow } from '../../shared/preferences.ts';
import { tokenizeCompletions, tokenizePreferences, type BoundaryShift } from '../engine/tokens/pairs.ts';
import type { Tokenizer } from '../engine/tokens/tokenizer.ts';

/** What a model would see of a row, before anything is cut. */
export interface InspectedRow {
  /** Tokens of the prompt, without those that merge with an answer. */
  readonly prompt: number;
  /** Tokens by field, `chosen` and `rejected` or `completion`, end token included. */
  readonly answers: Readonly<Record<string, number>>;
  readonly shift?: BoundaryShift;
}

/**
 * Tokenises one row as training does.
 * @returns why the row could not be trained on, where it could not
 * @throws InputError where no conversation at all can be rendered, for want of a chat template
 */
export function inspectRow(row: DataRow, tokenizer: Tokenizer): InspectedRow | { readonly reason: string } {
  const isChat = typeof (row.kind === 'preference' ? row.chosen : row.completion) !== 'string';
  const complain = isChat && tokenizer.chatTemplate === undefined;
  try {
    if (row.kind === 'completion') {
      const { completions, shifted, skipped } = tokenizeCompletions([row], tokenizer);
      const [found] = completions;
      if (!found) return { reason: skipped[0]!.reason };
      return withShift(found.prompt.length, { completion: found.completion.length }, shifted[0]);
    }
    const { pairs, shifted, skipped } = tokenizePreferences([row], tokenizer);
    const [found] = pairs;
    if (!found) return { reason: skipped[0]!.reason };
    return withShift(
      found.prompt.length,
      { chosen: found.chosen.length, rejected: found.rejected.length },
      shifted[0],
    );
  } catch (error) {
    if (!complain && error instanceof InputError) return { reason: error.message };
    throw error;
  }
}

function withShift(
  prompt: number,
  answers: Readonly<Record<string, number>>,
  shift: BoundaryShift | undefined,
): InspectedRow {
  return shift === undefined ? { prompt, answers } : { prompt, answers, shift };
}
