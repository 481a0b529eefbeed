import { InputError } from '../../../shared/errors.ts';
import type { RecordReader, SourceRecord } from './record-reader.ts';

/** JSON Lines: one JSON value a line, UTF-8, blank lines ignored (they count as lines, not as rows). */
export const jsonLines: RecordReader = { extensions: ['.jsonl', '.ndjson'], read };

const newline = 0x0a;

function* read(bytes: Buffer, file: string): Iterable<SourceRecord> {
  // Each line is decoded on its own: an error can name its line, and a large file never has to be one string.
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let index = 0;
  let line = 0;
  for (let start = 0; start < bytes.length;) {
    const found = bytes.indexOf(newline, start);
    const end = found === -1 ? bytes.length : found;
    line += 1;
    const where = `line ${line}`;
    const place = { file, row: index };
    let text: string;
    try {
      text = decoder.decode(bytes.subarray(start, end));
    } catch {
      throw new InputError(`invalid UTF-8 (${where})`, place);
    }
    start = end + 1;
    if (text.trim() === '') continue;
    let record: unknown;
    try {
      record = JSON.parse(text);
    } catch (error) {
      const message = (error as Error).message.replace(/\s+/g, ' ');
      throw new InputError(`broken JSON (${where}): ${message}`, place);
    }
    yield { record, index, where };
    index += 1;
  }
}
