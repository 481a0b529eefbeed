import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import type { DataRow, PreferenceRow } from '../../shared/preferences.ts';
import { openStore, type Store } from './database.ts';
import { promptHash } from './prompt-hash.ts';
import { sampleDataset, temporaryFolder } from './samples.ts';

let folder: ReturnType<typeof temporaryFolder>;
let store: Store;
let id: number;

const pair = (index: number, changes: Partial<PreferenceRow> = {}): PreferenceRow => ({
  kind: 'preference',
  index,
  prompt: `question ${Math.floor(index / 2)}`,
  chosen: `good ${index}`,
  rejected: `bad ${index}`,
  ...changes,
});
const count = 600;
const imported = Array.from({ length: count }, (_, index) => pair(index));

beforeEach(() => {
  folder = temporaryFolder();
  store = openStore(join(folder.path, 'plumbline.db'));
  ({ id } = store.datasets.add(sampleDataset, imported));
});
afterEach(() => {
  store.close();
  folder.remove();
});

const rowsNow = (options = {}): DataRow[] => [...store.datasets.rows(id, options)];
const dataset = () => store.datasets.find(id)!;

describe('revisions', () => {
  it('give back the rows of any time, however they changed since', () => {
    // A model of its own: plain arrays, one for each revision.
    const states = [imported];
    const excluded = [new Set<number>()];
    const step = (rows: PreferenceRow[], without: Set<number>): void => {
      states.push(rows);
      excluded.push(without);
    };
    const { datasetChanges } = store;
    const edit = (index: number, chosen: string): void => {
      datasetChanges.edit(id, index, (row) => ({ ...row, chosen }) as DataRow);
      step(
        states.at(-1)!.map((row) => (row.index === index ? { ...row, chosen } : row)),
        excluded.at(-1)!,
      );
    };
    edit(3, 'first');
    datasetChanges.mark(id, [3, 4, 599], { excluded: true }, { kind: 'exclude' });
    step(states.at(-1)!, new Set([3, 4, 599]));
    edit(3, 'second');
    edit(300, 'elsewhere');
    datasetChanges.mark(id, [3], { excluded: false }, { kind: 'include' });
    step(states.at(-1)!, new Set([4, 599]));
    datasetChanges.undo(id);
    step(states.at(-1)!, new Set([3, 4, 599]));
    datasetChanges.undo(id);
    step(states[3]!, new Set([3, 4, 599]));

    expect(store.datasets.revision(id)).toBe(states.length - 1);
    for (const [revision, rows] of states.entries()) {
      expect(rowsNow({ revision, includeExcluded: true })).toEqual(rows);
      expect(rowsNow({ revision })).toEqual(rows.filter(({ index }) => !excluded[revision]!.has(index)));
    }
    expect(rowsNow()).toEqual(rowsNow({ revision: states.length - 1 }));
    expect(dataset().excluded).toBe(3);
  });

  it('hold still while rows are read and changed at the same time', () => {
    const read: DataRow[] = [];
    for (const row of store.datasets.rows(id)) {
      if (row.index === 10)
        store.datasetChanges.edit(id, 500, (old) => ({ ...old, chosen: 'new' }) as DataRow);
      read.push(row);
    }
    expect(read).toEqual(imported);
    expect(store.datasets.row(id, 500)).toMatchObject({ chosen: 'new' });
  });

  it('keep counts, bytes and the hash in step', () => {
    const before = dataset();
    store.datasetChanges.edit(id, 0, (row) => ({ ...row, chosen: 'äöü', answer: '7' }) as DataRow);
    const bytes = rowsNow().reduce(
      (sum, row) => sum + Buffer.byteLength(JSON.stringify({ ...row, index: undefined })),
      0,
    );
    expect(dataset()).toMatchObject({ answers: 1, bytes, hash: null, revision: 1, rows: count });
    store.datasets.setHash(id, 0, 'late');
    expect(dataset().hash).toBeNull();
    store.datasets.setHash(id, 1, 'e'.repeat(64));
    store.datasetChanges.mark(id, [0], { note: 'look' }, { kind: 'note', note: 'look' });
    expect(dataset().hash).toBe('e'.repeat(64));
    expect(store.datasets.hashes(id).sort()).toEqual([sampleDataset.hash, 'e'.repeat(64)].sort());
    store.datasetChanges.undo(id);
    store.datasetChanges.undo(id);
    expect(dataset()).toEqual({ ...before, revision: 4 });
    expect(rowsNow()).toEqual(imported);
    expect(store.datasetChanges.undo(id)).toBeUndefined();
  });

  it('are not made where nothing changes, and all or none of a change is kept', () => {
    expect(store.datasetChanges.edit(id, 0, (row) => ({ ...row }))).toBe(0);
    expect(store.datasetChanges.mark(id, [0], { excluded: false }, { kind: 'include' })).toEqual({
      revision: 0,
      rows: 0,
    });
    expect(() => store.datasetChanges.mark(id, [0, 600], { excluded: true }, { kind: 'exclude' })).toThrow(
      InputError,
    );
    expect(() => store.datasetChanges.edit(id, 600, (row) => row)).toThrow(/no such row/);
    expect(dataset()).toMatchObject({ revision: 0, excluded: 0 });
  });

  it('tell what was done', () => {
    const { datasetChanges } = store;
    datasetChanges.mark(id, [5, 7], { addTag: 'b' }, { kind: 'tag', tag: 'b' });
    datasetChanges.mark(id, [7], { addTag: 'a', note: 'n' }, { kind: 'tag', tag: 'a' });
    expect(store.datasetRows.entry(id, 7)).toMatchObject({ tags: ['a', 'b'], note: 'n' });
    expect(store.datasetRows.entry(id, 7, 1)).toMatchObject({ tags: ['b'], note: null });
    datasetChanges.undo(id);
    expect(datasetChanges.history(id)).toMatchObject([
      { revision: 1, change: { kind: 'tag', tag: 'b' }, rows: 2, some: [5, 7], undone: false },
      { revision: 2, change: { kind: 'tag', tag: 'a' }, rows: 1, some: [7], undone: true },
      { revision: 3, change: { kind: 'undo', revision: 2 }, rows: 1, some: [7], undone: false },
    ]);
  });
});

