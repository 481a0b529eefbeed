import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { InputError } from '../../shared/errors.ts';
import type { Text } from '../../shared/preferences.ts';
import { readSmallFile, unreadable } from './files.ts';
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

// All questions are asked in one go: a set has thousands, not millions.
const mostBytes = 32 << 20;
const mostLines = 200_000;

function unpack(packed: Buffer, file: string): Buffer {
  try {
    return gunzipSync(packed, { maxOutputLength: mostBytes });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw new InputError(`unpacks to more than ${mostBytes >> 20} MiB of questions`, { file });
    }
    throw unreadable(file, error);
  }
}

/**
 * Reads questions from JSONL, optionally gzipped.
 * @param asChat whether a plain `question` is asked as a user's message
 * @throws InputError naming file, row and cause
 */
export function readQuestions(path: string, asChat: boolean): Question[] {
  const file = path;
  let bytes = readSmallFile(path);
  if (path.endsWith('.gz')) bytes = unpack(bytes, file);
  if (bytes.length > mostBytes)
    throw new InputError(`holds more than ${mostBytes >> 20} MiB of questions`, { file });
  let lines = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
    lines += 1;
    if (lines > mostLines) throw new InputError(`has more than ${mostLines} lines`, { file });
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
