import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import type { DataRow } from '../../shared/preferences.ts';
import { dataHash, readDataFile, type DataFile } from './preferences.ts';

const folder = mkdtempSync(join(tmpdir(), 'preferences-'));
afterAll(() => rmSync(folder, { recursive: true }));

const good = { prompt: 'p', chosen: 'a', rejected: 'b' };
const user = { role: 'user', content: 'u' };
const yes = { role: 'assistant', content: 'yes' };
const no = { role: 'assistant', content: 'no' };

function read(content: string | Buffer, name = 'data.jsonl'): Promise<DataFile> {
  const path = join(folder, name);
  writeFileSync(path, content);
  return readDataFile(path);
}

function lines(...rows: unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

async function errorOf(action: () => Promise<unknown>): Promise<InputError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('readDataFile', () => {
  it('reads text pairs, and keeps indices by row, not by line', async () => {
    const { format, conversational, rows } = await read(
      `\n${lines(good)}\r\n\n${JSON.stringify({ ...good, answer: 7 })}`,
    );
    expect({ format, conversational }).toEqual({ format: 'preference', conversational: false });
    expect(rows).toEqual([
      { kind: 'preference', index: 0, ...good },
      { kind: 'preference', index: 1, ...good, answer: '7' },
    ]);
  });

  it('reads conversations, without the fields it does not know', async () => {
    const message = { ...user, tool_calls: null, weight: 1 };
    const { conversational, rows } = await read(
      lines({ prompt: [message], chosen: [yes], rejected: [no], source: 'x' }),
    );
    expect(conversational).toBe(true);
    expect(rows).toEqual([{ kind: 'preference', index: 0, prompt: [user], chosen: [yes], rejected: [no] }]);
  });

  it('reads pairs whose prompt is implicit or null', async () => {
    expect((await read(lines({ chosen: 'p a', rejected: 'p b', prompt: null }))).rows).toEqual([
      { kind: 'preference', index: 0, chosen: 'p a', rejected: 'p b' },
    ]);
    const { rows } = await read(lines({ chosen: [user, yes], rejected: [user, no] }));
    expect(rows).toEqual([{ kind: 'preference', index: 0, chosen: [user, yes], rejected: [user, no] }]);
  });

  it('reads prompts with a completion', async () => {
    const { format, rows } = await read(lines({ prompt: 'p', completion: 'c', answer: '3' }));
    expect(format).toBe('completion');
    expect(rows).toEqual([{ kind: 'completion', index: 0, prompt: 'p', completion: 'c', answer: '3' }]);
  });

  it('reads gzipped files, by name or by content, and skips a byte order mark', async () => {
    const packed = gzipSync(lines(good, good));
    expect((await read(packed, 'data.jsonl.gz')).rows).toHaveLength(2);
    expect((await read(packed, 'packed.jsonl')).rows).toHaveLength(2);
    expect((await read(`\ufeff${lines(good)}`)).rows).toHaveLength(1);
  });

  it.each<[string, unknown, RegExp]>([
    ['a list', [good], /a row must be an object with named fields, not a list/],
    ['no answers', { prompt: 'p' }, /missing field "chosen" \(with "rejected"\), or "completion"/],
    ['no rejected', { prompt: 'p', chosen: 'a' }, /missing field "rejected"/],
    ['no chosen', { prompt: 'p', rejected: 'a', chosen: null }, /missing field "chosen"/],
    ['a number', { ...good, chosen: 3 }, /"chosen" must be text or a list of chat messages, not a number/],
    ['empty text', { ...good, rejected: '' }, /empty completion in "rejected"/],
    ['no message', { prompt: [user], chosen: [], rejected: [no] }, /empty completion in "chosen"/],
    [
      'an empty message',
      { prompt: [user], chosen: [{ ...yes, content: '' }], rejected: [no] },
      /empty completion/,
    ],
    ['a list of text', { prompt: [user], chosen: ['yes'], rejected: [no] }, /chosen\[0\] must be a message/],
    [
      'no role',
      { prompt: [{ content: 'u' }], chosen: [yes], rejected: [no] },
      /prompt\[0\]: missing field "role"/,
    ],
    [
      'parts',
      { prompt: [{ ...user, content: [] }], chosen: [yes], rejected: [no] },
      /"content" must be text, not a list/,
    ],
    [
      'tools',
      { prompt: [user], chosen: [{ ...yes, tool_calls: [1] }], rejected: [no] },
      /"tool_calls" is not supported/,
    ],
    ['template settings', { ...good, chat_template_kwargs: {} }, /"chat_template_kwargs" is not supported/],
    ['an empty prompt', { prompt: [], chosen: [yes], rejected: [no] }, /"prompt" holds no message/],
    [
      'mixed',
      { prompt: 'u', chosen: [yes], rejected: [no] },
      /mixed: prompt as text, chosen, rejected as messages/,
    ],
    ['mixed answers', { chosen: 'yes', rejected: [no] }, /mixed: chosen as text, rejected as messages/],
    ['equal', { ...good, rejected: 'a' }, /chosen and rejected are equal/],
    [
      'equal messages',
      { prompt: [user], chosen: [yes], rejected: [{ ...yes }] },
      /chosen and rejected are equal/,
    ],
    [
      'nothing shared',
      { chosen: [yes], rejected: [no] },
      /missing field "prompt": .* share no first message/,
    ],
    ['half a character', { ...good, chosen: 'x\ud83d' }, /"chosen" holds half of a surrogate pair/],
    ['an odd answer', { ...good, answer: [1] }, /"answer" must be text or a number, not a list/],
    ['a completion alone', { completion: 'c' }, /missing field "prompt"/],
  ])('refuses %s, naming file, row and line', async (_, row, cause) => {
    const error = await errorOf(() => read(`\n${lines(row)}`));
    expect(error.message).toMatch(cause);
    expect(error.message).toMatch(/^[^\n]*data\.jsonl, row 0: .* \(line 2\)$/);
    expect(error.place).toEqual({ file: join(folder, 'data.jsonl'), row: 0 });
  });

  it.each<[string, unknown, unknown, RegExp]>([
    ['another kind', good, { prompt: 'p', completion: 'c' }, /a completion row after preference rows/],
    [
      'messages',
      good,
      { prompt: [user], chosen: [yes], rejected: [no] },
      /chat messages after rows of plain text/,
    ],
    ['no prompt', good, { chosen: 'a', rejected: 'b' }, /missing field "prompt", which earlier rows have/],
    ['a prompt', { chosen: 'a', rejected: 'b' }, good, /"prompt" after rows without one/],
  ])('refuses %s after other rows', async (_, first, second, cause) => {
    const error = await errorOf(() => read(lines(first, first, second)));
    expect(error.message).toMatch(cause);
    expect(error.place.row).toBe(2);
  });

  it('refuses broken JSON, broken UTF-8 and broken gzip data', async () => {
    const messageOf = async (content: string | Buffer, name?: string): Promise<string> =>
      (await errorOf(() => read(content, name))).message;
    expect(await messageOf(`${lines(good)}{"prompt": \n`)).toMatch(/row 1: broken JSON \(line 2\)/);
    const bytes = Buffer.concat([Buffer.from(lines(good)), Buffer.from([0x22, 0xc3, 0x28, 0x22])]);
    expect(await messageOf(bytes)).toMatch(/row 1: invalid UTF-8 \(line 2\)$/);
    const packed = gzipSync(lines(good));
    expect(await messageOf(packed.subarray(0, -12), 'cut.jsonl.gz')).toMatch(/broken gzip data/);
    expect(await messageOf('{}', 'plain.jsonl.gz')).toMatch(/is not gzip data$/);
  });

  it('refuses missing and empty files, folders and unknown kinds', async () => {
    const messageOf = async (action: () => Promise<unknown>): Promise<string> =>
      (await errorOf(action)).message;
    expect(await messageOf(() => readDataFile(join(folder, 'none.jsonl')))).toMatch(
      /none\.jsonl: no such file$/,
    );
    expect(await messageOf(() => read('\n \n'))).toMatch(/the file holds no rows$/);
    expect(await messageOf(() => read('', 'empty.jsonl.gz'))).toMatch(/the file holds no rows$/);
    expect(await messageOf(() => read('a', 'data.docx'))).toMatch(
      /unknown kind of data file; known are \.jsonl/,
    );
    expect(await messageOf(() => readDataFile(folder))).toMatch(/is a folder, not a file$/);
  });
});

describe('dataHash', () => {
  it('is SHA-256 of the rows as JSON with sorted keys, one a line', () => {
    const rows: DataRow[] = [
      { kind: 'preference', index: 0, prompt: 'Emoji 🌍', chosen: 'a', rejected: 'b', answer: '1' },
      { kind: 'completion', index: 1, prompt: [user], completion: [yes] },
    ];
    // hashlib.sha256 of json.dumps(row, sort_keys=True, separators=(',', ':'), ensure_ascii=False) + "\n" in Python.
    expect(dataHash(rows.slice(0, 1))).toBe(
      '19907bed5327ea334e1ff8c6a6fd6b6639a4efd5dfbbf3c8da98a394f91d6595',
    );
    expect(dataHash(rows)).toBe('4d5dcb1f40ac3cfaf5a13a1183bb95b69f4a7b463e24227035760ad3a4729ff3');
  });
});
