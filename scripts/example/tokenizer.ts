/** The example's special tokens: one that ends every answer (and stands for "beginning" too), one that pads. */
export const endToken = '<|endoftext|>';
export const padToken = '<|pad|>';

/** What `makeTokenizer` makes: the two files' contents, and what config.json needs to know of them. */
export interface ExampleTokenizer {
  readonly tokenizer: object;
  readonly config: object;
  readonly vocabularySize: number;
  readonly endId: number;
  readonly padId: number;
}

/**
 * GPT-2's byte alphabet: printable bytes stand for themselves, the rest are moved up beyond 255
 * (openai/gpt-2 `encoder.py`, `bytes_to_unicode`). Index: byte; value: its character.
 */
function byteAlphabet(): readonly string[] {
  let moved = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
    return String.fromCharCode(printable ? byte : 256 + moved++);
  });
}

/** GPT-2's split into words, each with the space before it; numbers are cut out before it is applied. */
const wordPattern = /'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** Beyond the largest result a problem has. */
const largestNumber = 150;

/**
 * A byte-level tokenizer whose vocabulary is the 256 bytes, every whole word of `texts` and the
 * numbers to 150: a number the example can reach is one token, so that a tiny model learns sums as facts. There are no merges (`ignore_merges` takes whole words from the vocabulary, as Llama 3's does): a word
 * of the example is one token, any other text falls into its bytes, and decoding gives back every text exactly.
 */
export function makeTokenizer(texts: readonly string[]): ExampleTokenizer {
  const alphabet = byteAlphabet();
  const bytes = new TextEncoder();
  const words = new Set<string>();
  for (const text of texts) {
    for (const piece of text.split(/\p{N}+/u)) {
      for (const [word] of piece.matchAll(wordPattern)) {
        words.add(Array.from(bytes.encode(word), (byte) => alphabet[byte]!).join(''));
      }
    }
  }
  for (let whole = 10; whole <= largestNumber; whole++) words.add(String(whole));
  for (const character of alphabet) words.delete(character);
  const tokens = [endToken, padToken, ...alphabet, ...[...words].sort()];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const special = (content: string) => ({
    id: vocab[content],
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [special(endToken), special(padToken)],
      normalizer: null,
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [{ type: 'Digits', individual_digits: false }, byteLevel],
      },
      post_processor: null,
      decoder: byteLevel,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: true,
        vocab,
        merges: [],
      },
    },
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: endToken,
      eos_token: endToken,
      pad_token: padToken,
      model_max_length: 128,
      clean_up_tokenization_spaces: false,
      chat_template: chatTemplate,
    },
    vocabularySize: tokens.length,
    endId: vocab[endToken]!,
    padId: vocab[padToken]!,
  };
}

/** A question and its answer as the training texts have them: the question, a newline, the answer, the end. */
const chatTemplate =
  "{% for message in messages %}{% if message['role'] == 'assistant' %}" +
  "{{ message['content'] + '" +
  endToken +
  "' }}{% else %}{{ message['content'] + '\\n' }}{% endif %}{% endfor %}";
