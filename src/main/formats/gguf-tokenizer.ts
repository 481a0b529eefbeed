import { InputError } from '../../shared/errors.ts';
import { inWords } from './files.ts';
import type { GgufFile } from './gguf.ts';

/** A pre-tokenizer of llama.cpp, in the terms of Hugging Face's tokenizers. */
interface PreTokenizer {
  readonly normalizer: object | null;
  readonly steps: readonly object[];
  /** Whether a text begins with the beginning-of-sequence token where the metadata doesn't say. */
  readonly addsBos: boolean;
  /** Whether a word that is itself a token is taken whole. */
  readonly ignoreMerges: boolean;
}

function byteLevel(useRegex: boolean): object {
  return { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: useRegex };
}

function split(pattern: string): object {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
}

/** GPT-4's pattern; Llama 3 takes up to three digits at a time, Qwen 2 one. */
function gpt4Pattern(digits: string): string {
  return (
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" +
    `${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`
  );
}

const plain = { normalizer: null, addsBos: false, ignoreMerges: false };
const preTokenizers: Readonly<Record<string, PreTokenizer>> = {
  'gpt-2': { ...plain, steps: [byteLevel(true)] },
  smollm: { ...plain, steps: [{ type: 'Digits', individual_digits: true }, byteLevel(true)] },
  'llama-bpe': {
    ...plain,
    steps: [split(gpt4Pattern('\\p{N}{1,3}')), byteLevel(false)],
    addsBos: true,
    ignoreMerges: true,
  },
  qwen2: { ...plain, normalizer: { type: 'NFC' }, steps: [split(gpt4Pattern('\\p{N}')), byteLevel(false)] },
};

/** llama.cpp's token types for tokens that are matched in the text before it is split. */
const controlToken = 3;
const userDefinedToken = 4;

/**
 * Hugging Face's `tokenizer.json` for the byte-level BPE tokenizer that a GGUF file carries.
 * @throws InputError if the file carries none, or one of another kind: `tokenizer.json` must then lie beside the file.
 */
export function tokenizerFromGguf(file: GgufFile): Record<string, unknown> {
  const { metadata, path } = file;
  const wrong = (cause: string) =>
    new InputError(`${cause}; put the model's tokenizer.json beside the file`, { file: path });
  const model = metadata['tokenizer.ggml.model'];
  if (model !== 'gpt2')
    throw wrong(`the tokenizer of kind ${inWords(model)} cannot be taken from the metadata`);
  const name = metadata['tokenizer.ggml.pre'];
  if (typeof name !== 'string' || !Object.hasOwn(preTokenizers, name)) {
    throw wrong(`the pre-tokenizer ${inWords(name)} is unknown`);
  }
  const tokens = metadata['tokenizer.ggml.tokens'];
  const types = metadata['tokenizer.ggml.token_type'];
  const merges = metadata['tokenizer.ggml.merges'];
  if (!isTexts(tokens) || !isTexts(merges) || !Array.isArray(types) || types.length !== tokens.length) {
    throw wrong('the tokens, token types or merges are missing from the metadata');
  }
  const { normalizer, steps, addsBos, ignoreMerges } = preTokenizers[name]!;
  const bos = Number(metadata['tokenizer.ggml.bos_token_id']);
  const bosText = tokens[bos];
  const beginsWithBos =
    (metadata['tokenizer.ggml.add_bos_token'] ?? addsBos) === true && bosText !== undefined;
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: tokens
      .map((content, id) => ({
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: types[id] === controlToken,
      }))
      .filter(({ id }) => types[id] === controlToken || types[id] === userDefinedToken),
    normalizer,
    pre_tokenizer: steps.length === 1 ? steps[0] : { type: 'Sequence', pretokenizers: steps },
    post_processor: beginsWithBos ? bosTemplate(bosText, bos) : null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: ignoreMerges,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: merges.map((merge) => merge.split(' ')),
    },
  };
}

function bosTemplate(text: string, id: number): object {
  const bos = { SpecialToken: { id: text, type_id: 0 } };
  const sequence = (name: string, type: number) => ({ Sequence: { id: name, type_id: type } });
  return {
    type: 'TemplateProcessing',
    single: [bos, sequence('A', 0)],
    pair: [bos, sequence('A', 0), { SpecialToken: { id: text, type_id: 1 } }, sequence('B', 1)],
    special_tokens: { [text]: { id: text, ids: [id], tokens: [text] } },
  };
}

/** Hugging Face's `tokenizer_config.json` for a GGUF file: its special tokens by their texts. */
export function tokenizerConfigFromGguf({ metadata }: GgufFile): Record<string, unknown> {
  const tokens = metadata['tokenizer.ggml.tokens'];
  const special = (ggufName: string, name: string) => {
    const id = metadata[`tokenizer.ggml.${ggufName}_token_id`];
    const text = isTexts(tokens) && id !== undefined ? tokens[Number(id)] : undefined;
    return text === undefined ? {} : { [name]: text };
  };
  return {
    ...special('bos', 'bos_token'),
    ...special('eos', 'eos_token'),
    ...special('padding', 'pad_token'),
    ...special('unknown', 'unk_token'),
    tokenizer_class: 'PreTrainedTokenizerFast',
  };
}

/** The chat template that a GGUF file carries, if any. */
export function chatTemplateFromGguf({ metadata }: GgufFile): string | undefined {
  const template = metadata['tokenizer.chat_template'];
  return typeof template === 'string' ? template : undefined;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
