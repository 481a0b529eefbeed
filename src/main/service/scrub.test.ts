import { describe, expect, it } from 'vitest';
import { scrubber } from './scrub.ts';

const scrub = scrubber({
  userFolder: '/home/ada',
  userName: 'ada',
  paths: ['/mnt/my data/pairs of mine.jsonl', '/home/ada/models/small', 'relative/folder/x.csv'],
});

describe('a scrubbed text', () => {
  it.each([
    ['/home/ada/work/thesis/pairs.jsonl, row 3: is empty', 'pairs.jsonl, row 3: is empty'],
    ['cannot read /mnt/my data/pairs of mine.jsonl now', 'cannot read pairs of mine.jsonl now'],
    ['the file /mnt/my data/other.txt', 'the file my data/other.txt'],
    ['at run (file:///home/ada/plumbline/src/main/x.ts:12:7)', 'at run (x.ts:12:7)'],
    ['C:\\Users\\ada\\data\\pairs.jsonl is gone', 'pairs.jsonl is gone'],
    ['relative/folder/x.csv and step 3/400', 'x.csv and step 3/400'],
    ['made by ada, not by adamant', 'made by user, not by adamant'],
    [
      `Unexpected token 's', "the secret"... is not valid JSON`,
      `Unexpected token '…', "…"... is not valid JSON`,
    ],
    ['value "never closed, because cut', 'value "…"'],
    [`unknown name 'my prompt' here; it doesn't matter`, `unknown name '…' here; it doesn't matter`],
    ['2026-11-23T10:00:00.000Z step 3/4 loss 0.69', '2026-11-23T10:00:00.000Z step 3/4 loss 0.69'],
  ])('%s', (text, clean) => {
    expect(scrub(text)).toBe(clean);
  });
});
