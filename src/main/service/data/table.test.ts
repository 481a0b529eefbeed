import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RowFilter } from '../../../shared/contract.ts';
import { openTestHome, type TestHome } from '../testing.ts';

let home: TestHome;
/** Rows of the file; every tenth is broken in `gaps` and so left out. */
const count = 5200;
const colour = (index: number): string => ['red', 'green', 'blue'][index % 3]!;
const line = (index: number): string =>
  JSON.stringify({
    prompt: `question ${index % 2600}\n\n is ${colour(index)} `,
    chosen: `yes ${index}`,
    rejected: index === 7 ? `${'no '.repeat(400)}` : `no ${index}`,
  });

beforeAll(async () => {
  home = await openTestHome();
  const write = async (name: string, text: (index: number) => string): Promise<void> => {
    const path = join(home.path, `${name}.jsonl`);
    writeFileSync(path, Array.from({ length: count }, (_, index) => `${text(index)}\n`).join(''));
    await home.services.addData({ path, name, skipBad: true });
  };
  await write('whole', line);
  await write('gaps', (index) => (index % 10 === 3 ? '{"broken": 1}' : line(index)));
});
afterAll(() => home.close());

const all = Array.from({ length: count }, (_, index) => index);
const page = (data: string, from: number, limit: number, filter?: RowFilter) =>
  home.services.dataRows({ data, from, limit, ...(filter === undefined ? {} : { filter }) });
/** Pages at several places must be what a plain filter over all indices leaves. */
async function expectRows(data: string, filter: RowFilter | undefined, left: readonly number[]) {
  for (const from of [0, 3, left.length >> 1, Math.max(0, left.length - 4), left.length, left.length + 10]) {
    const { total, lines } = await page(data, from, 120, filter);
    expect(total).toBe(left.length);
    expect(lines.map(({ row }) => row)).toEqual(left.slice(from, from + 120));
    expect(lines.map(({ place }) => place)).toEqual(lines.map((_, at) => from + at));
  }
}

describe('rows of a dataset as a table shows them', () => {
  it('are one line each, cut, with what is said of them', async () => {
    const { lines } = await page('whole', 6, 2);
    expect(lines[0]).toEqual({
      place: 6,
      row: 6,
      excluded: false,
      tags: [],
      prompt: 'question 6 is red',
      chosen: 'yes 6',
      rejected: 'no 6',
    });
    expect(lines[1]!.rejected).toBe('no '.repeat(100));
  });

  it('are found by place where rows were left out at the import', async () => {
    await expectRows('whole', undefined, all);
    await expectRows(
      'gaps',
      undefined,
      all.filter((index) => index % 10 !== 3),
    );
  });

  it('are left by searches, marks and sides, alone and together, and follow every change', async () => {
    const { services } = home;
    await expectRows('whole', { tagged: 'odd' }, []);
    const range = (from: number, to: number) => ({ rows: [[from, to]] as const });
    await services.markData({ data: 'whole', select: range(100, 2999), mark: { kind: 'exclude' } });
    await services.markData({ data: 'whole', select: range(2900, 3100), mark: { kind: 'tag', tag: 'odd' } });
    await services.markData({ data: 'whole', select: range(5, 5), mark: { kind: 'note', note: 'see' } });
    const excluded = (index: number): boolean => index >= 100 && index <= 2999;
    await expectRows('whole', { marked: 'excluded' }, all.filter(excluded));
    await expectRows(
      'whole',
      { marked: 'included' },
      all.filter((index) => !excluded(index)),
    );
    await expectRows('whole', { marked: 'noted' }, [5]);
    expect((await page('whole', 0, 9, { marked: 'noted' })).lines[0]!.note).toBe('see');
    const tagged = (index: number): boolean => index >= 2900 && index <= 3100;
    await expectRows('whole', { tagged: 'odd' }, all.filter(tagged));
    const green = (index: number): boolean => colour(index) === 'green';
    await expectRows('whole', { search: 'green' }, all.filter(green));
    await expectRows(
      'whole',
      { search: 'green', tagged: 'odd', marked: 'included' },
      all.filter((index) => green(index) && tagged(index) && !excluded(index)),
    );
    await services.editData({ data: 'whole', row: 4000, set: { chosen: 'a green one' } });
    await expectRows(
      'whole',
      { search: 'green' },
      all.filter((index) => green(index) || index === 4000),
    );

    await expect(page('whole', 0, 1, { side: 'eval' })).rejects.toThrow('no split');
    await services.splitData({ data: 'whole', by: { share: 0.3, seed: 1 } });
    const sides = await Promise.all(
      (['train', 'eval'] as const).map(async (side) => {
        const first = await page('whole', 0, 500, { side });
        expect(first.lines.every((each) => each.side === side)).toBe(true);
        const rest: number[] = [];
        for (let from = 0; from < first.total; from += 500)
          rest.push(...(await page('whole', from, 500, { side })).lines.map(({ row }) => row));
        return rest;
      }),
    );
    // Every row is on one side, and rows with one prompt on the same.
    expect([...sides.flat()].sort((a, b) => a - b)).toEqual(all);
    const held = new Set(
      sides[1]!.map((index) => JSON.parse(line(index)) as { prompt: string }).map(({ prompt }) => prompt),
    );
    expect(sides[0]!.some((index) => held.has((JSON.parse(line(index)) as { prompt: string }).prompt))).toBe(
      false,
    );
    // Edited, its prompt stayed: the share is of prompts of rows that are not excluded.
    expect(sides[1]!.length).toBeGreaterThan(500);

    await services.undoData({ data: 'whole' });
    await expect(page('whole', 0, 1, { side: 'eval' })).rejects.toThrow('no split');
  });

  it('name a dataset that is not there, and a search without a word', async () => {
    await expect(page('none', 0, 1)).rejects.toThrow('no dataset of this name');
    await expect(page('gaps', 0, 1, { search: '?!' })).rejects.toThrow('nothing to search for');
  });
});

describe('an exported dataset', () => {
  it('is the same dataset when it is imported again', async () => {
    const out = join(home.path, 'deep', 'out.jsonl');
    const gaps = await home.services.exportData({ data: 'gaps', out });
    expect(gaps).toEqual({ out, rows: 0.9 * count, revision: 0 });
    const path = join(home.path, 'original.jsonl');
    writeFileSync(path, `${line(1)}\n${line(2)}\n`);
    await home.services.addData({ path, name: 'two' });
    await home.services.exportData({ data: 'two', out });
    expect(await home.services.addData({ path: out })).toMatchObject({
      added: false,
      dataset: { name: 'two' },
    });
    await home.services.editData({ data: 'two', row: 0, set: { chosen: 'better', answer: '4' } });
    await home.services.markData({ data: 'two', select: { rows: [[1, 1]] }, mark: { kind: 'exclude' } });
    expect(await home.services.exportData({ data: 'two', out })).toEqual({ out, rows: 1, revision: 2 });
    const again = await home.services.addData({ path: out, name: 'again' });
    expect(again.dataset).toMatchObject({ rows: 1, answers: 1 });
    const { lines } = await page('again', 0, 5);
    expect(lines[0]).toMatchObject({ prompt: 'question 1 is green', chosen: 'better', rejected: 'no 1' });
    await home.services.markData({ data: 'two', select: { rows: [[0, 0]] }, mark: { kind: 'exclude' } });
    await expect(home.services.exportData({ data: 'two', out })).rejects.toThrow('every row is excluded');
  });
});
