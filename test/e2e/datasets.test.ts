import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataHash } from '../../src/main/formats/preferences.ts';
import type {
  AddDataResult,
  ChangeDataResult,
  DataHistoryResult,
  DuplicatesResult,
  LeaksResult,
  LengthsResult,
  ListDataResult,
  RemoveDataResult,
  SearchDataResult,
  ShowDataResult,
  SplitDataResult,
} from '../../src/shared/contract.ts';
import {
  inStore,
  plumbline,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
  type Outcome,
} from './support.ts';

const { path: folder, remove } = scratchFolder();
afterAll(remove);
const at = (name: string): string => join(folder, name);
let home = 0;
let current = '';
const run = (...args: (string | number)[]): Promise<Outcome> => plumbline(current, args);
const json = async <Result>(...args: (string | number)[]): Promise<Result> => {
  const outcome = await run(...args, '--json');
  expect(outcome.err.replaceAll(/^(importing|indexing).*\n/gm, '')).toBe('');
  return outcome.json<object>() as Result;
};
/** A home of its own with the pairs imported. */
async function fresh(rows: readonly unknown[] = sums(20), ...options: string[]): Promise<void> {
  home += 1;
  current = at(`home-${home}`);
  expect(
    (await run('data', 'add', writeLines(at(`pairs-${home}.jsonl`), rows), '--name', 'pairs', ...options))
      .err,
  ).toBe('');
}

beforeAll(() => {
  writeTinyModel(at('tiny'));
});

describe('data add', () => {
  it('reads what other readers know, tells its summary and shows rate', async () => {
    await fresh();
    const file = at('zipped.jsonl.gz');
    const lines = sums(5).map((row, place) => `${JSON.stringify({ ...row, answer: place })}\n`);
    writeFileSync(file, gzipSync(lines.join('')));
    const { dataset, added, skipped } = await json<AddDataResult>('data', 'add', file);
    expect(dataset).toMatchObject({
      name: 'zipped',
      rows: 5,
      answers: 5,
      excluded: 0,
      revision: 0,
      path: file,
    });
    expect([added, skipped]).toEqual([true, 0]);
    const { datasets } = await json<ListDataResult>('data', 'list');
    expect(datasets.map(({ name }) => name)).toEqual(['pairs', 'zipped']);
    expect(datasets[1]).toEqual(dataset);
  });

  it('refuses the first bad row and keeps nothing, or leaves bad rows out and names them', async () => {
    await fresh();
    const rows: unknown[] = sums(3000, 50);
    rows[2500] = { prompt: 'p', chosen: '', rejected: 'x' };
    rows[2600] = { prompt: 'p', chosen: 'same', rejected: 'same' };
    const file = writeLines(at('bad.jsonl'), rows);
    const refused = await run('data', 'add', file);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain(`${file}, row 2500: empty completion in "chosen"`);
    inStore(current, (store) => {
      expect(store.datasets.list().map(({ name }) => name)).toEqual(['pairs']);
      expect(store.datasets.abandoned()).toEqual([]);
    });
    const result = await json<AddDataResult>('data', 'add', file, '--skip-bad');
    expect(result).toMatchObject({ skipped: 2, dataset: { rows: 2998 } });
    expect(result.issues.map(({ row, kind }) => [row, kind])).toEqual([
      [2500, 'empty'],
      [2600, 'identical'],
    ]);
    // Rows keep their place in the file.
    expect((await json<ShowDataResult>('data', 'show', 'bad', '--row', 2999)).row?.prompt).toBe(
      sums(3000, 50)[2999]!.prompt,
    );
  });

  it('keeps nothing when it is stopped', async () => {
    await fresh();
    const file = writeLines(at('long.jsonl'), sums(40_000));
    const controller = new AbortController();
    const { createServices } = await import('../../src/main/service/index.ts');
    const services = await createServices({ home: current });
    const seen: number[] = [];
    const call = {
      signal: controller.signal,
      onProgress: (event: { kind: string; done?: number; unit?: string }) => {
        expect(event).toMatchObject({ kind: 'progress', unit: 'rows' });
        seen.push(event.done!);
        if (event.done! >= 5000) controller.abort(new Error('enough'));
      },
    };
    await expect(services.addData({ path: file }, call)).rejects.toThrow('enough');
    expect(seen).toEqual([1000, 2000, 3000, 4000, 5000]);
    await services.close();
    inStore(current, (store) => {
      expect(store.datasets.list()).toHaveLength(1);
      expect(store.datasets.abandoned()).toEqual([]);
    });
  });

  it('knows the same rows again, also after a change was taken back', async () => {
    await fresh();
    const add = () => json<AddDataResult>('data', 'add', at(`pairs-${home}.jsonl`));
    expect(await add()).toMatchObject({ added: false, dataset: { name: 'pairs' } });
    await run('data', 'exclude', 'pairs', '--row', 1);
    const other = await add();
    expect(other).toMatchObject({ added: true, dataset: { name: `pairs-${home}` } });
    await run('data', 'remove', `pairs-${home}`, '--yes');
    await run('data', 'undo', 'pairs');
    expect(await add()).toMatchObject({ added: false, dataset: { name: 'pairs' } });
  });
});

