import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadTokenizer } from '../../../src/main/engine/tokens/tokenizer.ts';
import type { Mutator } from '../mutate.ts';
import type { Target } from '../target.ts';
import { fixtureJson } from './support.ts';

type Json = Record<string, unknown>;
const config = fixtureJson('tokens/tokenizer_config.json') as Json;
const bases = ['', 'byte-fallback/', 'split-pattern/'].map(
  (folder) =>
    [fixtureJson(`tokens/${folder}tokenizer.json`), fixtureJson(`tokens/${folder}tokenizer_config.json`)] as [
      Json,
      Json,
    ],
);

const patterns = [
  '(a+)+$',
  '(a|a)*b',
  '(?:a*)*b',
  '(a|aa)+$',
  '([a-zA-Z]+)*\\d',
  '(.*)*x',
  '(?=(a+))a*b',
  '\\1(a)',
  'a{1000}{1000}',
  '(a{1,100}){1,100}b',
  '\\s+(?!\\S)',
  '[[a-z]&&[^a]]',
  '\\p{L}+',
  '(?i:a)',
  '[',
  '(',
  '*',
  '',
  '(?<=a+)b',
  'a{2147483648}',
  '\\p{Nope}',
  '[[[[[a]]]]]',
  '^',
  '$',
  '(?>a+)b',
  'é|ß',
  'a*a*a*a*a*a*a*b',
];
const pattern = (mutator: Mutator): Json =>
  mutator.chance(0.8)
    ? { Regex: mutator.pick(patterns) }
    : { String: mutator.pick([' ', '', 'a', '.*', '\ud800']) };
const content = (mutator: Mutator): unknown =>
  mutator.pick(['', ' ', 'a', 'aa', '▁', '$&$&', '$`', "$'", 'a'.repeat(900), 'a'.repeat(2000), 7, null]);

function normalizer(mutator: Mutator): Json {
  const type = mutator.pick([
    'NFC',
    'NFKC',
    'Lowercase',
    'Strip',
    'StripAccents',
    'Replace',
    'Replace',
    'Prepend',
    'BertNormalizer',
    'Precompiled',
    'Nope',
  ]);
  return {
    type,
    pattern: pattern(mutator),
    content: content(mutator),
    prepend: content(mutator),
    strip_left: true,
    strip_right: mutator.chance(0.5),
    clean_text: true,
    handle_chinese_chars: true,
    lowercase: true,
  };
}
function preTokenizer(mutator: Mutator): Json {
  const type = mutator.pick([
    'ByteLevel',
    'ByteLevel',
    'Split',
    'Split',
    'Metaspace',
    'Digits',
    'Punctuation',
    'Whitespace',
    'FixedLength',
    'Replace',
    'BertPreTokenizer',
  ]);
  return {
    type,
    pattern: pattern(mutator),
    content: content(mutator),
    replacement: content(mutator),
    str_rep: mutator.chance(0.3) ? content(mutator) : undefined,
    length: mutator.pick([0, -1, 1, 5, 1e9, null, 0.5, 'a']),
    behavior: mutator.pick(['Isolated', 'Removed', 'MergedWithNext']),
    invert: mutator.chance(0.3),
    add_prefix_space: mutator.chance(0.5),
    use_regex: mutator.chance(0.5),
    individual_digits: mutator.chance(0.5),
    prepend_scheme: mutator.pick(['always', 'first', 'never']),
  };
}
function decoder(mutator: Mutator): Json {
  const type = mutator.pick([
    'ByteLevel',
    'Replace',
    'Replace',
    'Strip',
    'Fuse',
    'ByteFallback',
    'BPEDecoder',
    'CTC',
    'WordPiece',
    'Metaspace',
  ]);
  return {
    type,
    pattern: pattern(mutator),
    content: content(mutator),
    start: mutator.number(),
    stop: mutator.number(),
    suffix: content(mutator),
    prefix: content(mutator),
    cleanup: mutator.chance(0.5),
    word_delimiter_token: content(mutator),
    replacement: content(mutator),
  };
}
function postProcessor(mutator: Mutator): Json {
  const piece = (): Json =>
    mutator.pick<Json>([
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: mutator.text(), type_id: 0 } },
      { Sequence: { id: 'B' } },
      {},
    ]);
  const pieces = Array.from({ length: mutator.pick([0, 1, 2, 3, 100]) }, piece);
  return {
    type: mutator.pick([
      'TemplateProcessing',
      'TemplateProcessing',
      'ByteLevel',
      'BertProcessing',
      'RobertaProcessing',
    ]),
    single: pieces,
    pair: pieces,
    cls: ['a', 1],
    sep: ['b', 2],
  };
}
/** One part, or many in a sequence, nested at times. */
function some(mutator: Mutator, key: string, make: (mutator: Mutator) => Json): unknown {
  if (mutator.chance(0.1)) return null;
  if (mutator.chance(0.5)) return make(mutator);
  const parts: unknown[] = Array.from({ length: mutator.pick([0, 1, 2, 3, 30, 60, 100]) }, () =>
    make(mutator),
  );
  if (mutator.chance(0.3) && parts.length > 0) parts.fill(parts[0]);
  let sequence: unknown = { type: 'Sequence', [key]: parts };
  for (let depth = mutator.pick([0, 0, 0, 1, 50, 400]); depth > 0; depth--)
    sequence = { type: 'Sequence', [key]: [sequence] };
  return sequence;
}

