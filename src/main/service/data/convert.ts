import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../../../shared/errors.ts';
import type { DataRow } from '../../../shared/preferences.ts';
import { beginFile, writeAll, whyUnwritten } from '../../formats/files.ts';
import type { CallOptions, ConvertDataRequest, ConvertDataResult } from '../../../shared/contract.ts';
import { requireWritable } from '../library.ts';
import { IssueList } from './issues.ts';
import { openRequested } from './read.ts';
import { asMessages, partsOf } from './row-texts.ts';

/** Lines are written in pieces of about this many characters. */
const piece = 1 << 20;

/**
 * Writes a data file's rows in TRL's conversational form, one JSON object a line: `prompt`, `chosen` and `rejected` (or
 * `completion`) as lists of messages, and `answer` where there is one. Plain texts become what the user and the
 * assistant say. The file appears whole or not at all.
 *
 * @throws InputError naming the first row that cannot be used, unless these are to be left out
 */
export async function convertData(
  request: ConvertDataRequest,
  call: CallOptions,
): Promise<ConvertDataResult> {
  const started = performance.now();
  const { path, out, skipBad } = request;
  requireWritable(out, [path]);
  const opened = await openRequested(path, request, 'converting rows', call);
  const issues = new IssueList();
  let pairs = 0;
  let skipped = 0;
  try {
    const pending = begin(out);
    try {
      let lines = '';
      const flush = (): void => {
        writing(out, () => writeAll(pending.descriptor, Buffer.from(lines)));
        lines = '';
      };
      for await (const read of opened.rows) {
        if ('problem' in read) {
          const { row, kind, message } = read.problem;
          if (!skipBad)
            throw new InputError(`${message}; leave out such rows with --skip-bad`, { file: path, row });
          skipped += 1;
          issues.add(row, kind, message);
          continue;
        }
        pairs += 1;
        lines += `${JSON.stringify(conversational(read.row))}\n`;
        if (lines.length >= piece) flush();
      }
      if (pairs === 0) throw new InputError('no row can be used', { file: path });
      flush();
      call.signal?.throwIfAborted();
      writing(out, () => pending.commit());
    } finally {
      pending.discard();
    }
  } finally {
    await opened.close();
  }
  return {
    out,
    format: opened.format,
    pairs,
    skipped,
    issues: issues.inOrder,
    counts: issues.counts,
    seconds: (performance.now() - started) / 1000,
  };
}

function begin(out: string): ReturnType<typeof beginFile> {
  return writing(out, () => {
    mkdirSync(dirname(out), { recursive: true });
    return beginFile(out);
  });
}

/** A full disk and the like, told as such. */
function writing<Result>(file: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw new InputError(`cannot be written: ${whyUnwritten(error)}`, { file });
  }
}

function conversational(row: DataRow): object {
  const { prompt, answers } = partsOf(row);
  return {
    prompt: asMessages(prompt, 'user'),
    ...Object.fromEntries(answers.map(({ name, text }) => [name, asMessages(text, 'assistant')])),
    ...(row.answer === undefined ? {} : { answer: row.answer }),
  };
}
