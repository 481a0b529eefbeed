import type { FormatName, Message } from '../../../../shared/preferences.ts';
import { isPresent, nameOfType, type Complain, type Fields } from '../record.ts';

/** A form that rows of preference data have in the wild. */
export interface PreferenceFormat {
  readonly name: FormatName;
  /** Every column that is looked at, so that others need not be read. */
  readonly columns: readonly string[];
  /** Whether a record is of this format, by its fields' names and types alone. */
  matches(record: Fields): boolean;
  /**
   * The same row in TRL's form: `prompt`, `chosen`, `rejected` (or `completion`), `answer`; and `chosen_score`,
   * `rejected_score` where the answers are rated. Types are checked afterwards, alike for every format.
   *
   * @throws what `complain` makes of the cause
   */
  convert(record: Fields, complain: Complain): Fields;
}

export function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** Whether a value is a list of objects with these fields, and not empty. */
export function isListOf(value: unknown, ...fields: readonly string[]): value is readonly Fields[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((part: unknown) => isRecord(part) && fields.every((field) => field in part))
  );
}

export function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A text field. @throws complaints for an absent field and other types */
export function textOf(record: Fields, name: string, complain: Complain): string {
  const value = record[name];
  if (!isPresent(value)) throw complain(`missing field "${name}"`, 'missing-field');
  if (!isText(value)) throw complain(`"${name}" must be text, not ${nameOfType(value)}`);
  return value;
}

/** A text field that need not be there; blank text counts as absent. */
export function optionalText(record: Fields, name: string, complain: Complain): string | undefined {
  if (!isPresent(record[name])) return undefined;
  const value = textOf(record, name, complain);
  return value.trim() === '' ? undefined : value;
}

/** The opening of a conversation: a system message where there is one, and the user's question. */
export function asked(question: string, system: string | undefined, complain: Complain): Message[] {
  if (question.trim() === '') throw complain('empty prompt', 'empty');
  const user = { role: 'user', content: question };
  return system === undefined ? [user] : [{ role: 'system', content: system }, user];
}

export function answered(content: string): Message[] {
  return [{ role: 'assistant', content }];
}

/** A row's `answer` field, handed on. */
export function taskAnswer(record: Fields): Fields {
  return isPresent(record['answer']) ? { answer: record['answer'] } : {};
}

/** Ratings of both answers where the row has them as numbers. */
export function scoresOf(chosen: unknown, rejected: unknown): Fields {
  const [better, worse] = [numberOf(chosen), numberOf(rejected)];
  return better === undefined || worse === undefined ? {} : { chosen_score: better, rejected_score: worse };
}

/** A number, or text that spells one, as CSV has it. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}
