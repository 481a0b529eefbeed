// A tokenizer.json comes with a model and may be anything. What makes its parts run endlessly or make endless text is
// refused here when it is loaded, or counted and timed while it runs.
import { runLimited } from './time-limit.ts';

/** The library's parts that are wrapped. */
export interface LimitedParts {
  readonly normalizer: unknown;
  readonly pre_tokenizer: unknown;
  readonly decoder: unknown;
  readonly model: unknown;
}

type Json = Readonly<Record<string, unknown>>;

const mostParts = 64;
/** Characters of a piece of text that a part puts into every place it finds. */
const longestInsertion = 1000;
const longestPattern = 20_000;
/** Characters of all added tokens: each takes a node of a tree. */
const addedCharacters = 1_000_000;

/** The tokenizer.json's record of its vocabulary, tokens and parts. */
interface TokenizerJson extends Json {
  readonly model: Json;
  readonly added_tokens?: readonly unknown[];
}

/**
 * Builds a tokenizer and limits what it may do.
 * @param build makes the library's tokenizer and corrects it
 * @returns runs work on a text of `length` characters with the tokenizer, within the limits
 * @throws Error saying what is refused
 */
export function limitTokenizer(
  json: TokenizerJson,
  build: () => LimitedParts,
): <Result>(length: number, work: () => Result) => Result {
  const usual = checkParts(json);
  checkVocabulary(json);
  const room: Room = { characters: Number.POSITIVE_INFINITY, nodes: Number.POSITIVE_INFINITY };
  if (!usual) room.characters = 1 << 20;
  const parts = usual ? build() : runLimited(build);
  if (!usual) {
    limitNormalizer(parts.normalizer, room);
    limitPreTokenizer(parts.pre_tokenizer, room);
    limitDecoder(parts.decoder, room);
  }
  limitLattice(parts.model, room);
  return (length, work) => {
    room.nodes = 100_000 + 16 * length;
    if (usual) return work();
    room.characters = (1 << 20) + 16 * length;
    return runLimited(work, 500 + length / 200);
  };
}

/** What the work under way may still make. */
interface Room {
  characters: number;
  nodes: number;
}

