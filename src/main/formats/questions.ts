import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { InputError } from '../../shared/errors.ts';
import type { Text } from '../../shared/preferences.ts';
import { unreadable } from './files.ts';
import { parseLines } from './preferences/readers/jsonl.ts';

/** A question with one right answer, for exact match on generated text. */
export interface Question {
  readonly index: number;
  readonly prompt: Text;
  readonly answer: string;
}

const filled = z
  .string({
    error: ({ input }) => (input === undefined ? 'this field is missing' : 'must be text'),
  })
  .min(1, { error: 'must not be empty' });
const text = z.union([filled, z.array(z.object({ role: z.string(), content: z.string() })).min(1)]);
/** `prompt` as in preference data, or `question` as in GSM8K: then a plain question that a chat model is asked. */
const record = z
  .object({ prompt: text.optional(), question: filled.optional(), answer: filled })
  .refine(({ prompt, question }) => (prompt === undefined) !== (question === undefined), {
    error: 'needs either prompt or question',
  });

/**
 * Reads questions from JSONL, optionally gzipped.
 * @param asChat whether a plain `question` is asked as a user's message
 * @throws InputError naming file, row and cause
 */
export function readQuestions(path: string, asChat: boolean): Question[] {
  const file = path;
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
    if (path.endsWith('.gz')) bytes = gunzipSync(bytes);
  } catch (error) {
    throw unreadable(path, error);
  }
  const questions = parseLines(bytes, file).map(({ record: value, index, where }) => {
    const parsed = record.safeParse(value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const name = issue!.path.join('.');
      throw new InputError(`${name === '' ? '' : `${name}: `}${issue!.message} (${where})`, {
        file,
        row: index,
      });
    }
    const { prompt, question, answer } = parsed.data;
    const asked = prompt ?? (asChat ? [{ role: 'user', content: question! }] : question!);
    return { index, prompt: asked, answer };
  });
  if (questions.length === 0) throw new InputError('the file holds no rows', { file });
  return questions;
}
