import { InputError } from '../../../shared/errors.ts';
import type { DataRow } from '../../../shared/preferences.ts';
import type { CallOptions, ConvertDataRequest, ConvertDataResult } from '../../../shared/contract.ts';
import { requireWritable } from '../library.ts';
import { IssueList } from './issues.ts';
import { writeLinesFile } from './lines-file.ts';
import { openRequested } from './read.ts';
import { asMessages, partsOf } from './row-texts.ts';

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
    await writeLinesFile(out, async (add) => {
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
        add(conversational(read.row));
      }
      if (pairs === 0) throw new InputError('no row can be used', { file: path });
      call.signal?.throwIfAborted();
    });
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

function conversational(row: DataRow): object {
  const { prompt, answers } = partsOf(row);
  return {
    prompt: asMessages(prompt, 'user'),
    ...Object.fromEntries(answers.map(({ name, text }) => [name, asMessages(text, 'assistant')])),
    ...(row.answer === undefined ? {} : { answer: row.answer }),
  };
}
