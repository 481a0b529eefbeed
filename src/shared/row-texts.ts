import { splitImplicitPrompt } from './implicit-prompt.ts';
import type { DataRow, Text } from './preferences.ts';

/** A row's prompt and answers, with a prompt that stands in both answers split off. */
export interface RowTexts<Form> {
  readonly prompt: Form;
  /** The chosen answer, or the only one. */
  readonly chosen: Form;
  /** Absent in a row with one completion. */
  readonly rejected?: Form;
}

/** The parts of a row as they are. */
export function rowTexts(row: DataRow): RowTexts<Text> {
  if (row.kind === 'completion') return { prompt: row.prompt, chosen: row.completion };
  const { prompt, chosen, rejected } = row;
  return prompt === undefined ? splitImplicitPrompt(chosen, rejected) : { prompt, chosen, rejected };
}

/** The parts of a row as plain text, roles left out. */
export function plainRowTexts(row: DataRow): RowTexts<string> {
  const { prompt, chosen, rejected } = rowTexts(row);
  return {
    prompt: plainText(prompt),
    chosen: plainText(chosen),
    ...(rejected === undefined ? {} : { rejected: plainText(rejected) }),
  };
}

/** A text, or a conversation's messages one after another, a line break between two. */
export function plainText(text: Text): string {
  return typeof text === 'string' ? text : text.map(({ content }) => content).join('\n');
}

/**
 * What makes two rows ask the same question: the prompt's words, whether it stands in a field of its own or at the start
 * of both answers, as text or as messages.
 */
export function promptKey(row: DataRow): string {
  return plainText(rowTexts(row).prompt);
}
