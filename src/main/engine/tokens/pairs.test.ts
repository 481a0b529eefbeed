import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { PreferenceRow } from '../../../shared/preferences.ts';
import { readDataFile } from '../../formats/preferences.ts';
import { pairHash, tokenizeCompletions, tokenizePreferences, tokenizePrompt } from './pairs.ts';
import { loadTokenizer } from './tokenizer.ts';

// That every id equals TRL's is tested in test/parity; here, what is said about the rows, against TRL's ids.
const fixtures = fileURLToPath(new URL('../../../../test/parity/fixtures/tokens/', import.meta.url));
const tokenizer = loadTokenizer(fixtures);
const rows = (await readDataFile(`${fixtures}text.jsonl`)).rows as PreferenceRow[];
const expected = JSON.parse(readFileSync(`${fixtures}expected.json`, 'utf8')) as Record<
  string,
  { rows: [number, number[], number[], number[]][] }
>;
const trl = expected['text, None']!.rows;

describe('tokenizePreferences', () => {
  it('lists what truncation took from each answer', () => {
    const maxLength = 24;
    const over = (prompt: number[], answer: number[]): number => prompt.length + answer.length - maxLength;
    const cut = trl
      .filter(([, prompt]) => prompt.length < maxLength)
      .map(([index, prompt, chosen, rejected]) => {
        const lost: Record<string, number> = {};
        if (over(prompt, chosen) > 0) lost['chosen'] = over(prompt, chosen);
        if (over(prompt, rejected) > 0) lost['rejected'] = over(prompt, rejected);
        return { index, lost };
      })
      .filter(({ lost }) => Object.keys(lost).length > 0);
    expect(cut.length).toBeGreaterThan(3);
    expect(tokenizePreferences(rows, tokenizer, { maxLength }).truncated).toEqual(cut);
  });

  it('skips and lists rows whose prompt fills the maximum length, and keeps the others’ indices', () => {
    const maxLength = 24;
    const long = trl.filter(([, prompt]) => prompt.length >= maxLength);
    const { pairs, skipped } = tokenizePreferences(rows, tokenizer, { maxLength });
    expect(skipped).toEqual(
      long.map(([index, prompt]) => ({
        index,
        reason: `the prompt has ${prompt.length} tokens and fills the maximum length 24`,
      })),
    );
    const left = trl.filter(([, prompt]) => prompt.length < maxLength);
    expect(pairs.map(({ index }) => index)).toEqual(left.map(([index]) => index));
    for (const { chosen, rejected } of pairs)
      expect(Math.min(chosen.length, rejected.length)).toBeGreaterThan(0);
  });

  it('lists boundaries that shift, with the text left out of the prompt', () => {
    const { shifted } = tokenizePreferences(rows, tokenizer);
    const start = tokenizer.bosToken!;
    const shiftedInTrl = trl.filter(
      ([index, prompt]) => tokenizer.decode(prompt) !== `${start}${rows[index]!.prompt as string}`,
    );
    expect(shifted.map(({ index }) => index)).toEqual(shiftedInTrl.map(([index]) => index));
    expect(shifted.length).toBeGreaterThan(2);
    for (const { index, tokens, text } of shifted) {
      const [, prompt] = trl[index]!;
      expect(tokenizer.decode(prompt) + text).toBe(`${start}${rows[index]!.prompt as string}`);
      expect(tokenizePrompt(rows[index]!, tokenizer)).toHaveLength(prompt.length + tokens);
    }
  });

  it('skips answers that the template leaves out, rather than training on nothing', () => {
    const chatTemplate = "{% for m in messages %}{{ m.content if m.role == 'user' }}{% endfor %}";
    const row: PreferenceRow = {
      kind: 'preference',
      index: 3,
      prompt: [{ role: 'user', content: 'Hello' }],
      chosen: [{ role: 'assistant', content: 'yes' }],
      rejected: [{ role: 'assistant', content: 'no' }],
    };
    const { pairs, skipped } = tokenizePreferences([row], { ...tokenizer, chatTemplate });
    expect(pairs).toEqual([]);
    expect(skipped).toEqual([{ index: 3, reason: 'chosen has no token to score' }]);
  });

  it('keeps the task’s answer', async () => {
    const chat = (await readDataFile(`${fixtures}chat.jsonl`)).rows as PreferenceRow[];
    const { pairs } = tokenizePreferences(chat.slice(0, 2), tokenizer);
    expect(pairs.map(({ answer }) => answer)).toEqual(['6', 'because']);
    const { completions } = tokenizeCompletions(chat.slice(0, 2), tokenizer);
    expect(completions.map(({ answer }) => answer)).toEqual(['6', 'because']);
  });
});

describe('pairHash', () => {
  const pair = { prompt: Int32Array.of(1, 2), chosen: Int32Array.of(3, 70000), rejected: Int32Array.of(5) };

  it('is SHA-256 of lengths and ids as 32-bit little-endian words', () => {
    // hashlib.sha256(struct.pack('<8i', 2, 2, 1, 1, 2, 3, 70000, 5)) in Python.
    expect(pairHash(pair)).toBe('d55acb7a29588b7eb7b4a73701832289afb8353e92853f2849dbc5afebe33d22');
  });

  it('tells apart where the prompt ends', () => {
    const moved = { ...pair, prompt: Int32Array.of(1), chosen: Int32Array.of(2, 3, 70000) };
    expect(pairHash(moved)).not.toBe(pairHash(pair));
  });
});
