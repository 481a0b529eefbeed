import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer as TokenizersLibrary } from '@huggingface/tokenizers';
import { InputError } from '../../../shared/errors.ts';
import { readSmallFile } from '../../formats/files.ts';
import { correctDecoder, correctPreTokenizer, correctReplacements } from './library-corrections.ts';
import { limitTokenizer, type LimitedParts } from './tokenizer-limits.ts';
import { TokenStream } from './token-stream.ts';

/** A model's tokenizer; ids equal those of transformers' `tokenizer(text)` for the same tokenizer.json. */
export interface Tokenizer {
  /** The folder it was read from, for error messages. */
  readonly folder: string;
  readonly eosToken: string;
  readonly eosTokenId: number;
  readonly bosToken?: string;
  readonly bosTokenId?: number;
  readonly padToken?: string;
  readonly padTokenId?: number;
  /** `bos_token`, `eos_token`, … by name, as chat templates see them. */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** The default chat template's Jinja source. */
  readonly chatTemplate?: string;
  /** Ids of a text. Special tokens written in the text are recognised; those of the post-processor are added unless told. */
  encode(text: string, options?: { readonly addSpecialTokens?: boolean }): number[];
  /** The text of ids; bytes that are not valid UTF-8 become U+FFFD. */
  decode(ids: ArrayLike<number>, options?: { readonly skipSpecialTokens?: boolean }): string;
  /** Decodes ids as they are generated, giving out only complete characters. */
  decodeStream(options?: { readonly skipSpecialTokens?: boolean }): TokenStream;
}

/** Names of the special tokens that transformers knows (`SPECIAL_TOKENS_ATTRIBUTES`). */
const specialTokenNames = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
];

/** What is used of the library; its own type declarations do not resolve under NodeNext. */
interface Implementation extends LimitedParts {
  encode(text: string, options: { add_special_tokens: boolean }): { readonly ids: number[] };
  decode(
    ids: number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
  ): string;
  token_to_id(token: string): number | undefined;
}

interface AddedTokenRecord {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly [option: string]: unknown;
}

interface TokenizerJson {
  readonly model: { readonly type?: string; readonly vocab?: Record<string, number> | [string, number][] };
  readonly added_tokens?: AddedTokenRecord[];
  readonly [part: string]: unknown;
}

type Config = Record<string, unknown>;

/**
 * Loads a tokenizer from a model folder's tokenizer.json and tokenizer_config.json (with special_tokens_map.json and
 * chat_template.jinja where present), as transformers 5 does: the post-processor of tokenizer.json alone decides what is
 * added to a text (`add_bos_token` is ignored), and special tokens that only the configuration names are added.
 *
 * @throws InputError where a file is missing or broken, or no end-of-sequence token is named.
 */
export function loadTokenizer(folder: string): Tokenizer {
  const file = join(folder, 'tokenizer.json');
  const tokenizerJson = readJson(file) as unknown as TokenizerJson;
  const config = readConfig(folder);
  const specialTokens = namedSpecialTokens(config);
  const eosToken = specialTokens['eos_token'];
  if (eosToken === undefined || eosToken === '') {
    throw new InputError('names no eos_token', { file: join(folder, 'tokenizer_config.json') });
  }
  if (typeof tokenizerJson.model !== 'object' || tokenizerJson.model === null) {
    throw new InputError('is not a tokenizer: it has no "model"', { file });
  }
  let implementation: Implementation;
  let guarded: <Result>(length: number, work: () => Result) => Result;
  try {
    const complete = withConfiguredTokens(tokenizerJson, specialTokens, extraSpecialTokens(config));
    // Of the configuration the library would also follow settings that transformers keeps for Python-only tokenizers.
    guarded = limitTokenizer(complete, () => {
      implementation = new TokenizersLibrary(complete, {
        ...specialTokens,
        clean_up_tokenization_spaces: false,
      });
      correctPreTokenizer(implementation.pre_tokenizer);
      correctDecoder(implementation.decoder);
      for (const part of [implementation.normalizer, implementation.pre_tokenizer, implementation.decoder])
        correctReplacements(part);
      return implementation;
    });
  } catch (error) {
    throw new InputError(`cannot be used as a tokenizer: ${String((error as Error).message)}`, { file });
  }
  const bounded = <Result>(length: number, work: () => Result): Result => {
    try {
      return guarded(length, work);
    } catch (error) {
      throw new InputError(`the tokenizer fails: ${String((error as Error).message)}`, { file });
    }
  };
  const idOf = (name: string): number | undefined => {
    const token = specialTokens[name];
    return token === undefined ? undefined : implementation.token_to_id(token);
  };
  const chatTemplate = readChatTemplate(folder, config);
  const cleanUp = config['clean_up_tokenization_spaces'] === true && tokenizerJson.model.type !== 'BPE';
  const decode: Tokenizer['decode'] = (ids, options) =>
    // The library refuses an empty list.
    ids.length === 0
      ? ''
      : bounded(16 * ids.length, () =>
          implementation.decode(Array.from(ids), {
            skip_special_tokens: options?.skipSpecialTokens ?? false,
            clean_up_tokenization_spaces: cleanUp,
          }),
        );
  return {
    folder,
    eosToken,
    eosTokenId: idOf('eos_token')!,
    ...optional('bosToken', specialTokens['bos_token']),
    ...optional('bosTokenId', idOf('bos_token')),
    ...optional('padToken', specialTokens['pad_token']),
    ...optional('padTokenId', idOf('pad_token')),
    specialTokens,
    ...optional('chatTemplate', chatTemplate),
    encode(text, options) {
      return bounded(text.length, () => {
        const { ids } = implementation.encode(text, {
          add_special_tokens: options?.addSpecialTokens ?? true,
        });
        if ((ids as unknown[]).includes(undefined)) throw new Error('its vocabulary lacks a token it makes');
        return ids;
      });
    },
    decode,
    decodeStream: (options) => new TokenStream((ids) => decode(ids, options)),
  };
}

