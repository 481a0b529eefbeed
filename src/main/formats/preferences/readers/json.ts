import { InputError } from '../../../../shared/errors.ts';
import { parseJson } from '../limits.ts';
import type { RecordReader, SourceRecord } from '../record-reader.ts';
import type { DataSource } from '../source.ts';
import { JsonSplitter, JsonStructureError } from './json-splitter.ts';
import { brokenJson, readLines } from './jsonl.ts';

/**
 * JSON: a list of rows, or an object with one list of rows in it. JSON Lines in a `.json` file, as the Hugging Face Hub
 * has many, are read as such.
 */
export const json: RecordReader = { extensions: ['.json'], read };

const decoder = new TextDecoder('utf-8', { fatal: true });

async function* read(source: DataSource): AsyncGenerator<readonly SourceRecord[]> {
  const chunks = source.chunks();
  const first = await chunks.next();
  if (first.done === true) return;
  const all = async function* (): AsyncGenerator<Buffer> {
    try {
      yield first.value;
      yield* chunks;
    } finally {
      // Left at the first chunk, the others would keep the file open.
      await chunks.return(undefined);
    }
  };
  if (holdsLines(first.value)) yield* readLines(all(), source);
  else yield* readDocument(all(), source);
}

async function* readDocument(
  chunks: AsyncGenerator<Buffer>,
  { file }: DataSource,
): AsyncGenerator<readonly SourceRecord[]> {
  const splitter = new JsonSplitter();
  let index = 0;
  const cut = <Result>(action: () => Result): Result => {
    try {
      return action();
    } catch (error) {
      if (error instanceof JsonStructureError) throw new InputError(error.message, { file, row: index });
      throw error;
    }
  };
  for await (const chunk of chunks) {
    const batch = cut(() => splitter.push(chunk)).map((bytes, at) => elementRecord(bytes, index + at));
    index += batch.length;
    if (batch.length > 0) yield batch;
  }
  cut(() => splitter.end());
}

function elementRecord(bytes: Buffer, index: number): SourceRecord {
  const malformed = (cause: string): SourceRecord => ({
    record: undefined,
    index,
    where: '',
    malformed: cause,
  });
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return malformed('invalid UTF-8');
  }
  try {
    return { record: parseJson(text), index, where: '' };
  } catch (error) {
    return malformed(brokenJson(error, ''));
  }
}

/** Whether a first line is a whole object and another object follows: one document could not go on there. */
function holdsLines(chunk: Buffer): boolean {
  const text = chunk.toString('latin1');
  const rows = /^(?:\u00ef\u00bb\u00bf)?\s*(\{.*)\n\s*\{/.exec(text);
  if (!rows) return false;
  try {
    parseJson(rows[1]!);
    return true;
  } catch {
    return false;
  }
}
