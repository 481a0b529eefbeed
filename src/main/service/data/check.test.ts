import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServices } from '../index.ts';
import type { CheckDataResult, Services } from '../../../shared/contract.ts';

const folder = mkdtempSync(join(tmpdir(), 'check-'));
let services: Services;
beforeAll(async () => {
  services = await createServices({ home: folder });
});
afterAll(async () => {
  await services.close();
  rmSync(folder, { recursive: true });
});

function file(rows: readonly unknown[], name = 'rows.jsonl'): string {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join(''));
  return path;
}

async function check(rows: readonly unknown[]): Promise<CheckDataResult> {
  return services.checkData({ path: file(rows) });
}

const found = ({ issues }: CheckDataResult): unknown[] => issues.map(({ row, kind }) => [row, kind]);
const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const pair = (at: number) => ({ prompt: `Question ${at}?`, chosen: `Yes, ${at}.`, rejected: `No, ${at}!` });
/** Longer than 200 characters, ending properly. */
const long = (at: number): string => `${'A sentence that says something. '.repeat(8)}The end of ${at}.`;

describe('data check', () => {
  it('tells nothing of good rows but their lengths', async () => {
    const result = await check([pair(1), pair(2), { ...pair(30), answer: '4' }]);
    expect(result).toMatchObject({ format: 'trl', kind: 'preference', conversational: false, pairs: 3 });
    expect(result.issues).toEqual([]);
    expect(result.stats).toMatchObject({ rows: 3, badRows: 0, distinctPrompts: 3, tieShare: 0, answers: 1 });
    // "Question 1?" has 11 characters, "Question 30?" 12; "Yes, 1." 7, "No, 1!" 6.
    expect(result.stats.characters['prompt']).toMatchObject({ min: 11, median: 11, max: 12, mean: 34 / 3 });
    expect(result.stats.characters['chosen']).toMatchObject({ min: 7, max: 8 });
    expect(result.stats.chosenLongerShare).toBe(1);
  });

  it('goes on after rows that cannot be used', async () => {
    const result = await check([
      pair(1),
      '{"prompt": ',
      { prompt: 'x', chosen: 'a' },
      { ...pair(2), chosen: '' },
      { ...pair(3), rejected: pair(3).chosen },
      pair(4),
    ]);
    expect(found(result)).toEqual([
      [1, 'malformed'],
      [2, 'missing-field'],
      [3, 'empty'],
      [4, 'identical'],
    ]);
    expect(result.pairs).toBe(2);
    expect(result.stats).toMatchObject({ rows: 6, badRows: 4 });
    expect(result.counts).toEqual({ malformed: 1, 'missing-field': 1, empty: 1, identical: 1 });
  });

  it('finds what rows show by themselves', async () => {
    const long = 'A question of more than twenty letters';
    const result = await check([
      pair(0),
      { prompt: ' ', chosen: 'a', rejected: 'b' },
      { prompt: 'x', chosen: 'a  b', rejected: 'a b ' },
      { prompt: long, chosen: `${long} yes`, rejected: 'no' },
      { ...pair(4), chosen_score: 3, rejected_score: 3 },
      { ...pair(5), chosen_score: 2, rejected_score: 3 },
      { ...pair(6), chosen_score: 3, rejected_score: 2 },
    ]);
    expect(found(result)).toEqual([
      [1, 'empty'],
      [2, 'identical'],
      [3, 'prompt-differs'],
      [4, 'tie'],
      [5, 'swapped-suspect'],
    ]);
    expect(result.stats.tieShare).toBeCloseTo(1 / 7, 12);
  });

  it('finds speakers out of turn', async () => {
    const good = { prompt: [user('a')], chosen: [assistant('b')], rejected: [assistant('c')] };
    const result = await check([
      { ...good, prompt: [{ role: 'system', content: 's' }, user('a')] },
      { ...good, prompt: [user('a'), user('b')] },
      { ...good, prompt: [assistant('a')] },
      { ...good, prompt: [user('x'), assistant('y'), { role: 'system', content: 's' }, user('a')] },
      { ...good, chosen: [user('b')] },
      { ...good, chosen: [assistant('b'), user('d'), assistant('e')] },
    ]);
    expect(found(result)).toEqual([
      [1, 'role-order'],
      [2, 'role-order'],
      [3, 'role-order'],
      [4, 'role-order'],
      [4, 'prompt-differs'],
      [5, 'prompt-differs'],
    ]);
  });

  it('finds repeated pairs, and pairs that stand there the other way round', async () => {
    const { prompt, chosen, rejected } = pair(1);
    const result = await check([pair(1), pair(2), pair(1), { prompt, chosen: rejected, rejected: chosen }]);
    expect(result.issues).toEqual([
      { row: 2, kind: 'duplicate', message: 'equal to row 0', record: JSON.stringify(pair(1)) },
      {
        row: 3,
        kind: 'swapped-suspect',
        message: 'row 0 has the same answers the other way round',
        record: JSON.stringify({ prompt, chosen: rejected, rejected: chosen }),
      },
    ]);
    expect(result.stats.duplicateShare).toBe(0.25);
    expect(result.stats.distinctPrompts).toBe(2);
  });

  it('finds answers that were cut, where the others of the file are not', async () => {
    const rows = Array.from({ length: 10 }, (_, at) => ({
      prompt: `Question ${at}?`,
      chosen: long(at),
      rejected: long(at + 100),
    }));
    const cut = (text: string): string => text.slice(0, -9);
    expect(found(await check(rows))).toEqual([]);
    const [first, second] = rows;
    const some = [
      { ...first!, chosen: cut(first!.chosen) },
      { ...second!, rejected: cut(second!.rejected) },
    ];
    expect(found(await check([...some, ...rows.slice(2)]))).toEqual([
      [0, 'truncated-completion'],
      [1, 'truncated-completion'],
    ]);
    // Where a third of the answers ends like that, it is the file's style.
    expect(found(await check([...some, ...rows.slice(2, 3)]))).toEqual([]);
  });

  it('finds refusals on the other side than the file’s usual one', async () => {
    const refusing = (at: number) => ({ ...pair(at), chosen: 'I’m sorry, but I can’t help with that.' });
    const usual = Array.from({ length: 11 }, (_, at) => refusing(at));
    const odd = { ...pair(20), rejected: 'As an AI language model, I cannot say.' };
    expect(found(await check([...usual, odd]))).toEqual([[11, 'swapped-suspect']]);
    // Too few to speak of a usual side.
    expect(found(await check([...usual.slice(0, 8), odd]))).toEqual([]);
  });

  it('tells where a file cannot be read on', async () => {
    const path = join(folder, 'cut.json');
    writeFileSync(path, `[${JSON.stringify(pair(1))}, ${JSON.stringify(pair(2)).slice(0, 20)}`);
    const result = await services.checkData({ path });
    expect(result.issues).toEqual([
      {
        row: 1,
        kind: 'malformed',
        message: 'broken JSON: the file ends too early; it is truncated; nothing after this was read',
      },
    ]);
    expect(result.pairs).toBe(1);
  });

  it('keeps a thousand issues of a kind and counts all', async () => {
    const result = await check([pair(1), ...Array.from({ length: 1200 }, () => '{')]);
    expect(result.issues).toHaveLength(1000);
    expect(result.counts).toEqual({ malformed: 1200 });
  });
});

