import type { DataRow, Message, Text } from '../../../shared/preferences.ts';
import { rowTexts } from '../../../shared/row-texts.ts';

/** A row's parts with the prompt split off, whatever form it has. */
export interface RowParts {
  readonly prompt: Text;
  /** `chosen` and `rejected`, or `completion`. */
  readonly answers: readonly { readonly name: string; readonly text: Text }[];
}

export function partsOf(row: DataRow): RowParts {
  const { prompt, chosen, rejected } = rowTexts(row);
  if (rejected === undefined) return { prompt, answers: [{ name: 'completion', text: chosen }] };
  return {
    prompt,
    answers: [
      { name: 'chosen', text: chosen },
      { name: 'rejected', text: rejected },
    ],
  };
}

/** A text as chat messages: a question as the user's, an answer as the assistant's. */
export function asMessages(text: Text, role: 'user' | 'assistant'): readonly Message[] {
  return typeof text === 'string' ? [{ role, content: text }] : text;
}