describe('splits', () => {
  it('follow the prompts, also of rows that are edited later', () => {
    expect(() => rowsNow({ split: 'eval' })).toThrow(InputError);
    const held = [imported[0]!, imported[598]!].map(promptHash);
    store.datasetChanges.split(id, { by: 'share', share: 0.01, seed: 1 }, held);
    const indices = (split: 'train' | 'eval', revision?: number): number[] =>
      rowsNow({ split, revision }).map(({ index }) => index);
    expect(indices('eval')).toEqual([0, 1, 598, 599]);
    expect(indices('train')).toHaveLength(count - 4);
    store.datasetChanges.edit(id, 40, (row) => ({ ...row, prompt: 'question 0' }) as DataRow);
    expect(indices('eval')).toEqual([0, 1, 40, 598, 599]);
    expect(indices('eval', 1)).toEqual([0, 1, 598, 599]);
    store.datasetChanges.split(id, { by: 'share', share: 0.5, seed: 2 }, [promptHash(imported[8]!)]);
    expect(indices('eval')).toEqual([8, 9]);
    store.datasetChanges.undo(id);
    expect(indices('eval')).toEqual([0, 1, 40, 598, 599]);
    store.datasetChanges.undo(id);
    store.datasetChanges.undo(id);
    expect(() => indices('eval')).toThrow(/no split/);
    expect(indices('eval', 3)).toEqual([8, 9]);
  });
});

describe('search', () => {
  const build = (): void => {
    while (store.datasetSearch.indexSome(id) !== undefined);
  };
  const find = (query: string, field?: 'prompt' | 'chosen' | 'rejected'): number[] =>
    store.datasetSearch.search(id, query, { field, limit: 1000 }).indices.sort((a, b) => a - b);

  it('finds words, phrases and beginnings, in any case and without accents', () => {
    store.datasetChanges.edit(id, 9, (row) => ({ ...row, chosen: 'Die Schöne und das Biest' }) as DataRow);
    build();
    expect(find('schone')).toEqual([9]);
    expect(find('SCHÖN*')).toEqual([9]);
    expect(find('"das Biest"')).toEqual([9]);
    expect(find('"Biest das"')).toEqual([]);
    expect(find('biest bad')).toEqual([9]);
    expect(find('question', 'chosen')).toEqual([]);
    expect(find('9')).toEqual([9, 18, 19]);
    // What FTS5 would take for its own syntax is only words.
    expect(find('NEAR(bad OR')).toEqual([]);
    expect(find('bad-9')).toEqual([9]);
    expect(() => find('"" - *')).toThrow(InputError);
    expect(store.datasetSearch.search(id, 'good', { limit: 3 })).toMatchObject({ total: count - 1 });
  });

  it('follows edits and undone ones, while the index grows and afterwards', () => {
    expect(store.datasetSearch.indexSome(id)).toBe(count);
    const edit = (index: number, chosen: string): number =>
      store.datasetChanges.edit(id, index, (row) => ({ ...row, chosen }) as DataRow);
    edit(2, 'zebra');
    expect(find('zebra')).toEqual([2]);
    edit(2, 'okapi');
    expect(find('zebra')).toEqual([]);
    store.datasetChanges.undo(id);
    expect(find('zebra')).toEqual([2]);
    expect(find('okapi')).toEqual([]);
  });

  it('goes with its dataset', () => {
    build();
    const tables = (): number => {
      const other = openStore(store.file);
      try {
        return other.datasetSearch.search(id, 'good', { limit: 1 }).total;
      } finally {
        other.close();
      }
    };
    expect(tables()).toBe(count);
    expect(store.datasets.remove(id)).toBe(true);
    expect(tables()).toBe(0);
    expect(store.datasets.list()).toEqual([]);
    const again = store.datasets.add(sampleDataset, imported.slice(0, 3));
    expect(again.id).toBeGreaterThan(id);
  });
});
