import type { Message } from '../../../../shared/preferences.ts';
import { isPresent, type Complain, type Fields } from '../record.ts';
import {
  answered,
  asked,
  isText,
  optionalText,
  scoresOf,
  taskAnswer,
  textOf,
  type PreferenceFormat,
} from './format.ts';

const promptColumns = ['instruction', 'input', 'system', 'history', 'answer'];

/** Alpaca with preferences, as LLaMA-Factory reads it: `instruction`, `input`, `chosen`, `rejected` as texts. */
export const alpaca: PreferenceFormat = {
  name: 'alpaca',
  columns: [...promptColumns, 'chosen', 'rejected', 'chosen_score', 'rejected_score'],
  matches: ({ prompt, instruction, chosen, rejected }) =>
    !isPresent(prompt) && isText(instruction) && isText(chosen) && isText(rejected),
  convert: (record, complain) => ({
    prompt: promptOf(record, complain),
    chosen: answered(textOf(record, 'chosen', complain)),
    rejected: answered(textOf(record, 'rejected', complain)),
    ...scoresOf(record['chosen_score'], record['rejected_score']),
    ...taskAnswer(record),
  }),
};

/** Alpaca's ranking form: `output` is a list of two texts, the better first. */
export const alpacaRanking: PreferenceFormat = {
  name: 'alpaca-ranking',
  columns: [...promptColumns, 'output'],
  matches: ({ instruction, output }) =>
    isText(instruction) && Array.isArray(output) && output.length > 0 && output.every(isText),
  convert(record, complain) {
    const { output } = record;
    if (!isPresent(output)) throw complain('missing field "output"', 'missing-field');
    if (!Array.isArray(output) || output.length !== 2 || !output.every(isText))
      throw complain('"output" must be a list of two texts, the better first');
    const [better, worse] = output as [string, string];
    return {
      prompt: promptOf(record, complain),
      chosen: answered(better),
      rejected: answered(worse),
      ...taskAnswer(record),
    };
  },
};

/** Instruction and input on lines of their own, after earlier turns where there are any. */
function promptOf(record: Fields, complain: Complain): Message[] {
  const instruction = textOf(record, 'instruction', complain);
  const input = optionalText(record, 'input', complain);
  const question = input === undefined ? instruction : `${instruction}\n${input}`;
  const messages = asked(question, optionalText(record, 'system', complain), complain);
  return [...messages.slice(0, -1), ...earlierTurns(record, complain), ...messages.slice(-1)];
}

function earlierTurns(record: Fields, complain: Complain): Message[] {
  const { history } = record;
  if (!isPresent(history)) return [];
  if (!Array.isArray(history)) throw complain('"history" must be a list of [question, answer]');
  return history.flatMap((turn: unknown) => {
    if (!Array.isArray(turn) || turn.length !== 2 || !turn.every(isText))
      throw complain('"history" must be a list of [question, answer]');
    const [question, answer] = turn as [string, string];
    return [{ role: 'user', content: question }, ...answered(answer)];
  });
}
