import { isPresent } from '../record.ts';
import {
  answered,
  asked,
  isText,
  optionalText,
  taskAnswer,
  textOf,
  type PreferenceFormat,
} from './format.ts';

/**
 * Orca DPO pairs: `system`, `question`, `chosen`, `rejected` as texts. Argilla's cleaned ones name the question `input` and
 * mark pairs whose answers are equally good with `status` "tie".
 */
export const orca: PreferenceFormat = {
  name: 'orca',
  columns: ['system', 'question', 'input', 'status', 'chosen', 'rejected', 'answer'],
  matches: ({ prompt, system, question, input, chosen, rejected }) =>
    !isPresent(prompt) &&
    isText(chosen) &&
    isText(rejected) &&
    (isText(question) || (isText(system) && isText(input))),
  convert(record, complain) {
    if (record['status'] === 'tie') throw complain('its status is "tie": neither answer is better', 'tie');
    const question = 'question' in record || !('input' in record) ? 'question' : 'input';
    return {
      prompt: asked(textOf(record, question, complain), optionalText(record, 'system', complain), complain),
      chosen: answered(textOf(record, 'chosen', complain)),
      rejected: answered(textOf(record, 'rejected', complain)),
      ...taskAnswer(record),
    };
  },
};
