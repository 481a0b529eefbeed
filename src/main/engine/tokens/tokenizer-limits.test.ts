import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../../../shared/errors.ts';
import { loadTokenizer, type Tokenizer } from './tokenizer.ts';

const fixtures = fileURLToPath(new URL('../../../../test/parity/fixtures/tokens/', import.meta.url));
const base = JSON.parse(readFileSync(join(fixtures, 'tokenizer.json'), 'utf8')) as Record<string, unknown>;
const folder = mkdtempSync(join(tmpdir(), 'limits-'));
afterAll(() => rmSync(folder, { recursive: true }));

function load(parts: object): Tokenizer {
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({ ...base, ...parts }));
  writeFileSync(join(folder, 'tokenizer_config.json'), readFileSync(join(fixtures, 'tokenizer_config.json')));
  return loadTokenizer(folder);
}

const replace = (pattern: object, content: string) => ({ type: 'Replace', pattern, content });
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
const sequence = (key: string, parts: object[]) => ({ type: 'Sequence', [key]: parts });

describe('refused when loaded', () => {
  it.each<[string, object, RegExp]>([
    [
      'a piece of no length',
      { pre_tokenizer: { type: 'FixedLength', length: 0 } },
      /FixedLength needs a length/,
    ],
    [
      'a sequence without end',
      { normalizer: sequence('normalizers', Array<object>(100).fill({ type: 'NFC' })) },
      /more than 64 parts/,
    ],
    [
      'a long insertion',
      { normalizer: replace({ String: 'a' }, 'x'.repeat(2000)) },
      /content of 2000 characters/,
    ],
    ['an impossible id', { added_tokens: [{ id: 2 ** 40, content: 'x' }] }, /token "x" has no valid id/],
    ['a token that is none', { added_tokens: [{ id: 1 }] }, /an added token has no content/],
    [
      'repetition behind the text',
      {
        post_processor: {
          type: 'TemplateProcessing',
          single: Array<object>(9).fill({ Sequence: { id: 'A', type_id: 0 } }),
        },
      },
      /repeats the text/,
    ],
  ])('%s', (_, parts, message) => {
    expect(() => load(parts)).toThrow(InputError);
    expect(() => load(parts)).toThrow(message);
  });
});

describe('stopped while it runs', () => {
  it.each<[string, object, string, RegExp]>([
    [
      'a pattern that tries everything',
      { pre_tokenizer: { type: 'Split', pattern: { Regex: '^(a+)+$' }, behavior: 'Isolated' } },
      `${'a'.repeat(50)}!`,
      /tokenizer\.json: the tokenizer fails: it takes too long$/,
    ],
    [
      'bytes of bytes of bytes',
      { pre_tokenizer: sequence('pretokenizers', Array<object>(40).fill(byteLevel)) },
      'é'.repeat(100),
      /makes too much text|takes too long/,
    ],
    [
      'replacements of replacements',
      { normalizer: sequence('normalizers', Array<object>(40).fill(replace({ String: 'a' }, 'aa'))) },
      'aaaa',
      /makes too much text|takes too long/,
    ],
    [
      'words tried letter by letter',
      {
        model: {
          type: 'WordPiece',
          unk_token: '<unk>',
          continuing_subword_prefix: '##',
          max_input_chars_per_word: 1e9,
          vocab: { '<unk>': 0, '<|end|>': 2 },
        },
        pre_tokenizer: null,
      },
      'b'.repeat(20_000),
      /takes too long/,
    ],
  ])('%s', (_, parts, text, message) => {
    const tokenizer = load(parts);
    expect(() => tokenizer.encode(text)).toThrow(InputError);
    expect(() => tokenizer.encode(text)).toThrow(message);
  });
});

it('puts a replacement in as it stands, as the Rust library does', () => {
  const texts = load({ normalizer: replace({ String: 'a' }, '[$&]'), post_processor: null });
  expect(texts.encode('banana')).toEqual(
    load({ normalizer: null, post_processor: null }).encode('b[$&]n[$&]n[$&]'),
  );
});
