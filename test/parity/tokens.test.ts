import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { renderChat } from '../../src/main/engine/tokens/chat-template.ts';
import { tokenizeCompletions, tokenizePreferences } from '../../src/main/engine/tokens/pairs.ts';
import { loadTokenizer, type Tokenizer } from '../../src/main/engine/tokens/tokenizer.ts';
import { readDataFile } from '../../src/main/formats/preferences.ts';
import type { DataRow, PreferenceRow } from '../../src/shared/preferences.ts';

const fixtures = fileURLToPath(new URL('fixtures/tokens/', import.meta.url));
const shared = fileURLToPath(new URL('../../../shared/', import.meta.url));

/** A row's index and its ids: prompt and answers. */
type Tokens = [index: number, ...ids: number[][]];
interface Expected {
  readonly rows?: Tokens[];
  readonly lengths?: number[][];
  readonly sha256?: string;
}
interface Piece {
  readonly text: string;
  readonly ids: number[];
  readonly from: number;
  readonly to: number;
  readonly decoded: string;
  readonly clean: string;
}

function readJson<Value>(name: string): Value {
  return JSON.parse(readFileSync(`${fixtures}${name}`, 'utf8')) as Value;
}

function preferences(rows: readonly DataRow[], tokenizer: Tokenizer, maxLength?: number): Tokens[] {
  const options = maxLength === undefined ? {} : { maxLength };
  const { pairs } = tokenizePreferences(rows as PreferenceRow[], tokenizer, options);
  return pairs.map(({ index, prompt, chosen, rejected }) => [index, [...prompt], [...chosen], [...rejected]]);
}

function completions(rows: readonly DataRow[], tokenizer: Tokenizer, maxLength?: number): Tokens[] {
  const result = tokenizeCompletions(rows, tokenizer, maxLength === undefined ? {} : { maxLength });
  return result.completions.map(({ index, prompt, completion }) => [index, [...prompt], [...completion]]);
}

/** As the fixtures' maker hashes: SHA-256 of JSON without spaces, in ASCII. */
function digest(value: unknown): string {
  const json = JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return createHash('sha256').update(json).digest('hex');
}

describe('tokens of a small tokenizer equal those of TRL', () => {
  const tokenizer = loadTokenizer(fixtures);
  const expected = readJson<Record<string, Expected>>('expected.json');
  const runs = Object.keys(expected).filter((name) => /^(implicit-)?(text|chat)|^completion/.test(name));

  it.each(runs)('%s', async (name) => {
    const [, data, asCompletions, maxLength] = /^([a-z-]+)( as completions)?, (.*)$/.exec(name)!;
    const { rows, format } = await readDataFile(`${fixtures}${data}.jsonl`);
    const prepare = format === 'completion' || asCompletions !== undefined ? completions : preferences;
    const result = prepare(rows, tokenizer, maxLength === 'None' ? undefined : Number(maxLength));
    const { rows: allRows, lengths, sha256 } = expected[name]!;
    if (allRows !== undefined) {
      expect(result).toEqual(allRows);
    } else {
      expect(result.map(([index, ...ids]) => [index, ...ids.map(({ length }) => length)])).toEqual(lengths);
      expect(digest(result)).toBe(sha256);
    }
  });

  it('with a template that writes more into the prompt alone than into the whole', async () => {
    const chatTemplate = readFileSync(`${fixtures}chat_template_thinking.jinja`, 'utf8');
    const { rows } = await readDataFile(`${fixtures}chat.jsonl`);
    const result = preferences(rows, { ...tokenizer, chatTemplate });
    expect(result).toEqual(expected['thinking, chat, None']!.rows);
  });

  it('renders conversations to the same text', async () => {
    const rendered = (expected as unknown as { rendered: string[][] }).rendered;
    const { rows } = await readDataFile(`${fixtures}chat.jsonl`);
    const result = rows.map(({ prompt }) =>
      [true, false].map((addGenerationPrompt) => {
        if (prompt === undefined || typeof prompt === 'string')
          throw new Error('the fixture holds conversations');
        return renderChat(tokenizer, prompt, { addGenerationPrompt });
      }),
    );
    expect(result).toEqual(rendered);
  });
});

