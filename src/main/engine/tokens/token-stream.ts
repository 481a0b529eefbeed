/**
 * Turns ids into text one at a time. A character whose bytes are spread over several tokens comes out with its last one.
 * The texts given out, joined, are the text of all ids decoded at once. (One exception: tokenizers with byte fallback spoil
 * a whole run of bytes for one broken byte in it, when its beginning may have been given out.)
 */
export class TokenStream {
  readonly #decode: (ids: readonly number[]) => string;
  /** The ids last given out as text, since decoders treat a text's first token in their own way. */
  #context: number[] = [];
  #waiting: number[] = [];

  /** `decode` gives the text of ids, with U+FFFD for bytes that make no character. */
  constructor(decode: (ids: readonly number[]) => string) {
    this.#decode = decode;
  }

  /** Takes the next id; returns the text that is complete now, often empty. */
  push(id: number): string {
    this.#waiting.push(id);
    const text = this.#waitingText();
    // U+FFFD at the end is a character not complete yet, or broken for good: the next token tells.
    return text.endsWith('\ufffd') ? '' : this.#giveOut(text);
  }

  /** The text still held back, when no further id will come. */
  end(): string {
    return this.#waiting.length === 0 ? '' : this.#giveOut(this.#waitingText());
  }

  #waitingText(): string {
    return this.#decode([...this.#context, ...this.#waiting]).slice(this.#decode(this.#context).length);
  }

  #giveOut(text: string): string {
    // After ids without text (special tokens left out, a leading space) the next token would look like the first.
    this.#context = text === '' ? [...this.#context, ...this.#waiting] : this.#waiting;
    this.#waiting = [];
    return text;
  }
}
