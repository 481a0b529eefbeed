import type { Message } from '../../../../shared/preferences.ts';
import { isPresent, nameOfType, type Complain, type Fields } from '../record.ts';
import {
  answered,
  isListOf,
  isRecord,
  isText,
  optionalText,
  taskAnswer,
  textOf,
  type PreferenceFormat,
} from './format.ts';

const roles: Readonly<Record<string, string>> = {
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  assistant: 'assistant',
  chatgpt: 'assistant',
  bing: 'assistant',
  bard: 'assistant',
  system: 'system',
};

/**
 * ShareGPT with preferences, as LLaMA-Factory reads it: `conversations` of {from, value} up to the question, `chosen` and
 * `rejected` as one such message (or text, or a list that ends the conversation), `system` where there is one.
 */
export const sharegpt: PreferenceFormat = {
  name: 'sharegpt',
  columns: ['conversations', 'chosen', 'rejected', 'system', 'answer'],
  matches: ({ conversations, chosen, rejected }) =>
    isListOf(conversations, 'from', 'value') && isPresent(chosen) && isPresent(rejected),
  convert(record, complain) {
    const { conversations } = record;
    if (!isPresent(conversations)) throw complain('missing field "conversations"', 'missing-field');
    const system = optionalText(record, 'system', complain);
    const prompt = messagesOf(conversations, 'conversations', complain);
    return {
      prompt: system === undefined ? prompt : [{ role: 'system', content: system }, ...prompt],
      chosen: answerOf(record, 'chosen', complain),
      rejected: answerOf(record, 'rejected', complain),
      ...taskAnswer(record),
    };
  },
};

function answerOf(record: Fields, name: string, complain: Complain): Message[] {
  const value = record[name];
  if (!isPresent(value)) throw complain(`missing field "${name}"`, 'missing-field');
  if (isText(value)) return answered(value);
  return messagesOf(isRecord(value) ? [value] : value, name, complain);
}

function messagesOf(value: unknown, name: string, complain: Complain): Message[] {
  if (!Array.isArray(value)) throw complain(`"${name}" must be a list of messages, not ${nameOfType(value)}`);
  return value.map((message: unknown, at) => {
    const place = `${name}[${at}]`;
    if (!isRecord(message)) throw complain(`${place} must be a message with "from" and "value"`);
    const from = textOf(message, 'from', (cause, kind) => complain(`${place}: ${cause}`, kind));
    const role = roles[from.toLowerCase()];
    if (role === undefined) throw complain(`${place}: "${from}" is no speaker that is known`, 'role-order');
    return {
      role,
      content: textOf(message, 'value', (cause, kind) => complain(`${place}: ${cause}`, kind)),
    };
  });
}
