import { sameText, type Fields } from '../record.ts';
import type { Message } from '../../../../shared/preferences.ts';
import { isListOf, isText, scoresOf, taskAnswer, type PreferenceFormat } from './format.ts';

/**
 * UltraFeedback binarized: `prompt` as text, `chosen` and `rejected` as whole conversations that begin with it, and the
 * ratings `score_chosen`, `score_rejected` (argilla's cleaned one: `chosen-rating`, `rejected-rating`).
 */
export const ultrafeedback: PreferenceFormat = {
  name: 'ultrafeedback',
  columns: [
    ...['prompt', 'chosen', 'rejected', 'answer'],
    ...['score_chosen', 'score_rejected', 'chosen-rating', 'rejected-rating'],
  ],
  matches: ({ prompt, chosen, rejected }) =>
    isText(prompt) && isConversation(chosen) && isConversation(rejected),
  convert(record, complain) {
    const { chosen, rejected } = record;
    if (!isConversation(chosen) || !isConversation(rejected))
      throw complain('chosen and rejected must be conversations that begin with the prompt');
    const opening = chosen.slice(0, -1) as unknown as readonly Message[];
    if (!sameText(opening, rejected.slice(0, -1) as unknown as readonly Message[]))
      throw complain('chosen and rejected do not begin with the same messages', 'prompt-differs');
    return {
      prompt: opening,
      chosen: chosen.slice(-1),
      rejected: rejected.slice(-1),
      ...scoresOf(
        record['score_chosen'] ?? record['chosen-rating'],
        record['score_rejected'] ?? record['rejected-rating'],
      ),
      ...taskAnswer(record),
    };
  },
};

function isConversation(value: unknown): value is readonly Fields[] {
  return isListOf(value, 'role', 'content') && value.length > 1;
}