describe.each([
  ['byte level', '', true],
  ['a pattern like that of Llama 3', 'split-pattern/', true],
  // Streams differ from the whole where a run of byte tokens is broken, which pieces cut anywhere often are.
  ['byte fallback', 'byte-fallback/', false],
])('encoding and decoding equal those of transformers: %s', (_, folder, isStreamExact) => {
  const tokenizer = loadTokenizer(`${fixtures}${folder}`);
  const { texts } = readJson<{ texts: Piece[] }>(`${folder}texts.json`);

  it('encodes', () => {
    expect(texts.map(({ text }) => tokenizer.encode(text))).toEqual(texts.map(({ ids }) => ids));
  });

  it('decodes pieces cut anywhere, with and without special tokens', () => {
    const pieces = texts.map(({ ids, from, to }) => ids.slice(from, to));
    expect(pieces.map((ids) => tokenizer.decode(ids))).toEqual(texts.map(({ decoded }) => decoded));
    const clean = pieces.map((ids) => tokenizer.decode(ids, { skipSpecialTokens: true }));
    expect(clean).toEqual(texts.map((piece) => piece.clean));
  });

  it.each([false, true])('streams the same text, skipping special tokens: %s', (skipSpecialTokens) => {
    for (const { ids, from, to, decoded, clean } of texts) {
      const whole = skipSpecialTokens ? clean : decoded;
      if (!isStreamExact && whole.includes('\ufffd')) continue;
      const stream = tokenizer.decodeStream({ skipSpecialTokens });
      const parts = ids.slice(from, to).map((id) => stream.push(id));
      expect([...parts, stream.end()].join('')).toBe(whole);
      for (const part of parts) expect(part.endsWith('\ufffd')).toBe(false);
    }
  });
});

const smollm2 = `${shared}models/smollm2-135m-instruct`;
const isShared = existsSync(smollm2);

describe.skipIf(!isShared)(
  `tokens of SmolLM2 equal those of TRL${isShared ? '' : ` (skipped: no ${smollm2})`}`,
  () => {
    interface Run {
      readonly count: number;
      readonly sha256: string;
    }
    const expected = readJson<Record<string, Run>>('smollm2.json');
    const { ids, decoded, pieces } = expected['texts'] as unknown as {
      ids: string;
      decoded: string;
      pieces: [number, number][];
    };
    const tokenizer = isShared ? loadTokenizer(smollm2) : undefined!;
    const rowsOf = async (name: string): Promise<DataRow[]> =>
      name === 'gsm8k-pairs'
        ? (await readDataFile(`${shared}data/gsm8k-pairs.jsonl`)).rows
        : // The transcripts as TRL reads them: text with an implicit prompt.
          (
            await readDataFile(`${shared}data/hh-rlhf-harmless-base-test.jsonl.gz`, { format: 'trl' })
          ).rows.slice(0, 600);

    it.each(Object.keys(expected).filter((name) => name !== 'texts'))('%s', async (name) => {
      const [data, kind, maxLength] = name.split(', ') as [string, string, string];
      const prepare = kind === 'preferences' ? preferences : completions;
      const result = prepare(await rowsOf(data), tokenizer, Number(maxLength));
      const { count, sha256 } = expected[name]!;
      expect(result).toHaveLength(count);
      expect(digest(result)).toBe(sha256);
    });

    it('encodes and decodes the small tokenizer’s texts as transformers does', () => {
      const encoded = readJson<{ texts: Piece[] }>('texts.json').texts.map(({ text }) =>
        tokenizer.encode(text),
      );
      expect(digest(encoded)).toBe(ids);
      const result = encoded.map((all, at) => {
        const [from, to] = pieces[at]!;
        const piece = all.slice(from, to);
        return [from, to, tokenizer.decode(piece), tokenizer.decode(piece, { skipSpecialTokens: true })];
      });
      expect(digest(result)).toBe(decoded);
    });
  },
);