describe('changes', () => {
  it('are edits, marks and notes with a history, and can be taken back', async () => {
    await fresh();
    const edit = await json<ChangeDataResult>('data', 'edit', 'pairs', '--row', 3, '--set', 'chosen= Six.');
    expect(edit).toMatchObject({ revision: 1, rows: 1 });
    await run('data', 'edit', 'pairs', '--row', 3, '--swap');
    await run('data', 'exclude', 'pairs', '--row', '3,5-7');
    await run('data', 'tag', 'pairs', 'odd', '--where', '"plus 4"');
    await run('data', 'note', 'pairs', '--row', 3, '--text', 'is wrong');
    const { row } = await json<ShowDataResult>('data', 'show', 'pairs', '--row', 3);
    const { prompt, rejected } = sums(4)[3]!;
    expect(row).toEqual({
      row: 3,
      excluded: true,
      tags: [],
      note: 'is wrong',
      prompt,
      answers: { chosen: rejected, rejected: ' Six.' },
    });
    const { changes } = await json<DataHistoryResult>('data', 'history', 'pairs');
    expect(changes.map(({ change: { kind }, rows }) => [kind, rows])).toEqual([
      ['edit', 1],
      ['edit', 1],
      ['exclude', 4],
      ['tag', sums(20).filter(({ prompt }) => prompt.includes('plus 4?')).length],
      ['note', 1],
    ]);
    const first = await json<ShowDataResult>('data', 'show', 'pairs', '--row', 3, '--revision', 1);
    expect(first.row).toMatchObject({ excluded: false, answers: { chosen: ' Six.', rejected } });
    for (let change = 0; change < 5; change += 1) expect((await run('data', 'undo', 'pairs')).code).toBe(0);
    expect((await run('data', 'undo', 'pairs')).err).toContain('nothing is left to undo');
    const { datasets } = await json<ListDataResult>('data', 'list');
    const original = sums(20).map((pair, index) => ({ kind: 'preference' as const, index, ...pair }));
    expect(datasets[0]).toMatchObject({ excluded: 0, revision: 10, hash: dataHash(original) });
  });

  it('refuses a row that could not be imported, and names what is missing', async () => {
    await fresh();
    for (const [args, cause] of [
      [['--row', 2, '--set', 'chosen='], 'pairs, row 2: empty completion'],
      [['--row', 2, '--set', 'chosen:=[{"role":"user","content":"x"}]'], 'text and chat messages are mixed'],
      [['--row', 2, '--set', 'colour=red'], 'has no field "colour"'],
      [['--row', 99, '--set', 'chosen=x'], 'pairs, row 99: there is no such row'],
    ] as const) {
      const { code, err } = await run('data', 'edit', 'pairs', ...args);
      expect([code, err]).toEqual([1, expect.stringContaining(cause)]);
    }
    expect((await run('data', 'exclude', 'pairs')).code).toBe(2);
    expect((await run('data', 'show', 'none')).err).toContain('no dataset of this name');
    expect((await json<DataHistoryResult>('data', 'history', 'pairs')).changes).toEqual([]);
  });

  it('keep excluded rows out of what is trained on and measured', async () => {
    await fresh();
    await run('data', 'exclude', 'pairs', '--row', '0-9');
    const score = await run(
      'score',
      '--model',
      at('tiny'),
      '--data',
      'pairs',
      '--out',
      at('s.jsonl'),
      '--json',
    );
    expect(score.json<{ pairs: number }>().pairs).toBe(10);
    await run('data', 'exclude', 'pairs', '--row', '10-19');
    const none = await run('score', '--model', at('tiny'), '--data', 'pairs', '--out', at('s.jsonl'));
    expect(none.err).toContain('pairs: all rows are excluded');
  });
});

