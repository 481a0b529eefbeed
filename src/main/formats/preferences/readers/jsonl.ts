import { InputError } from '../../../../shared/errors.ts';
import { largestRecord, parseJson, recordTooLong } from '../limits.ts';
import type { RecordReader, SourceRecord } from '../record-reader.ts';
import type { DataSource } from '../source.ts';

/** JSON Lines: one JSON value a line, UTF-8, blank lines ignored (they count as lines, not as rows). */
export const jsonLines: RecordReader = {
  extensions: ['.jsonl', '.ndjson'],
  read: (source) => readLines(source.chunks(), source),
};

const newline = 0x0a;
// Each line is decoded on its own: an error can name its line, and a large file never has to be one string.
const decoder = new TextDecoder('utf-8', { fatal: true });

/** As `jsonLines`, from bytes whose beginning may have been looked at. */
export async function* readLines(
  chunks: AsyncIterable<Buffer>,
  { file }: Pick<DataSource, 'file'>,
): AsyncGenerator<readonly SourceRecord[]> {
  let begun: Buffer[] = [];
  let begunBytes = 0;
  let index = 0;
  let line = 0;
  const take = (bytes: Buffer, batch: SourceRecord[]): void => {
    line += 1;
    if (bytes.length === 0) return;
    const record = lineRecord(bytes, index, line);
    if (record === undefined) return;
    index += 1;
    batch.push(record);
  };
  for await (const chunk of chunks) {
    const batch: SourceRecord[] = [];
    let start = 0;
    for (;;) {
      // Runs of line breaks would take microseconds each.
      while (begunBytes === 0 && chunk[start] === newline) {
        start += 1;
        line += 1;
      }
      const end = chunk.indexOf(newline, start);
      if (end === -1) break;
      const rest = chunk.subarray(start, end);
      start = end + 1;
      if (begunBytes <= largestRecord) take(begunBytes === 0 ? rest : Buffer.concat([...begun, rest]), batch);
      else {
        // Its end is found: what follows can be read.
        line += 1;
        const where = `line ${line}`;
        batch.push({ record: undefined, index, where, malformed: `a line ${recordTooLong} (${where})` });
        index += 1;
      }
      begun = [];
      begunBytes = 0;
    }
    if (batch.length > 0) yield batch;
    if (start === chunk.length) continue;
    begun.push(chunk.subarray(start));
    begunBytes += chunk.length - start;
    if (begunBytes > largestRecord) begun = [];
  }
  if (begunBytes > largestRecord)
    throw new InputError(`a line ${recordTooLong} (line ${line + 1})`, { file, row: index });
  const last: SourceRecord[] = [];
  if (begunBytes > 0) take(Buffer.concat(begun), last);
  if (last.length > 0) yield last;
}

/** Every line of a small file at once. @throws InputError naming file, row and line at the first that is not JSON */
export function parseLines(bytes: Buffer, file: string): SourceRecord[] {
  const records: SourceRecord[] = [];
  let line = 0;
  for (let start = 0; start < bytes.length;) {
    const found = bytes.indexOf(newline, start);
    const end = found === -1 ? bytes.length : found;
    line += 1;
    const record = lineRecord(bytes.subarray(start, end), records.length, line);
    start = end + 1;
    if (record === undefined) continue;
    if (record.malformed !== undefined) throw new InputError(record.malformed, { file, row: record.index });
    records.push(record);
  }
  return records;
}

/** Undefined for a blank line. */
function lineRecord(bytes: Buffer, index: number, line: number): SourceRecord | undefined {
  const where = `line ${line}`;
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return { record: undefined, index, where, malformed: `invalid UTF-8 (${where})` };
  }
  if (text.trim() === '') return undefined;
  try {
    return { record: parseJson(text), index, where };
  } catch (error) {
    return { record: undefined, index, where, malformed: brokenJson(error, where) };
  }
}

/** What is told of text that is not JSON, in one line. */
export function brokenJson(error: unknown, where: string): string {
  const message = (error as Error).message.replace(/\s+/g, ' ');
  return `broken JSON${where === '' ? '' : ` (${where})`}: ${message}`;
}
