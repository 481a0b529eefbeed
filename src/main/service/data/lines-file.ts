import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../../../shared/errors.ts';
import { beginFile, writeAll, whyUnwritten } from '../../formats/files.ts';

/** Lines are written in pieces of about this many characters. */
const piece = 1 << 20;

/**
 * Writes a JSONL file, which appears whole or, where `work` throws, not at all. Its folder is made.
 * @param work gives every row to `add`
 * @throws InputError where it cannot be written, and what `work` throws
 */
export async function writeLinesFile(
  out: string,
  work: (add: (row: object) => void) => Promise<void>,
): Promise<void> {
  const pending = writing(out, () => {
    mkdirSync(dirname(out), { recursive: true });
    return beginFile(out);
  });
  try {
    let lines = '';
    const flush = (): void => {
      writing(out, () => writeAll(pending.descriptor, Buffer.from(lines)));
      lines = '';
    };
    await work((row) => {
      lines += `${JSON.stringify(row)}\n`;
      if (lines.length >= piece) flush();
    });
    flush();
    writing(out, () => pending.commit());
  } finally {
    pending.discard();
  }
}

/** A full disk and the like, told as such. */
function writing<Result>(file: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw new InputError(`cannot be written: ${whyUnwritten(error)}`, { file });
  }
}
