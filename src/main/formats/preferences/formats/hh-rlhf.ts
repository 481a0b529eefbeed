import type { Message } from '../../../../shared/preferences.ts';
import { splitImplicitPrompt } from '../../../../shared/implicit-prompt.ts';
import type { Complain, Fields } from '../record.ts';
import { isText, taskAnswer, textOf, type PreferenceFormat } from './format.ts';

const opening = '\n\nHuman:';

/**
 * Anthropic's HH-RLHF: `chosen` and `rejected` are whole transcripts that begin alike and part in their last turn. They
 * become chat messages. Read raw as TRL's implicit prompt instead (`--format trl`), "Human:" stays part of the text.
 */
export const hhRlhf: PreferenceFormat = {
  name: 'hh-rlhf',
  columns: ['chosen', 'rejected', 'answer'],
  matches: ({ prompt, chosen, rejected }) =>
    (prompt === undefined || prompt === null) &&
    isText(chosen) &&
    isText(rejected) &&
    chosen.startsWith(opening) &&
    rejected.startsWith(opening),
  convert(record, complain) {
    const [chosen, rejected] = (['chosen', 'rejected'] as const).map((name) => turns(record, name, complain));
    const split = splitImplicitPrompt(chosen!, rejected!);
    // Nothing in common: left as it is, the prompt is told to be missing.
    return { ...(split.prompt.length === 0 ? { chosen, rejected } : split), ...taskAnswer(record) };
  },
};

/** A transcript as messages. The blank after the colon belongs to the mark, as in TRL's own script for these data. */
function turns(record: Fields, name: string, complain: Complain): Message[] {
  const text = textOf(record, name, complain);
  if (!text.startsWith(opening)) throw complain(`"${name}" does not begin with "\\n\\nHuman:"`, 'role-order');
  const parts = text.split(/\n\n(Human|Assistant): ?/);
  const messages: Message[] = [];
  for (let at = 1; at < parts.length; at += 2)
    messages.push({ role: parts[at] === 'Human' ? 'user' : 'assistant', content: parts[at + 1]! });
  if (messages.at(-1)?.role !== 'assistant')
    throw complain(`"${name}" does not end with the assistant's answer`, 'role-order');
  return messages;
}