describe('data split', () => {
  it('draws prompts by seed, keeps those together, and says how many', async () => {
    const rows = sums(40).map((pair, place) => ({ ...pair, prompt: `What is ${place >> 2}?` }));
    await fresh(rows);
    const split = (seed: number) =>
      json<SplitDataResult>('data', 'split', 'pairs', '--share', 0.3, '--seed', seed);
    const held = (): string =>
      inStore(current, (store) =>
        [...store.datasets.rows(1, { split: 'eval' })].map(({ index }) => index).join(),
      );
    expect(await split(1)).toMatchObject({ train: 28, eval: 12, moved: 0 });
    const first = held();
    const groups = new Set(first.split(',').map((index) => Number(index) >> 2));
    expect(groups.size).toBe(3);
    await split(2);
    expect(held()).not.toBe(first);
    await split(1);
    expect(held()).toBe(first);
    expect((await run('data', 'show', 'pairs')).out).toContain(
      'split by share 0.3, seed 1: 28 rows to train on, 12 to',
    );
  });

  it('follows a column, and trains on a prompt that stands on both sides', async () => {
    const rows = sums(10).map((pair, place) => ({ ...pair, part: place < 7 ? 'train' : 'test_set' }));
    rows[9]!.prompt = rows[0]!.prompt;
    await fresh(rows, '--split-column', 'part');
    const refused = await run('data', 'split', 'pairs', '--column', 'part');
    expect(refused.err).toContain('leaves no row to evaluate on');
    const result = await json<SplitDataResult>(
      'data',
      'split',
      'pairs',
      '--column',
      'part',
      '--eval-values',
      'test-set',
    );
    expect(result).toMatchObject({ train: 8, eval: 2, moved: 1 });
    expect((await run('data', 'split', 'pairs', '--column', 'other')).err).toContain(
      'was not kept at the import',
    );
  });
});

