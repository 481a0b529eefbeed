import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../../../shared/errors.ts';
import { openDataFile, type ReadRow } from '../preferences.ts';

const folder = mkdtempSync(join(tmpdir(), 'hostile-'));
afterAll(() => rmSync(folder, { recursive: true }));
const fixtures = fileURLToPath(new URL('../../../../test/parity/fixtures/data/', import.meta.url));

async function rowsOf(name: string, content: string | Buffer): Promise<ReadRow[]> {
  const path = join(folder, name);
  writeFileSync(path, content);
  const rows: ReadRow[] = [];
  for await (const row of (await openDataFile(path)).rows) rows.push(row);
  return rows;
}

const good = JSON.stringify({ prompt: 'p', chosen: 'a', rejected: 'b' });
const twentyMegabytes = 'x'.repeat(20 << 20);

describe('hostile data files', () => {
  it.each<[string, string, string | Buffer, RegExp]>([
    ['a line without an end', 'a.jsonl', `{"prompt":"${twentyMegabytes}`, /a line longer than 16 MiB/],
    ['a row without an end', 'a.json', `[{"prompt":"${twentyMegabytes}`, /a row longer than 16 MiB/],
    ['a quote without an end', 'a.csv', `prompt,chosen\n"${twentyMegabytes}`, /is a quote left open/],
    [
      'line breaks that pack well',
      'b.jsonl.gz',
      gzipSync('\n'.repeat(40 << 20)),
      /unpacks to more than 100 times/,
    ],
    ['text behind the document', 'b.json', `[${good}] [`, /something follows the end/],
    ['two lists of rows', 'c.json', `{"a": [${good}], "b": [${good}]}`, /more than one list of rows/],
    ['no list of rows', 'd.json', `{"a": [1, 2], "b": {"c": [{}]}}`, /holds no list of rows/],
    ['a number', 'e.json', '3', /must be a JSON list of rows/],
    ['text as Parquet', 'a.parquet', 'PAR1 and more text', /end of the Parquet file is missing/],
    ['gzipped Parquet', 'b.parquet', gzipSync('PAR1'), /unpack it first/],
    ['UTF-16', 'c.csv', Buffer.from('\ufeffprompt,chosen', 'utf16le'), /save it as UTF-8/],
  ])('refuses %s', async (_, name, content, cause) => {
    await expect(rowsOf(name, content)).rejects.toThrow(cause);
    await expect(rowsOf(name, content)).rejects.toBeInstanceOf(InputError);
  });

  it.each<[string, string]>([
    ['deep nesting', '['.repeat(1 << 20)],
    ['a line of 20 megabytes', `{"prompt":"${twentyMegabytes}","chosen":"a","rejected":"b"}`],
    ['many parts', `{"chosen": [${'{},'.repeat(500_000)}{}]}`],
  ])('gives %s as a malformed row and goes on', async (_, line) => {
    const rows = await rowsOf('parts.jsonl', `${line}\n${good}\n`);
    expect(rows.map((row) => ('problem' in row ? row.problem.kind : row.row.index))).toEqual([
      'malformed',
      1,
    ]);
  });

  it('gives broken rows of JSON and CSV in their places', async () => {
    const kinds = (rows: readonly ReadRow[]) =>
      rows.map((row) => ('problem' in row ? row.problem.message : row.row.index));
    expect(kinds(await rowsOf('f.json', `[${good}, {"prompt" 1}, , ${good}]`))).toEqual([
      0,
      expect.stringMatching(/^broken JSON: /),
      expect.stringMatching(/^broken JSON: /),
      3,
    ]);
    const table = 'prompt,chosen,rejected\np,a,b\np,a\n"p"q,a,b\n"p\nq",a,"b ""c"""\n"p,a,b\n';
    expect(kinds(await rowsOf('d.csv', table))).toEqual([
      0,
      'broken CSV (line 3): has 2 cells, the header 3',
      'broken CSV (line 4): text after a closing quote',
      3,
      'broken CSV (line 7): a quote is never closed',
    ]);
  });

  it('reads JSON Lines in a .json file, and JSON with rows in an object', async () => {
    expect(await rowsOf('lines.json', `${good}\n${good}\n`)).toHaveLength(2);
    const wrapped = `{"version": "1]", "tags": ["a", {"b": 2}], "data": [${good}, ${good}], "more": {"x": [1]}}`;
    expect(await rowsOf('wrapped.json', wrapped)).toHaveLength(2);
  });

  it('reads text across the borders of chunks alike', async () => {
    // Chunks are 256 KiB: rows of 70 to 900 KiB with quotes, backslashes and multi-byte characters begin anywhere.
    const pairs = Array.from({ length: 12 }, (_, at) => ({
      prompt: `"${at}" \\ 日本語 🌍\n`.repeat(3000 * (at + 1) + at),
      chosen: `yes ${at}`,
      rejected: 'no\\',
    }));
    const cell = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    const forms: Record<string, string> = {
      'big.jsonl': pairs.map((pair) => JSON.stringify(pair)).join('\n'),
      'big.json': JSON.stringify(pairs, null, 1),
      'big.csv': `prompt,chosen,rejected\r\n${pairs.map((pair) => Object.values(pair).map(cell).join(',')).join('\r\n')}`,
    };
    for (const [name, text] of Object.entries(forms)) {
      const rows = await rowsOf(name, text);
      expect(rows.length, name).toBe(pairs.length);
      rows.forEach((row, index) => {
        expect('row' in row && row.row, name).toEqual({ kind: 'preference', index, ...pairs[index] });
      });
    }
  });

  it('ends in rows or an InputError whatever bytes are changed', async () => {
    let state = 1;
    const below = (most: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * most);
    };
    const files = readdirSync(fixtures).filter((name) => name !== 'expected.json');
    let refused = 0;
    for (let round = 0; round < 400; round += 1) {
      const name = files[round % files.length]!;
      const bytes = readFileSync(join(fixtures, name));
      for (let change = below(5); change >= 0; change -= 1) bytes[below(bytes.length)] = below(256);
      const cut = below(4) === 0 ? bytes.subarray(0, below(bytes.length)) : bytes;
      try {
        await rowsOf(name, cut);
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(50);
  });
});
