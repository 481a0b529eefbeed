import type { PairScores } from '../../formats/preferences.ts';
import type { DataRow, Message, ProblemKind, Text } from '../../../shared/preferences.ts';
import { plainText } from '../../../shared/row-texts.ts';
import type { RowParts } from './row-texts.ts';

export type Finding = readonly [kind: ProblemKind, message: string];

/** What one row shows by itself, without a model and without the other rows. */
export function rowFindings(row: DataRow, parts: RowParts, scores: PairScores | undefined): Finding[] {
  return [
    ...blanks(parts),
    ...equalButForBlanks(parts),
    ...ratings(scores),
    ...turns(parts, row.prompt !== undefined),
    ...differingPrompts(row, parts),
  ];
}

/** Prompts and answers of white space alone. The reader refuses empty ones. */
function blanks({ prompt, answers }: RowParts): Finding[] {
  return [{ name: 'prompt', text: prompt }, ...answers]
    .filter(({ text }) => plainText(text).trim() === '')
    .map(({ name }) => ['empty', `"${name}" holds no text`]);
}

function equalButForBlanks({ answers }: RowParts): Finding[] {
  const [chosen, rejected] = answers.map(({ text }) => plainText(text).replace(/\s+/g, ' ').trim());
  if (rejected === undefined || chosen !== rejected) return [];
  return [['identical', 'chosen and rejected differ in white space only']];
}

/** The file's own ratings, where it has them, say which answer is better. */
function ratings(scores: PairScores | undefined): Finding[] {
  if (scores === undefined) return [];
  const { chosen, rejected } = scores;
  if (chosen === rejected) return [['tie', `both answers are rated ${chosen}`]];
  if (chosen > rejected) return [];
  return [['swapped-suspect', `chosen is rated ${chosen}, rejected ${rejected}`]];
}

/**
 * Order of speakers: a system message only at the start, then user and assistant in turn, the answer (which starts where
 * the prompt ends) from the assistant. Chat templates render anything else in ways of their own, or refuse it.
 */
function turns({ prompt, answers }: RowParts, explicit: boolean): Finding[] {
  if (typeof prompt === 'string') return [];
  for (const { name, text } of answers) {
    if (typeof text === 'string') continue;
    const cause = wrongTurn(prompt, text, explicit);
    if (cause !== undefined) return [['role-order', `${name}: ${cause}`]];
  }
  return [];
}

function wrongTurn(
  prompt: readonly Message[],
  answer: readonly Message[],
  explicit: boolean,
): string | undefined {
  const roles = [...prompt, ...answer].map(({ role }) => role);
  const spoken = roles[0] === 'system' ? roles.slice(1) : roles;
  const other = spoken.find((role) => role !== 'user' && role !== 'assistant');
  if (other === 'system') return 'a system message stands after others';
  if (other !== undefined) return `"${other}" is no role that chat templates share`;
  if (spoken[0] === 'assistant') return 'the assistant speaks first';
  if (explicit && answer[0]?.role !== 'assistant') return 'the answer is not from the assistant';
  const repeated = spoken.findIndex((role, at) => at > 0 && role === spoken[at - 1]);
  if (repeated !== -1) return `two messages from the ${spoken[repeated]} follow each other`;
  return spoken.at(-1) === 'assistant' ? undefined : 'the conversation does not end with the assistant';
}

/** Shorter prompts may stand at an answer's start by chance. */
const longPrompt = 20;

/**
 * Signs that both answers are not to one prompt: conversations that part before their last question; texts without a
 * prompt that share no beginning; one answer that begins with the prompt, and the other not (or both: the prompt would
 * stand there twice).
 */
function differingPrompts(row: DataRow, { prompt, answers }: RowParts): Finding[] {
  if (row.kind !== 'preference') return [];
  const asks = (text: Text): boolean => typeof text !== 'string' && text.some(({ role }) => role === 'user');
  if (answers.some(({ text }) => asks(text)))
    return [['prompt-differs', 'the conversations part before their last question']];
  if (row.prompt === undefined)
    return prompt === '' ? [['prompt-differs', 'chosen and rejected share no beginning']] : [];
  const opening = plainText(prompt);
  if (opening.length < longPrompt) return [];
  const repeating = answers.filter(({ text }) => plainText(text).startsWith(opening)).map(({ name }) => name);
  if (repeating.length === 0) return [];
  if (repeating.length === 2) return [['prompt-differs', 'both answers begin with the prompt once more']];
  return [['prompt-differs', `only ${repeating[0]} begins with the prompt once more`]];
}