describe('looking at data', () => {
  it('shows tokens as training makes them, with what the length cuts off', async () => {
    await fresh();
    const show = async (maxLength: number) =>
      (
        await json<ShowDataResult>(
          'data',
          'show',
          'pairs',
          '--row',
          3,
          '--tokens',
          '--model',
          at('tiny'),
          '--max-length',
          maxLength,
        )
      ).row!.tokens!;
    const { sequences } = await show(1000);
    const { prompt, chosen, rejected } = sums(4)[3]!;
    expect(sequences.map(({ name }) => name)).toEqual(['chosen', 'rejected']);
    const text = (place: number, role: string): string =>
      sequences[place]!.tokens.filter((token) => token.role === role)
        .map((token) => token.text)
        .join('');
    for (const [place, answer] of [chosen, rejected].entries()) {
      // This tokenizer puts its start token before every text.
      expect(text(place, 'context')).toBe(`<|start|>${prompt}`);
      // The end token is trained on as well.
      expect(text(place, 'trained').startsWith(answer)).toBe(true);
      expect(text(place, 'trained').length).toBeGreaterThan(answer.length);
      expect(text(place, 'cut')).toBe('');
    }
    const context = sequences[0]!.tokens.filter(({ role }) => role === 'context').length;
    const cut = await show(context + 2);
    for (const [place, { tokens }] of cut.sequences.entries()) {
      expect(tokens.map(({ id }) => id)).toEqual(sequences[place]!.tokens.map(({ id }) => id));
      expect(tokens.filter(({ role }) => role === 'trained')).toHaveLength(2);
      expect(tokens.slice(context + 2).every(({ role }) => role === 'cut')).toBe(true);
    }
    const skipped = await show(context);
    expect(skipped.skipped).toMatch(/fills the maximum length/);
    expect(skipped.sequences.flatMap(({ tokens }) => tokens).some(({ role }) => role === 'trained')).toBe(
      false,
    );
    const people = await run('data', 'show', 'pairs', '--row', 3, '--tokens', '--model', at('tiny'));
    expect(people.out).toMatch(/read only \(\d+ tokens\)/);
    expect(people.out).toContain('·');
  });

  it('finds words', async () => {
    await fresh();
    const { total, hits } = await json<SearchDataResult>('data', 'search', 'pairs', '"is 13 plus"');
    expect(total).toBe(1);
    expect(hits).toEqual([
      { row: 13, excluded: false, field: 'prompt', snippet: expect.stringContaining('What is 13 plus') },
    ]);
    const some = await run('data', 'search', 'pairs', 'think', '--in', 'rejected', '--limit', 2);
    expect(some.out).toContain('20 rows found, 2 shown');
  });

  it('finds duplicates, exact and near, and leaves repeats out', async () => {
    const long = 'one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen';
    const pair = { prompt: long, chosen: 'yes it is so', rejected: 'no' };
    await fresh([pair, ...sums(5), pair, { ...pair, chosen: 'yes it is not' }]);
    expect((await json<DuplicatesResult>('data', 'duplicates', 'pairs')).groups).toEqual([
      { rows: [0, 6], similarity: 1 },
    ]);
    const near = await json<DuplicatesResult>('data', 'duplicates', 'pairs', '--near', '--threshold', 0.7);
    // Twenty words make eighteen runs of three; the two that hold the changed word differ.
    expect(near.groups).toEqual([{ rows: [0, 6, 7], similarity: 16 / 20 }]);
    const prompts = await json<DuplicatesResult>('data', 'duplicates', 'pairs', '--prompts');
    expect(prompts.groups).toEqual([{ rows: [0, 6, 7], similarity: 1 }]);
    expect(await json<ChangeDataResult>('data', 'exclude', 'pairs', '--repeats')).toMatchObject({ rows: 1 });
    expect(await json<DuplicatesResult>('data', 'duplicates', 'pairs')).toMatchObject({
      repeats: 0,
      groups: [],
    });
  });

  it('finds prompts of one dataset in another', async () => {
    const words = Array.from({ length: 30 }, (_, place) => `word${place}`);
    const row = (prompt: string) => ({ prompt, chosen: 'a', rejected: 'b' });
    await fresh([row(words.join(' ')), ...sums(3)]);
    const changed = [...words.slice(0, 29), 'other'].join(' ');
    const test = writeLines(at('leaky.jsonl'), [row('unlike all others'), row(changed), sums(3)[2]]);
    await run('data', 'add', test, '--name', 'test');
    const result = await json<LeaksResult>('data', 'leaks', 'test', 'pairs');
    expect(result).toMatchObject({ exact: 1, near: 1 });
    expect(result.leaks).toEqual([
      // 27 of 28 runs of three are shared.
      { row: 1, other: 0, similarity: 27 / 29 },
      { row: 2, other: 3, similarity: 1 },
    ]);
  });

  it('measures lengths in characters and tokens', async () => {
    await fresh();
    const { fields, rows } = await json<LengthsResult>('data', 'lengths', 'pairs');
    const lengths = sums(20).map(({ prompt }) => prompt.length);
    expect(rows).toBe(20);
    expect(fields['prompt']).toMatchObject({ min: Math.min(...lengths), max: Math.max(...lengths) });
    for (const { from, to, count } of fields['prompt']!.histogram)
      expect(count).toBe(lengths.filter((length) => from <= length && length < to).length);
    expect(fields['longest']!.max).toBe(
      Math.max(
        ...sums(20).map(
          ({ prompt, chosen, rejected }) => prompt.length + Math.max(chosen.length, rejected.length),
        ),
      ),
    );
    const tokens = await json<LengthsResult>('data', 'lengths', 'pairs', '--model', at('tiny'));
    const shown = await json<ShowDataResult>(
      'data',
      'show',
      'pairs',
      '--row',
      3,
      '--tokens',
      '--model',
      at('tiny'),
    );
    expect(tokens.unit).toBe('tokens');
    const context = shown.row!.tokens!.sequences[0]!.tokens.filter(({ role }) => role === 'context').length;
    expect(tokens.fields['prompt']!.min).toBeLessThanOrEqual(context);
    expect(tokens.fields['prompt']!.max).toBeGreaterThanOrEqual(context);
  });
});

describe('data remove', () => {
  it('says what would go and which runs refer to it, and needs --yes', async () => {
    await fresh();
    const hash = (await json<ListDataResult>('data', 'list')).datasets[0]!.hash!;
    inStore(current, (store) =>
      store.runs.add({
        loss: 'dpo',
        seed: 0,
        orderSeed: 0,
        learningRate: 1e-5,
        beta: 0.1,
        config: {},
        baseHash: 'x',
        dataHash: hash,
      }),
    );
    // A run refers to the dataset as it was, too.
    await run('data', 'exclude', 'pairs', '--row', 0);
    const asked = await json<RemoveDataResult>('data', 'remove', 'pairs');
    expect(asked).toMatchObject({ removed: false, runs: [1], dataset: { rows: 20 } });
    expect((await json<ListDataResult>('data', 'list')).datasets).toHaveLength(1);
    expect((await run('data', 'remove', 'pairs', '--yes')).out).toMatch(
      /^removed pairs: 20 rows.*\ntrained on by run 1$/m,
    );
    expect((await json<ListDataResult>('data', 'list')).datasets).toEqual([]);
  });
});
