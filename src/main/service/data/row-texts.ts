import { splitImplicitPrompt } from '../../../shared/implicit-prompt.ts';
import type { DataRow, Message, Text } from '../../../shared/preferences.ts';

/** A row's parts with the prompt split off, whatever form it has. */
export interface RowParts {
  readonly prompt: Text;
  /** `chosen` and `rejected`, or `completion`. */
  readonly answers: readonly { readonly name: string; readonly text: Text }[];
}

export function partsOf(row: DataRow): RowParts {
  if (row.kind === 'completion')
    return { prompt: row.prompt, answers: [{ name: 'completion', text: row.completion }] };
  const { prompt, chosen, rejected } =
    row.prompt === undefined
      ? splitImplicitPrompt(row.chosen, row.rejected)
      : { prompt: row.prompt, chosen: row.chosen, rejected: row.rejected };
  return {
    prompt,
    answers: [
      { name: 'chosen', text: chosen },
      { name: 'rejected', text: rejected },
    ],
  };
}

/** Text as it stands, messages by their contents, a line break between two. */
export function plainText(text: Text): string {
  return typeof text === 'string' ? text : text.map(({ content }) => content).join('\n');
}

/** A text as chat messages: a question as the user's, an answer as the assistant's. */
export function asMessages(text: Text, role: 'user' | 'assistant'): readonly Message[] {
  return typeof text === 'string' ? [{ role, content: text }] : text;
}
