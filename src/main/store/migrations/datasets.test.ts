import { createHash } from 'node:crypto';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from '../database.ts';
import { promptHash } from '../prompt-hash.ts';
import { temporaryFolder } from '../samples.ts';
import { migrations } from './index.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

const stored = [
  { prompt: 'Grüße?', chosen: 'ja', rejected: 'nein', answer: '4' },
  { chosen: 'The sky is blue.', rejected: 'The sky is red.' },
  {
    prompt: [
      { role: 'system', content: 'be short' },
      { role: 'user', content: '2 + 2?' },
    ],
    chosen: [{ role: 'assistant', content: '4 \u0000 \ud83d' }],
    rejected: [{ role: 'assistant', content: '5' }],
  },
];

/** A database of an earlier version, filled by plain SQL. */
function oldDatabase(version: number): string {
  const file = join(folder.path, `version-${version}.db`);
  const database = new Sqlite(file);
  for (const migration of migrations.slice(0, version)) migration.apply(database);
  database.pragma(`user_version = ${version}`);
  database.pragma(`application_id = ${0x504c4d42}`);
  const add = database.prepare(
    `INSERT INTO datasets (id, name, hash, source, format, conversational, row_count, added_at) VALUES (?, ?, ?, '/f.jsonl', 'preference', 0, ?, 1234)`,
  );
  add.run(3, 'mixed', 'a'.repeat(64), stored.length);
  add.run(5, 'empty', 'b'.repeat(64), 0);
  add.run(9, 'removed', 'c'.repeat(64), 0);
  database.exec('DELETE FROM datasets WHERE id = 9');
  const addRow = database.prepare('INSERT INTO dataset_rows (dataset_id, idx, row_json) VALUES (3, ?, ?)');
  stored.forEach((row, place) => addRow.run(2 * place, JSON.stringify({ kind: 'preference', ...row })));
  database.exec(
    `INSERT INTO runs (loss, seed, order_seed, learning_rate, config_json, base_hash, data_hash, status, created_at)
     VALUES ('dpo', 0, 0, 1e-5, '{}', 'x', '${'a'.repeat(64)}', 'finished', 1)`,
  );
  database.close();
  return file;
}

describe.each([1, 2])('a database of version %i', (version) => {
  it('comes forward with its datasets', () => {
    const store = openStore(oldDatabase(version));
    const rows = stored.map((row, place) => ({ kind: 'preference', ...row, index: 2 * place }));
    const bytes = stored
      .map((row) => Buffer.byteLength(JSON.stringify({ kind: 'preference', ...row })))
      .reduce((sum, each) => sum + each);
    expect(store.datasets.list()).toEqual([
      {
        id: 3,
        name: 'mixed',
        hash: 'a'.repeat(64),
        source: '/f.jsonl',
        format: 'preference',
        conversational: false,
        rows: 3,
        answers: 1,
        excluded: 0,
        bytes,
        splitColumn: null,
        revision: 0,
        addedAt: 1234,
      },
      expect.objectContaining({ id: 5, name: 'empty', rows: 0, answers: 0, bytes: 0 }),
    ]);
    expect([...store.datasets.rows(3)]).toEqual(rows);
    const prompts = ['Grüße?', 'The sky is', 'be short\n2 + 2?'];
    expect([...store.datasetRows.entries(3)].map(({ promptHash }) => promptHash)).toEqual(
      // 52 bits are thirteen hexadecimal digits.
      prompts.map((text) => Number(`0x${createHash('sha256').update(text).digest('hex').slice(0, 13)}`)),
    );
    expect(store.runs.list()).toHaveLength(1);

    // It is a dataset like any other from now on.
    store.datasetChanges.mark(3, [0], { excluded: true }, { kind: 'exclude' });
    expect([...store.datasets.rows(3)]).toEqual(rows.slice(1));
    const added = store.datasets.add(
      { name: 'new', hash: 'd', source: 'f', format: 'preference', conversational: false },
      [],
    );
    // 9 was given and removed.
    expect(added.id).toBe(10);
    expect(store.datasets.remove(3)).toBe(true);
    store.close();
  });
});

describe('the hash of a prompt', () => {
  it('is the same wherever the prompt stands', () => {
    const common = { kind: 'preference', index: 0 } as const;
    const separate = promptHash({ ...common, prompt: 'The sky is', chosen: ' blue.', rejected: ' red.' });
    expect(promptHash({ ...common, chosen: 'The sky is blue.', rejected: 'The sky is red.' })).toBe(separate);
    const prompt = [{ role: 'user', content: 'The sky is' }];
    const answers = {
      chosen: [{ role: 'assistant', content: 'blue' }],
      rejected: [{ role: 'assistant', content: 'red' }],
    };
    expect(promptHash({ ...common, prompt, ...answers })).toBe(separate);
    expect(promptHash({ ...common, prompt: 'The sea is', chosen: 'a', rejected: 'b' })).not.toBe(separate);
  });
});