const vocabularies: Json[] = [
  {
    type: 'Unigram',
    unk_id: 0,
    vocab: [
      ['<unk>', 0],
      ['a', -1],
      ['aa', -2],
      ['▁', -3],
      ['b', -1.5],
    ],
  },
  {
    type: 'Unigram',
    unk_id: 0,
    vocab: [['<unk>', 0], ...Array.from({ length: 500 }, (_, length) => ['a'.repeat(length + 1), -length])],
  },
  {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: { '[UNK]': 0, a: 1, '##a': 2 },
  },
  {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 1e9,
    vocab: { '[UNK]': 0, b: 1, '##a': 2 },
  },
  {
    type: 'BPE',
    unk_token: 'u',
    end_of_word_suffix: 'a'.repeat(900),
    vocab: { u: 0, a: 1, aa: 2 },
    merges: ['a a'],
  },
  {
    type: 'BPE',
    vocab: { a: 0, aa: 1, aaa: 2 },
    merges: [
      ['a', 'a'],
      ['aa', 'a'],
    ],
    byte_fallback: true,
    ignore_merges: true,
    fuse_unk: true,
  },
];

const inputs = [
  'Hello, world! 12345  it’s\n\n<|end|>naïve ',
  'a'.repeat(3000),
  `${'a'.repeat(40)}!`,
  `${' '.repeat(2000)}x`,
  '\ud800 \udc00 😀 \ufeff',
  'é'.repeat(500),
  '',
];

export const tokenizer: Target = {
  name: 'tokenizer',
  prepare(mutator, folder) {
    const [json, given] = structuredClone(mutator.pick(bases));
    let settings = given;
    if (mutator.chance(0.4)) json['normalizer'] = some(mutator, 'normalizers', normalizer);
    if (mutator.chance(0.4)) json['pre_tokenizer'] = some(mutator, 'pretokenizers', preTokenizer);
    if (mutator.chance(0.3)) json['decoder'] = some(mutator, 'decoders', decoder);
    if (mutator.chance(0.2)) json['post_processor'] = some(mutator, 'processors', postProcessor);
    if (mutator.chance(0.25)) json['model'] = structuredClone(mutator.pick(vocabularies));
    if (mutator.chance(0.1)) {
      const longs = Array.from({ length: 100 }, (_, id) => ({
        id: 1000 + id,
        content: 'a'.repeat(20 * id + 1),
        special: mutator.chance(0.5),
        normalized: mutator.chance(0.5),
      }));
      json['added_tokens'] = longs;
    }
    if (mutator.chance(0.3))
      settings = {
        ...config,
        ...settings,
        eos_token: mutator.pick<unknown>(['<|end|>', '', 'a', null, { content: 'x' }, mutator.text()]),
      };
    const special = [...patterns, { Regex: '(a+)+$' }, 2 ** 31, 1e15, -1, '<|end|>'];
    const text = mutator.chance(0.5) ? mutator.json(json, special) : JSON.stringify(json);
    writeFileSync(
      join(folder, 'tokenizer.json'),
      mutator.chance(0.1) ? mutator.bytes(Buffer.from(text)) : text,
    );
    writeFileSync(
      join(folder, 'tokenizer_config.json'),
      mutator.chance(0.15) ? mutator.json(settings, special) : JSON.stringify(settings),
    );
    return () => {
      const loaded = loadTokenizer(folder);
      // One text each: the limit is a text's.
      const ids = loaded.encode(mutator.pick(inputs));
      loaded.decode(ids.slice(0, 500));
    };
  },
};