describe('data convert', () => {
  const path = () =>
    file([pair(1), '{', { prompt: 'x', chosen: [assistant('a')] }, pair(4)], 'convert.jsonl');

  it('writes the whole file or nothing', async () => {
    const out = join(folder, 'out.jsonl');
    await expect(services.convertData({ path: path(), out, skipBad: false })).rejects.toThrow(
      /convert\.jsonl, row 1: broken JSON/,
    );
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('.partial'))).toEqual([]);
    const result = await services.convertData({ path: path(), out, skipBad: true });
    expect(result).toMatchObject({ pairs: 2, skipped: 2, format: 'trl' });
    const lines = readFileSync(out, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
      [pair(1), pair(4)].map(({ prompt, chosen, rejected }) => ({
        prompt: [user(prompt)],
        chosen: [assistant(chosen)],
        rejected: [assistant(rejected)],
      })),
    );
    // What was written is read as the same rows.
    expect(await services.checkData({ path: out })).toMatchObject({ pairs: 2, conversational: true });
  });

  it('does not write over what it reads', async () => {
    const both = path();
    const before = readFileSync(both, 'utf8');
    await expect(services.convertData({ path: both, out: both, skipBad: true })).rejects.toThrow(
      /what is read/,
    );
    expect(readFileSync(both, 'utf8')).toBe(before);
  });
});