/** Patterns that are known to take time in proportion to the text: GPT-2's, GPT-4's, and theirs for one digit. */
const knownPatterns = new Set(
  ['\\p{N}{1,3}', '\\p{N}']
    .map(
      (digits) =>
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" +
        `${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
    )
    .concat(
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
      '\\p{N}{1,3}',
      '\\p{N}',
      '\\d{1,3}',
      '\\d',
      '[0-9]',
    ),
);

/** Parts that make a text longer; one of each kind is common, several can multiply. */
const growing = new Set(['Replace', 'Metaspace', 'Prepend', 'BPEDecoder', 'CTC']);

/**
 * Checks the parts' settings.
 * @returns whether they are such that their time and text are bounded by themselves
 * @throws Error for settings that never end, or are larger than any tokenizer's
 */
function checkParts(json: TokenizerJson): boolean {
  let usual = true;
  for (const key of ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder']) {
    const kinds = new Map<string, number>();
    let sequences = 1;
    for (const part of partsOf(json[key])) {
      const type = String(part['type']);
      kinds.set(type, (kinds.get(type) ?? 0) + 1);
      for (const setting of [
        'content',
        'prepend',
        'replacement',
        'str_rep',
        'suffix',
        'prefix',
        'word_delimiter_token',
      ]) {
        const length = textLength(part[setting]);
        if (length > longestInsertion) throw new Error(`${type} has a ${setting} of ${length} characters`);
        usual &&= length <= 16;
      }
      const pattern = part['pattern'];
      if (typeof pattern === 'object' && pattern !== null) {
        const { Regex: regex, String: literal } = pattern as Json;
        const length = Math.max(textLength(regex), textLength(literal));
        if (length > longestPattern) throw new Error(`${type} has a pattern of ${length} characters`);
        usual &&= regex === undefined || knownPatterns.has(regex as string);
      }
      if (type === 'FixedLength') {
        const { length } = part;
        if (!Number.isInteger(length) || (length as number) < 1)
          throw new Error('FixedLength needs a length from 1');
      }
      if ((type === 'BPEDecoder' || type === 'CTC' || type === 'Metaspace') && key === 'decoder') {
        usual &&= textLength(part['suffix'] ?? part['word_delimiter_token'] ?? part['replacement']) > 0;
      }
      if (type === 'TemplateProcessing') sequences *= sequencesOf(part['single']);
    }
    if (sequences > 4) throw new Error('the post-processor repeats the text');
    for (const [kind, count] of kinds) usual &&= count === 1 || !(growing.has(kind) || kind === 'ByteLevel');
  }
  const { model } = json;
  for (const setting of ['end_of_word_suffix', 'continuing_subword_suffix', 'continuing_subword_prefix']) {
    const length = textLength(model[setting]);
    if (length > longestInsertion) throw new Error(`the model has a ${setting} of ${length} characters`);
    usual &&= length <= 16;
  }
  const word = model['max_input_chars_per_word'];
  return usual && (word === undefined || (typeof word === 'number' && word <= 1000));
}

/** All parts of a normalizer, pre-tokenizer, post-processor or decoder, those in sequences too. */
function partsOf(root: unknown): Json[] {
  const found: Json[] = [];
  const waiting: unknown[] = [root];
  for (let part = waiting.pop(); part !== undefined || waiting.length > 0; part = waiting.pop()) {
    if (typeof part !== 'object' || part === null) continue;
    found.push(part as Json);
    if (found.length > mostParts) throw new Error(`it has more than ${mostParts} parts of a kind`);
    for (const key of ['normalizers', 'pretokenizers', 'processors', 'decoders']) {
      const children = (part as Json)[key];
      if (Array.isArray(children)) waiting.push(...children.slice(0, mostParts + 1));
    }
  }
  return found;
}

function sequencesOf(template: unknown): number {
  if (!Array.isArray(template)) return 1;
  if (template.length > mostParts) throw new Error(`the post-processor has ${template.length} pieces`);
  return Math.max(
    1,
    template.filter((piece) => typeof piece === 'object' && piece !== null && 'Sequence' in piece).length,
  );
}

/** @throws Error for ids that are no row of a table, and tokens that would fill the memory */
function checkVocabulary({ model, added_tokens: added = [] }: TokenizerJson): void {
  const { vocab } = model;
  if (typeof vocab === 'object' && vocab !== null && !Array.isArray(vocab)) {
    for (const [token, id] of Object.entries(vocab)) checkId(token, id);
  }
  let characters = 0;
  for (const token of added) {
    const { id, content } = (token ?? {}) as Json;
    if (typeof content !== 'string') throw new Error('an added token has no content');
    checkId(content, id);
    characters += content.length;
  }
  if (characters > addedCharacters) throw new Error(`its added tokens have ${characters} characters`);
}

function checkId(token: string, id: unknown): void {
  if (Number.isInteger(id) && (id as number) >= 0 && (id as number) < 1 << 24) return;
  throw new Error(`token ${JSON.stringify(token.slice(0, 100))} has no valid id`);
}

function textLength(value: unknown): number {
  return typeof value === 'string' ? value.length : 0;
}

function grow(length: number, room: Room): void {
  if (length > room.characters) throw new Error('it makes too much text');
}

/** A part that puts `content` in many places of a text: checks before that the result has room. */
function foresee(part: Part, lengths: number, texts: readonly string[], room: Room): void {
  const insertion = Math.max(
    ...['content', 'str_rep', 'suffix', 'word_delimiter_token'].map((key) =>
      Math.max(textLength(part.config?.[key]), textLength((part as unknown as Json)[key])),
    ),
  );
  if (insertion < 2 || (lengths + texts.length) * insertion <= room.characters) return;
  const pattern = part.pattern ?? (part.str_rep === undefined ? undefined : / /g);
  let places = 0;
  for (const text of texts) {
    if (!(pattern instanceof RegExp)) places += text.length + 1;
    else for (const match of text.matchAll(pattern)) places += match.length > 0 ? 1 : 0;
    grow(places * insertion, room);
  }
}

/** A part as the library holds it; which of these it has tells its kind. */
interface Part {
  readonly config?: Json;
  readonly pattern?: unknown;
  readonly str_rep?: string;
  readonly normalizers?: readonly unknown[];
  readonly tokenizers?: readonly unknown[];
  readonly decoders?: readonly unknown[];
  normalize?(text: string): string;
  pre_tokenize?(text: string | string[], options: unknown): string[];
  decode_chain?(tokens: string[]): string[];
}

function total(texts: readonly string[]): number {
  let sum = 0;
  for (const text of texts) sum += text.length;
  return sum;
}

// The library's parts are callable objects: functions.
function isPart(value: unknown): value is Part {
  return typeof value === 'function';
}

function limitNormalizer(part: unknown, room: Room): void {
  if (!isPart(part)) return;
  part.normalizers?.forEach((each) => {
    limitNormalizer(each, room);
  });
  const own = part.normalize?.bind(part);
  if (own === undefined || part.normalizers !== undefined) return;
  part.normalize = (text) => {
    foresee(part, text.length, [text], room);
    const result = own(text);
    grow(result.length, room);
    return result;
  };
}

function limitPreTokenizer(part: unknown, room: Room): void {
  if (!isPart(part)) return;
  part.tokenizers?.forEach((each) => {
    limitPreTokenizer(each, room);
  });
  const own = part.pre_tokenize?.bind(part);
  if (own === undefined || part.tokenizers !== undefined) return;
  part.pre_tokenize = (text, options) => {
    const texts = typeof text === 'string' ? [text] : text;
    foresee(part, total(texts), texts, room);
    const result = own(text, options);
    grow(total(result), room);
    return result;
  };
}

function limitDecoder(part: unknown, room: Room): void {
  if (!isPart(part)) return;
  part.decoders?.forEach((each) => {
    limitDecoder(each, room);
  });
  const own = part.decode_chain?.bind(part);
  if (own === undefined || part.decoders !== undefined) return;
  part.decode_chain = (tokens) => {
    foresee(part, total(tokens), tokens, room);
    const result = own(tokens);
    grow(total(result), room);
    return result;
  };
}

/** A unigram model makes a node for every token that fits at a place of the text. */
function limitLattice(model: unknown, room: Room): void {
  const { trie } = model as { trie?: { common_prefix_search?(text: string): Iterable<string> } };
  const own = trie?.common_prefix_search?.bind(trie);
  if (trie === undefined || own === undefined) return;
  trie.common_prefix_search = function* (text) {
    for (const token of own(text)) {
      room.nodes -= 1;
      if (room.nodes < 0) throw new Error('too many of its tokens fit');
      yield token;
    }
  };
}