function optional<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): Partial<Record<Name, Value>> {
  return value === undefined ? {} : ({ [name]: value } as Record<Name, Value>);
}

function readJson(file: string): Config {
  const text = readSmallFile(file).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(`broken JSON: ${(error as Error).message.replace(/\s+/g, ' ')}`, { file });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InputError('must hold a JSON object', { file });
  }
  return value as Config;
}

/** tokenizer_config.json, over it (as transformers merges them) special_tokens_map.json where the former is of the old form. */
function readConfig(folder: string): Config {
  const config = readJson(join(folder, 'tokenizer_config.json'));
  const mapFile = join(folder, 'special_tokens_map.json');
  if ('added_tokens_decoder' in config || !existsSync(mapFile)) return config;
  return { ...config, ...readJson(mapFile) };
}

/** A token in a configuration is text or an object with `content`. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}

function namedSpecialTokens(config: Config): Record<string, string> {
  const named: Record<string, string> = {};
  for (const name of specialTokenNames) {
    const token = tokenText(config[name]);
    if (token !== undefined) named[name] = token;
  }
  return named;
}

function extraSpecialTokens(config: Config): string[] {
  const extra = config['extra_special_tokens'] ?? config['additional_special_tokens'] ?? [];
  return Object.values(extra as object)
    .map(tokenText)
    .filter((token) => token !== undefined);
}

/** Adds the special tokens that only the configuration names: under their id in the vocabulary, or a new one. */
function withConfiguredTokens(
  tokenizerJson: TokenizerJson,
  named: Readonly<Record<string, string>>,
  extra: readonly string[],
): TokenizerJson {
  const vocabulary = tokenizerJson.model.vocab ?? {};
  const ids = new Map(
    Array.isArray(vocabulary) ? vocabulary.map(([token], id) => [token, id]) : Object.entries(vocabulary),
  );
  const added = [...(tokenizerJson.added_tokens ?? [])];
  const known = new Set(added.map(({ content }) => content));
  let next = added.reduce((most, { id }) => Math.max(most, id + 1), 0);
  for (const id of ids.values()) next = Math.max(next, id + 1);
  for (const content of new Set([...Object.values(named), ...extra])) {
    if (content === '' || known.has(content)) continue;
    added.push({ id: ids.get(content) ?? next++, content, special: true, normalized: false });
  }
  return {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...tokenizerJson,
    added_tokens: added,
  };
}

/** chat_template.jinja, else `chat_template` of the configuration: one template, or the one named "default". */
function readChatTemplate(folder: string, config: Config): string | undefined {
  const file = join(folder, 'chat_template.jinja');
  if (existsSync(file)) return readSmallFile(file).toString('utf8');
  const template = config['chat_template'];
  if (typeof template === 'string') return template;
  if (!Array.isArray(template)) return undefined;
  const named = template as { name?: unknown; template?: unknown }[];
  const chosen = named.find(({ name }) => name === 'default')?.template;
  return typeof chosen === 'string' ? chosen : undefined;
}
