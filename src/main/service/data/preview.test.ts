import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PreviewDataRequest } from '../../../shared/contract.ts';
import { openTestHome, type TestHome } from '../testing.ts';

let home: TestHome;
beforeAll(async () => {
  home = await openTestHome();
});
afterAll(() => home.close());

const put = (name: string, content: string | Buffer): string => {
  const path = join(home.path, name);
  writeFileSync(path, content);
  return path;
};
const preview = (path: string, how: Omit<PreviewDataRequest, 'path'> = {}) =>
  home.services.previewData({ path, ...how });
const rows = [
  { id: 1, question: 'q', choices: [{ text: 'good' }, { text: 'bad' }], meta: { source: { name: 's' } } },
  { id: 2, question: 'é'.repeat(400), choices: [{ text: 'a' }, { text: 'b' }], meta: null },
];

describe('the first records of a file', () => {
  it.each([
    ['lines.jsonl', (text: string) => Buffer.from(text)],
    ['lines.jsonl.gz', (text: string) => gzipSync(text)],
  ])('are shown with nested columns by their paths, and why no format fits: %s', async (name, pack) => {
    const path = put(name, pack(`${rows.map((row) => JSON.stringify(row)).join('\n')}\n{broken\n`));
    const shown = await preview(path);
    expect(shown.columns).toEqual([
      'id',
      'question',
      'choices',
      'choices.0',
      'choices.0.text',
      'choices.1',
      'choices.1.text',
      'meta',
      'meta.source',
      'meta.source.name',
    ]);
    expect(shown.records).toHaveLength(2);
    expect(shown.records[0]).toMatchObject({
      id: '1',
      choices: '[{"text":"good"},{"text":"bad"}]',
      'choices.1.text': 'bad',
      'meta.source.name': 's',
    });
    expect(shown.records[1]).toMatchObject({ question: 'é'.repeat(300), meta: '' });
    expect(shown.format).toBeUndefined();
    expect(shown.problem).toMatch(/^missing field "chosen"/);
    const map = { prompt: 'question', chosen: 'choices.0.text', rejected: 'choices.1.text' };
    const mapped = await preview(path, { map });
    expect([mapped.format, mapped.problem]).toEqual(['columns', undefined]);
    const wrong = await preview(path, { map: { ...map, chosen: 'choices.9.text' } });
    expect([wrong.format, wrong.problem]).toEqual(['columns', expect.stringContaining('"chosen"')]);
  });

  it('are twenty at most, of JSON and CSV too, with the format that is recognised', async () => {
    const pairs = Array.from({ length: 50 }, (_, at) => ({
      prompt: `p${at}`,
      chosen: `c${at}`,
      rejected: `r${at}`,
    }));
    const document = await preview(put('rows.json', JSON.stringify({ data: pairs })));
    const csv = ['prompt,chosen,rejected,note', ...pairs.map((row) => `${Object.values(row).join(',')},n`)];
    const table = await preview(put('rows.csv', csv.join('\n')));
    expect(document.records).toEqual(pairs.slice(0, 20));
    expect(table.records).toEqual(pairs.slice(0, 20).map((row) => ({ ...row, note: 'n' })));
    expect(table.columns).toEqual(['prompt', 'chosen', 'rejected', 'note']);
    for (const { format, problem } of [document, table])
      expect([format, problem]).toEqual(['trl', undefined]);
  });

  it('hold every column of a Parquet file', async () => {
    const file = fileURLToPath(
      new URL('../../../../test/parity/fixtures/data/plain-snappy.parquet', import.meta.url),
    );
    const shown = await preview(file);
    expect(shown).toMatchObject({
      format: 'trl',
      columns: ['prompt', 'chosen', 'rejected', 'answer', 'score_chosen', 'flag', 'number', 'small'],
    });
    expect(shown.records).toHaveLength(20);
  });

  it('are refused where there are none, naming the file', async () => {
    await expect(preview(put('empty.jsonl', '\n'))).rejects.toThrow(/empty\.jsonl: the file holds no rows/);
    await expect(preview(join(home.path, 'none.jsonl'))).rejects.toThrow('none.jsonl');
    await expect(preview(put('rows.xlsx', 'x'))).rejects.toThrow('unknown kind of data file');
  });
});
