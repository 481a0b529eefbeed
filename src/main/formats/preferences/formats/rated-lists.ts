import type { FormatName } from '../../../../shared/preferences.ts';
import { isPresent, type Complain, type Fields } from '../record.ts';
import {
  answered,
  asked,
  isText,
  numberOf,
  optionalText,
  scoresOf,
  taskAnswer,
  textOf,
  type PreferenceFormat,
} from './format.ts';

const promptNames = ['instruction', 'prompt', 'input', 'question'];
const systemNames = ['system_prompt', 'system'];

/** distilabel: several `generations` of one instruction and their `ratings`; the best against the worst. */
export const distilabel = ratedLists('distilabel', ['generations'], ['ratings', 'rating']);

/** Argilla: several `responses` and their `values`; the best against the worst. */
export const argilla = ratedLists('argilla', ['responses', 'completions'], ['values', 'ratings', 'scores']);

/**
 * Rows with a list of answers and a list of their ratings. Answers or ratings that are null are left out; the first of
 * the best is set against the first of the worst; where best and worst are rated alike, the row is a tie.
 */
function ratedLists(
  name: FormatName,
  answerNames: readonly string[],
  ratingNames: readonly string[],
): PreferenceFormat {
  const fieldOf = (record: Fields, names: readonly string[]): string =>
    names.find((each) => Array.isArray(record[each])) ?? names[0]!;
  return {
    name,
    columns: [...promptNames, ...systemNames, ...answerNames, ...ratingNames, 'answer'],
    matches: (record) =>
      !isPresent(record['chosen']) &&
      promptNames.some((each) => isText(record[each])) &&
      Array.isArray(record[fieldOf(record, answerNames)]) &&
      Array.isArray(record[fieldOf(record, ratingNames)]),
    convert(record, complain) {
      const answers = listOf(record, fieldOf(record, answerNames), complain);
      const ratings = listOf(record, fieldOf(record, ratingNames), complain);
      if (answers.length !== ratings.length)
        throw complain(`${answers.length} answers with ${ratings.length} ratings`);
      const rated = answers.flatMap((answer, at) => {
        const rating = numberOf(ratings[at]);
        return isText(answer) && rating !== undefined ? [{ answer, rating }] : [];
      });
      if (rated.length < 2) throw complain('fewer than two answers are rated', 'missing-field');
      const best = rated.reduce((a, b) => (b.rating > a.rating ? b : a));
      const worst = rated.reduce((a, b) => (b.rating < a.rating ? b : a));
      if (best.rating === worst.rating) throw complain(`all answers are rated ${best.rating}`, 'tie');
      const question = textOf(
        record,
        promptNames.find((each) => isText(record[each])) ?? promptNames[0]!,
        complain,
      );
      const system = systemNames
        .map((each) => optionalText(record, each, complain))
        .find((each) => each !== undefined);
      return {
        prompt: asked(question, system, complain),
        chosen: answered(best.answer),
        rejected: answered(worst.answer),
        ...scoresOf(best.rating, worst.rating),
        ...taskAnswer(record),
      };
    },
  };
}

function listOf(record: Fields, name: string, complain: Complain): readonly unknown[] {
  const value = record[name];
  if (value === undefined || value === null) throw complain(`missing field "${name}"`, 'missing-field');
  if (!Array.isArray(value)) throw complain(`"${name}" must be a list`);
  return value as unknown[];
}
