import { symlinkSync, writeFileSync } from 'node:fs';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openDataFile } from '../../../src/main/formats/preferences.ts';
import { readQuestions } from '../../../src/main/formats/questions.ts';
import type { Mutator } from '../mutate.ts';
import type { Target } from '../target.ts';
import { fixtureBytes, fixturePath } from './support.ts';

const message = (role: string, content: unknown): object => ({ role, content });
/** One record of every format that is known. */
const records: Record<string, unknown>[] = [
  { prompt: 'What is 2 + 2?', chosen: '4', rejected: '5' },
  {
    prompt: [message('user', 'Hi')],
    chosen: [message('assistant', 'Hello')],
    rejected: [message('assistant', 'No')],
  },
  {
    chosen: [message('user', 'Hi'), message('assistant', 'Hello')],
    rejected: [message('user', 'Hi'), message('assistant', 'No')],
  },
  { chosen: '\n\nHuman: Hi\n\nAssistant: Hello', rejected: '\n\nHuman: Hi\n\nAssistant: No' },
  { prompt: 'Q', completion: 'A', answer: '4' },
  {
    conversations: [{ from: 'human', value: 'Hi' }],
    chosen: { from: 'gpt', value: 'Hello' },
    rejected: { from: 'gpt', value: 'No' },
  },
  { instruction: 'Say hi', input: '', output: ['Hello', 'No'] },
  { instruction: 'Say hi', input: 'now', chosen: 'Hello', rejected: 'No' },
  { system: 'Be kind', question: 'Hi?', chosen: 'Hello', rejected: 'No' },
  { instruction: 'Hi', generations: ['Hello', 'No'], ratings: [5, 1] },
  {
    prompt: 'Q',
    prompt_id: 'x',
    chosen: [message('user', 'Q'), message('assistant', 'A')],
    rejected: [message('user', 'Q'), message('assistant', 'B')],
    messages: [],
    score_chosen: 8.5,
    score_rejected: 2,
  },
];
const special = [
  '\n\nHuman: ',
  '\n\nAssistant: ',
  'user',
  'assistant',
  'system',
  message('user', 'Hi'),
  [message('tool', null)],
  'x'.repeat(100_000),
];

const readAll = (path: string) => async (): Promise<void> => {
  const { rows } = await openDataFile(path);
  let problems = 0;
  for await (const row of rows) if ('problem' in row && ++problems > 1000) break;
};

// Packed texts in a row unpack to their texts in a row.
const megabytes = [' ', '\n', 'x', '[', ',"'].map((text) => gzipSync(Buffer.alloc(1 << 20, text)));

function maybePacked(mutator: Mutator, path: string, bytes: Buffer): string {
  if (mutator.chance(0.01)) {
    symlinkSync(mutator.pick(['/dev/zero', '/dev/null', '.', path]), path);
    return path;
  }
  if (!mutator.chance(0.3)) {
    writeFileSync(path, bytes);
    return path;
  }
  let packed = gzipSync(bytes);
  if (mutator.chance(0.02))
    packed = Buffer.concat([packed, ...Array<Buffer>(200).fill(mutator.pick(megabytes))]);
  writeFileSync(`${path}.gz`, mutator.chance(0.6) ? mutator.bytes(packed, [packed, bytes]) : packed);
  return `${path}.gz`;
}

function lines(mutator: Mutator): Buffer {
  const record = mutator.pick(records);
  const text = Array.from({ length: 1 + mutator.random.below(6) }, () =>
    mutator.chance(0.5)
      ? mutator.json(mutator.chance(0.1) ? mutator.pick(records) : record, special)
      : JSON.stringify(record),
  );
  const bytes = Buffer.from(text.join(mutator.pick(['\n', '\n', '\r\n', '\n\n', '\r'])));
  return mutator.chance(0.3) ? mutator.bytes(bytes) : bytes;
}

export const jsonl: Target = {
  name: 'jsonl',
  prepare: (mutator, folder) => readAll(maybePacked(mutator, join(folder, 'data.jsonl'), lines(mutator))),
};

export const json: Target = {
  name: 'json',
  prepare(mutator, folder) {
    const record = mutator.pick(records);
    const list: unknown = Array.from({ length: 1 + mutator.random.below(5) }, () => record);
    const root = mutator.pick([list, { data: list }, { rows: list, more: 1 }, record]);
    const bytes = Buffer.from(mutator.json(root, special));
    return readAll(
      maybePacked(mutator, join(folder, 'data.json'), mutator.chance(0.4) ? mutator.bytes(bytes) : bytes),
    );
  },
};

const tables = ['comma.csv', 'semicolon.csv', 'tab.tsv', 'all-quoted.csv'].map(
  (name) => [name, fixtureBytes(`data/${name}`)] as const,
);

export const csv: Target = {
  name: 'csv',
  prepare(mutator, folder) {
    const [name, whole] = mutator.pick(tables);
    let bytes = mutator.bytes(
      whole.subarray(0, 20_000),
      tables.map(([, each]) => each),
    );
    if (mutator.chance(0.1))
      bytes = Buffer.concat([
        bytes,
        Buffer.alloc(mutator.pick([1000, 300_000]), mutator.pick(['"', ',', '\n', '","', 'x', ';'])),
      ]);
    return readAll(maybePacked(mutator, join(folder, name), bytes));
  },
};

const parquets = readdirSync(fixturePath('data'))
  .filter((name) => name.endsWith('.parquet'))
  .map((name) => fixtureBytes(`data/${name}`));

export const parquet: Target = {
  name: 'parquet',
  prepare(mutator, folder) {
    const whole = mutator.pick(parquets);
    let bytes = mutator.bytes(whole, parquets);
    // The footer tells where everything lies.
    if (mutator.chance(0.7)) {
      bytes = Buffer.from(mutator.chance(0.5) ? whole : bytes);
      const footer = whole.readUInt32LE(whole.length - 8);
      for (let left = 1 + mutator.random.below(3); left > 0; left--) {
        const at = bytes.length - 1 - mutator.random.below(Math.min(bytes.length, footer + 8));
        if (at >= 0)
          bytes[at] = mutator.chance(0.5)
            ? mutator.random.below(256)
            : bytes[at]! ^ (1 << mutator.random.below(8));
      }
    }
    return readAll(maybePacked(mutator, join(folder, 'data.parquet'), bytes));
  },
};

export const questions: Target = {
  name: 'questions',
  prepare(mutator, folder) {
    const record = mutator.pick<object>([
      { question: 'What is 2 + 2?', answer: '4' },
      { prompt: [message('user', 'Hi')], answer: 'x' },
    ]);
    const bytes = Buffer.from(
      Array.from({ length: 4 }, () =>
        mutator.chance(0.5) ? mutator.json(record, special) : JSON.stringify(record),
      ).join('\n'),
    );
    const path = maybePacked(
      mutator,
      join(folder, 'questions.jsonl'),
      mutator.chance(0.4) ? mutator.bytes(bytes) : bytes,
    );
    return () => readQuestions(path, mutator.chance(0.5));
  },
};
