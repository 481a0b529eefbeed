// Where @huggingface/tokenizers 0.2.0 departs from the Rust library that transformers uses, found by comparing the two on
// random texts. The functions change a part of the library's tokenizer in place; parts they do not know stay as they are.

/**
 * JavaScript's `\s` has U+FEFF and lacks U+0085; the Rust tokenizers' has it the other way round. The library's byte-level
 * pattern uses JavaScript's, so texts with these characters would be cut differently. (Letters newer than the Rust
 * library's Unicode tables still are.)
 */
export function correctPreTokenizer(preTokenizer: unknown): void {
  // The library's parts are callable.
  if (typeof preTokenizer !== 'function') return;
  // A sequence of pre-tokenizers holds its parts; a byte-level one is told by its table of bytes.
  const { tokenizers = [] } = preTokenizer as unknown as { tokenizers?: readonly unknown[] };
  for (const part of tokenizers) correctPreTokenizer(part);
  if (!('byte_encoder' in preTokenizer)) return;
  const space = '\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
  const words = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+";
  const pattern = `${words}| ?[^${space}\\p{L}\\p{N}]+|[${space}]+(?![^${space}])|[${space}]+`;
  (preTokenizer as unknown as { pattern: RegExp }).pattern = new RegExp(pattern, 'gu');
}

/**
 * Bytes that are tokens of their own (`<0xE2>`): where a run of them is not valid UTF-8, the Rust library gives one U+FFFD
 * for each byte of the run, and it keeps U+FEFF.
 */
export function correctDecoder(decoder: unknown): void {
  if (typeof decoder !== 'function') return;
  const { decoders = [], config } = decoder as unknown as {
    decoders?: readonly unknown[];
    config?: { type?: string };
  };
  for (const part of decoders) correctDecoder(part);
  if (config?.type === 'ByteFallback') Object.assign(decoder, { decode_chain: decodeByteTokens });
}

function decodeByteTokens(tokens: readonly string[]): string[] {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const result: string[] = [];
  let run: number[] = [];
  const endRun = (): void => {
    if (run.length === 0) return;
    try {
      result.push(utf8.decode(Uint8Array.from(run)));
    } catch {
      result.push('\ufffd'.repeat(run.length));
    }
    run = [];
  };
  for (const token of tokens) {
    const hexadecimal = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    if (hexadecimal === undefined) {
      endRun();
      result.push(token);
    } else {
      run.push(Number.parseInt(hexadecimal, 16));
    }
  }
  endRun();
  return result;
}

/**
 * What replaces a pattern is put in as it stands: JavaScript would read `$&` and its like in it. Takes a normalizer, a
 * pre-tokenizer or a decoder.
 */
export function correctReplacements(part: unknown): void {
  if (typeof part !== 'function') return;
  const {
    normalizers = [],
    tokenizers = [],
    decoders = [],
    config,
    pattern,
  } = part as unknown as {
    normalizers?: readonly unknown[];
    tokenizers?: readonly unknown[];
    decoders?: readonly unknown[];
    config?: { type?: string; content?: unknown };
    pattern?: unknown;
  };
  for (const each of [...normalizers, ...tokenizers, ...decoders]) correctReplacements(each);
  if (config?.type !== 'Replace' || !(pattern instanceof RegExp)) return;
  const content = typeof config.content === 'string' ? config.content : '';
  const replaced = (text: string): string => text.replaceAll(pattern, () => content);
  if ('decode_chain' in part)
    Object.assign(part, { decode_chain: (tokens: string[]) => tokens.map(replaced) });
  else if ('pre_tokenize_text' in part)
    Object.assign(part, { pre_tokenize_text: (text: string) => [replaced(text)] });
  else Object.assign(part, { normalize: replaced });
}
