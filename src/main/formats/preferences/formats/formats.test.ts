import { fileURLToPath } from 'node:url';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { formatNames, type FormatName } from '../../../../shared/preferences.ts';
import { openDataFile, readDataFile, type DataReadOptions, type ReadRow } from '../../preferences.ts';
import { formats } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'formats-'));
afterAll(() => rmSync(folder, { recursive: true }));

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../../../../test/fixtures/preferences/${name}.jsonl`, import.meta.url));
const system = (content: string) => ({ role: 'system', content });
const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });

async function rowsOf(path: string, options: DataReadOptions = {}): Promise<ReadRow[]> {
  const rows: ReadRow[] = [];
  for await (const row of (await openDataFile(path, options)).rows) rows.push(row);
  return rows;
}

/** The only row's problem. */
async function problemOf(record: object, format?: FormatName): Promise<{ kind: string; message: string }> {
  const path = join(folder, 'one.jsonl');
  writeFileSync(path, JSON.stringify(record));
  const [row] = await rowsOf(path, format === undefined ? {} : { format });
  if (row === undefined || !('problem' in row)) throw new Error('the row has no problem');
  return row.problem;
}

interface Expected {
  readonly file: string;
  readonly format: FormatName;
  readonly rows: readonly object[];
  readonly options?: DataReadOptions;
}

const cases: readonly Expected[] = [
  {
    file: 'trl-standard',
    format: 'trl',
    rows: [
      { prompt: 'The sky is', chosen: ' blue.', rejected: ' green.' },
      { prompt: 'Grass is', chosen: ' green.', rejected: ' red.' },
    ],
  },
  {
    file: 'trl-conversational',
    format: 'trl',
    rows: [
      {
        prompt: [user('What colour is the sky?')],
        chosen: [assistant('Blue.')],
        rejected: [assistant('Green.')],
      },
    ],
  },
  {
    file: 'trl-implicit',
    format: 'trl',
    rows: [{ chosen: 'The sky is blue.', rejected: 'The sky is green.' }],
  },
  {
    file: 'hh-rlhf',
    format: 'hh-rlhf',
    rows: [
      {
        prompt: [user('Is tea healthy?')],
        chosen: [assistant('In moderation, yes.')],
        rejected: [assistant('Drink nothing else.')],
      },
      {
        prompt: [user('Hello'), assistant('Hi! How can I help?'), user('Name a\nriver')],
        chosen: [assistant('The Rhine.')],
        rejected: [assistant('Mount Fuji.')],
      },
    ],
  },
  {
    file: 'ultrafeedback',
    format: 'ultrafeedback',
    rows: [
      {
        prompt: [user('Name a prime.')],
        chosen: [assistant('Seven.')],
        rejected: [assistant('Eight.')],
        scores: { chosen: 9, rejected: 2.5 },
      },
    ],
  },
  {
    file: 'sharegpt',
    format: 'sharegpt',
    rows: [
      {
        prompt: [system('Be brief.'), user('Name a metal.'), assistant('Iron.'), user('Another.')],
        chosen: [assistant('Copper.')],
        rejected: [assistant('Water.')],
      },
      {
        prompt: [system('Be kind.'), user('Hello')],
        chosen: [assistant('Hello!')],
        rejected: [assistant('What?')],
      },
    ],
  },
  {
    file: 'alpaca-ranking',
    format: 'alpaca-ranking',
    rows: [
      {
        prompt: [user('Add the numbers.\n2 and 3')],
        chosen: [assistant('5')],
        rejected: [assistant('6')],
      },
      { prompt: [user('Say hello.')], chosen: [assistant('Hello.')], rejected: [assistant('Bye.')] },
    ],
  },
  {
    file: 'alpaca',
    format: 'alpaca',
    rows: [
      {
        prompt: [
          system('You translate.'),
          user('Translate to French.\nday'),
          assistant('jour'),
          user('Translate to French.\ncat'),
        ],
        chosen: [assistant('chat')],
        rejected: [assistant('chien')],
      },
    ],
  },
  {
    file: 'orca',
    format: 'orca',
    rows: [
      {
        prompt: [system('You are a teacher.'), user('What is 2 + 2?')],
        chosen: [assistant('4')],
        rejected: [assistant('5')],
      },
      { prompt: [user('What is 3 + 3?')], chosen: [assistant('6')], rejected: [assistant('7')] },
    ],
  },
  {
    file: 'distilabel',
    format: 'distilabel',
    rows: [
      {
        prompt: [user('Name a bird.')],
        chosen: [assistant('A robin.')],
        rejected: [assistant('A stone.')],
        scores: { chosen: 5, rejected: 1 },
      },
    ],
  },
  {
    file: 'argilla',
    format: 'argilla',
    rows: [
      {
        prompt: [user('Name a tree.')],
        chosen: [assistant('An oak.')],
        rejected: [assistant('A brick.')],
        scores: { chosen: 4, rejected: 1 },
      },
    ],
  },
  {
    file: 'columns',
    format: 'columns',
    options: { map: { prompt: 'q.text', chosen: 'answers.0.t', rejected: 'answers.1.t' } },
    rows: [{ prompt: 'Name a fish.', chosen: 'A trout.', rejected: 'A horse.' }],
  },
  {
    file: 'columns',
    format: 'columns',
    options: { map: { prompt: 'q.text', system: 'who', chosen: 'answers.0.t', rejected: 'answers.1.t' } },
    rows: [
      {
        prompt: [system('You know animals.'), user('Name a fish.')],
        chosen: [assistant('A trout.')],
        rejected: [assistant('A horse.')],
      },
    ],
  },
  {
    file: 'hh-rlhf',
    format: 'trl',
    options: { format: 'trl' },
    rows: [
      {
        chosen: '\n\nHuman: Is tea healthy?\n\nAssistant: In moderation, yes.',
        rejected: '\n\nHuman: Is tea healthy?\n\nAssistant: Drink nothing else.',
      },
      {
        chosen:
          '\n\nHuman: Hello\n\nAssistant: Hi! How can I help?\n\nHuman: Name a\nriver\n\nAssistant: The Rhine.',
        rejected:
          '\n\nHuman: Hello\n\nAssistant: Hi! How can I help?\n\nHuman: Name a\nriver\n\nAssistant: Mount Fuji.',
      },
    ],
  },
];

describe('formats', () => {
  it.each(cases)('$file as $format', async ({ file, format, options = {}, rows }) => {
    const opened = await openDataFile(fixture(file), options);
    expect(opened.format).toBe(format);
    expect(opened.kind).toBe('preference');
    const found: ReadRow[] = [];
    for await (const row of opened.rows) found.push(row);
    expect(found).toEqual(
      rows.map((row, index) => {
        const { scores, ...fields } = row as { scores?: object };
        return {
          row: { kind: 'preference', index, ...fields },
          ...(scores === undefined ? {} : { scores }),
        };
      }),
    );
    expect(opened.conversational).toBe(Array.isArray((rows[0] as { chosen: unknown }).chosen));
  });

  it('has a fixture and a reader for every name', () => {
    expect([...formats.map(({ name }) => name), 'columns'].sort()).toEqual([...formatNames].sort());
    expect(new Set(cases.map(({ format }) => format))).toEqual(new Set(formatNames));
  });

  it('recognises a format although one record in ten is broken', async () => {
    const path = join(folder, 'mostly.jsonl');
    const line = JSON.stringify({ instruction: 'Say hello.', chosen: 'Hello.', rejected: 'Bye.' });
    writeFileSync(path, `${Array(9).fill(line).join('\n')}\n{"instruction": "x"}\n`);
    const opened = await openDataFile(path);
    await opened.close();
    expect(opened.format).toBe('alpaca');
  });

  it.each<[string, object, string, RegExp, FormatName?]>([
    [
      'equal ratings',
      { instruction: 'x', generations: ['a', 'b'], ratings: [3, 3] },
      'tie',
      /all answers are rated 3/,
    ],
    [
      'a marked tie',
      { system: '', input: 'x', chosen: 'a', rejected: 'b', status: 'tie' },
      'tie',
      /neither answer is better/,
    ],
    [
      'one rating',
      { instruction: 'x', generations: ['a', 'b'], ratings: [3, null] },
      'missing-field',
      /fewer than two/,
    ],
    [
      'ratings of another length',
      { instruction: 'x', generations: ['a', 'b'], ratings: [3] },
      'malformed',
      /2 answers with 1 ratings/,
    ],
    [
      'conversations that part early',
      { prompt: 'x', chosen: [user('x'), assistant('a')], rejected: [user('y'), assistant('b')] },
      'prompt-differs',
      /do not begin with the same messages/,
    ],
    [
      'a transcript that ends with a question',
      { chosen: '\n\nHuman: a\n\nAssistant: b', rejected: '\n\nHuman: a\n\nAssistant: b\n\nHuman: c' },
      'role-order',
      /"rejected" does not end with the assistant/,
    ],
    [
      'a transcript without an answer',
      { chosen: '\n\nHuman: a\n\nAssistant:', rejected: '\n\nHuman: a\n\nAssistant: b' },
      'empty',
      /empty completion in "chosen"/,
    ],
    [
      'an unknown speaker',
      { conversations: [{ from: 'tool', value: 'x' }], chosen: 'a', rejected: 'b' },
      'role-order',
      /"tool" is no speaker/,
    ],
    ['an empty instruction', { instruction: ' ', chosen: 'a', rejected: 'b' }, 'empty', /empty prompt/],
    ['one ranked answer', { instruction: 'x', output: ['a'] }, 'malformed', /two texts, the better first/],
    ['no question', { chosen: 'a', rejected: 'b' }, 'missing-field', /missing field "question"/, 'orca'],
  ])('refuses %s', async (_, record, kind, message, format) => {
    const problem = await problemOf(record, format);
    expect(problem.kind).toBe(kind);
    expect(problem.message).toMatch(message);
  });

  it('goes on after a bad row', async () => {
    const path = join(folder, 'goes-on.jsonl');
    const good = { prompt: 'p', chosen: 'a', rejected: 'b' };
    const lines = [JSON.stringify(good), '{', '', JSON.stringify({ prompt: 'p' }), JSON.stringify(good)];
    writeFileSync(path, lines.join('\n'));
    const rows = await rowsOf(path);
    expect(
      rows.map((row) => ('problem' in row ? [row.problem.row, row.problem.kind] : row.row.index)),
    ).toEqual([0, [1, 'malformed'], [2, 'missing-field'], 3]);
    await expect(readDataFile(path)).rejects.toThrow(/goes-on\.jsonl, row 1: broken JSON \(line 2\)/);
  });

  it('refuses formats and maps that say nothing', async () => {
    const path = fixture('trl-standard');
    await expect(openDataFile(path, { format: 'ppo' as FormatName })).rejects.toThrow(/unknown format ppo/);
    await expect(openDataFile(path, { format: 'columns' })).rejects.toThrow(/needs a map/);
    await expect(openDataFile(path, { map: { prompt: 'p', chosen: 'c' } })).rejects.toThrow(/must name/);
    await expect(openDataFile(path, { format: 'orca', map: { chosen: 'c', rejected: 'r' } })).rejects.toThrow(
      /goes without the format orca/,
    );
  });
});
