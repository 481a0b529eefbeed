import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parquet } from '../../src/main/formats/preferences/parquet/reader.ts';
import { csv } from '../../src/main/formats/preferences/readers/csv.ts';
import { openSource } from '../../src/main/formats/preferences/source.ts';
import type { RecordReader } from '../../src/main/formats/preferences/record-reader.ts';

const folder = fileURLToPath(new URL('./fixtures/data/', import.meta.url));
const { tables, files: tableOf } = JSON.parse(readFileSync(`${folder}expected.json`, 'utf8')) as {
  readonly tables: readonly (readonly object[])[];
  readonly files: Readonly<Record<string, number>>;
};
const expected = Object.fromEntries(Object.entries(tableOf).map(([file, at]) => [file, tables[at]!]));

async function recordsOf(
  reader: RecordReader,
  file: string,
  wanted?: ReadonlySet<string>,
): Promise<unknown[]> {
  const source = await openSource(`${folder}${file}`, {});
  const records: unknown[] = [];
  for await (const batch of reader.read(source, wanted)) {
    for (const { record, index, malformed } of batch) {
      expect(malformed).toBeUndefined();
      expect(index).toBe(records.length);
      records.push(record);
    }
  }
  return records;
}

describe('Parquet as pyarrow wrote it', () => {
  const files = Object.keys(expected).filter((file) => file.endsWith('.parquet'));

  it.each(files)('%s', async (file) => {
    expect(await recordsOf(parquet, file)).toEqual(expected[file]);
  });

  it('reads the wanted columns only', async () => {
    const file = 'chat-snappy.parquet';
    const rows = expected[file] as readonly { chosen: unknown }[];
    const wanted = new Set(['chosen', 'none']);
    expect(await recordsOf(parquet, file, wanted)).toEqual(rows.map(({ chosen }) => ({ chosen })));
  });
});

describe('CSV as Python’s csv wrote it', () => {
  const files = Object.keys(expected).filter((file) => !file.endsWith('.parquet'));

  it.each(files)('%s', async (file) => {
    // An empty cell of a column that is no text stands for nothing.
    const rows = (expected[file] as readonly { answer: string }[]).map((row) => ({
      ...row,
      answer: row.answer || null,
    }));
    expect(await recordsOf(csv, file)).toEqual(rows);
  });
});
