import { sameMessage, splitImplicitPrompt } from '../../../shared/implicit-prompt.ts';
import type {
  CompletionRow,
  DataRow,
  Message,
  PreferenceRow,
  ProblemKind,
  Text,
} from '../../../shared/preferences.ts';

/** A record before its fields are checked. */
export type Fields = Readonly<Record<string, unknown>>;

/** Makes the error for a cause; the caller knows file and row. */
export type Complain = (cause: string, kind?: ProblemKind) => Error;

/** Message fields that chat templates read and that would be lost here, so that the tokens would be wrong. */
const unsupportedMessageFields = [
  'tool_calls',
  'tool_call_id',
  'reasoning_content',
  'reasoning',
  'thinking',
  'name',
];
/** Row fields that change how TRL renders a conversation. */
export const unsupportedRowFields = ['tools', 'chat_template_kwargs', 'images', 'image'];

/**
 * Checks one record of TRL's form and makes a row of it. Fields that are null count as absent.
 *
 * @throws what `complain` makes of the cause: a missing field, a wrong type, text and messages mixed, an empty answer,
 *   chosen equal to rejected.
 */
export function rowFromRecord(fields: Fields, index: number, complain: Complain): DataRow {
  for (const name of unsupportedRowFields) {
    if (isPresent(fields[name])) throw complain(`field "${name}" is not supported`);
  }
  if (isPresent(fields['chosen']) || isPresent(fields['rejected']))
    return preferenceRow(fields, index, complain);
  if (isPresent(fields['completion'])) return completionRow(fields, index, complain);
  throw complain('missing field "chosen" (with "rejected"), or "completion"', 'missing-field');
}

/** The fields of a record. @throws what `complain` makes of a record without */
export function fieldsOf(record: unknown, complain: Complain): Fields {
  if (typeof record === 'object' && record !== null && !Array.isArray(record)) return record as Fields;
  throw complain(`a row must be an object with named fields, not ${nameOfType(record)}`);
}

function preferenceRow(fields: Fields, index: number, complain: Complain): PreferenceRow {
  const chosen = answerText(fields, 'chosen', complain);
  const rejected = answerText(fields, 'rejected', complain);
  refuseMixture({ chosen, rejected }, complain);
  if (sameText(chosen, rejected)) throw complain('chosen and rejected are equal', 'identical');
  const answer = taskAnswer(fields, complain);
  if (isPresent(fields['prompt'])) {
    const prompt = promptText(fields, complain);
    refuseMixture({ prompt, chosen, rejected }, complain);
    return { kind: 'preference', index, prompt, chosen, rejected, ...answer };
  }
  if (typeof chosen !== 'string' && splitImplicitPrompt(chosen, rejected).prompt.length === 0) {
    throw complain(
      'missing field "prompt": chosen and rejected share no first message to serve as one',
      'missing-field',
    );
  }
  return { kind: 'preference', index, chosen, rejected, ...answer };
}

function completionRow(fields: Fields, index: number, complain: Complain): CompletionRow {
  const completion = answerText(fields, 'completion', complain);
  if (!isPresent(fields['prompt'])) throw complain('missing field "prompt"', 'missing-field');
  const prompt = promptText(fields, complain);
  refuseMixture({ prompt, completion }, complain);
  return { kind: 'completion', index, prompt, completion, ...taskAnswer(fields, complain) };
}

function promptText(fields: Fields, complain: Complain): Text {
  const prompt = textField(fields, 'prompt', complain);
  if (typeof prompt !== 'string' && prompt.length === 0) throw complain('"prompt" holds no message', 'empty');
  return prompt;
}

function answerText(fields: Fields, name: string, complain: Complain): Text {
  if (!isPresent(fields[name])) throw complain(`missing field "${name}"`, 'missing-field');
  const text = textField(fields, name, complain);
  const empty = typeof text === 'string' ? text === '' : (text.at(-1)?.content ?? '') === '';
  if (empty) throw complain(`empty completion in "${name}"`, 'empty');
  return text;
}

function textField(fields: Fields, name: string, complain: Complain): Text {
  const value = fields[name];
  if (typeof value === 'string') return wellFormed(value, `"${name}"`, complain);
  if (!Array.isArray(value)) {
    throw complain(`"${name}" must be text or a list of chat messages, not ${nameOfType(value)}`);
  }
  return value.map((message: unknown, at) => messageFrom(message, `${name}[${at}]`, complain));
}

function messageFrom(value: unknown, name: string, complain: Complain): Message {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw complain(`${name} must be a message with "role" and "content", not ${nameOfType(value)}`);
  }
  const fields = value as Record<string, unknown>;
  for (const field of ['role', 'content'] as const) {
    if (!isPresent(fields[field])) throw complain(`${name}: missing field "${field}"`, 'missing-field');
    if (typeof fields[field] !== 'string') {
      throw complain(`${name}: "${field}" must be text, not ${nameOfType(fields[field])}`);
    }
  }
  for (const field of unsupportedMessageFields) {
    if (isPresent(fields[field])) throw complain(`${name}: field "${field}" is not supported`);
  }
  return {
    role: wellFormed(fields['role'] as string, `${name}.role`, complain),
    content: wellFormed(fields['content'] as string, `${name}.content`, complain),
  };
}

function taskAnswer(fields: Fields, complain: Complain): { answer?: string } {
  const { answer } = fields;
  if (!isPresent(answer)) return {};
  if (typeof answer === 'number') return { answer: String(answer) };
  if (typeof answer !== 'string')
    throw complain(`"answer" must be text or a number, not ${nameOfType(answer)}`);
  return { answer: wellFormed(answer, '"answer"', complain) };
}

/** Half of a surrogate pair has no UTF-8 form, so it has no tokens either. */
function wellFormed(text: string, name: string, complain: Complain): string {
  if (!text.isWellFormed())
    throw complain(`${name} holds half of a surrogate pair, which is not valid Unicode`);
  return text;
}

function refuseMixture(texts: Record<string, Text>, complain: Complain): void {
  const names = Object.keys(texts);
  const asText = names.filter((name) => typeof texts[name] === 'string');
  if (asText.length === 0 || asText.length === names.length) return;
  const asMessages = names.filter((name) => typeof texts[name] !== 'string');
  throw complain(
    `text and chat messages are mixed: ${asText.join(', ')} as text, ${asMessages.join(', ')} as messages`,
  );
}

export function sameText(a: Text, b: Text): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return a.length === b.length && a.every((message, at) => sameMessage(message, b[at]!));
}

export function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

export function nameOfType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
