import { hash } from 'node:crypto';

/** First 64 bits of a text's SHA-256, as two numbers: among a million texts two agree by chance in one of 4·10⁷ files. */
export type TextHash = readonly [high: number, low: number];

export function textHash(text: string): TextHash {
  const bytes = hash('sha256', text, 'buffer');
  return [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
}

/** Which row had a text first, by the text's hash; some 20 bytes a text (open addressing, at most half full). */
export class HashIndex {
  #high = new Uint32Array(1 << 12);
  #low = new Uint32Array(1 << 12);
  /** Row + 1; 0 where a place is free. */
  #rows = new Uint32Array(1 << 12);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The row that had this text first; undefined where none had. */
  find(text: TextHash): number | undefined {
    const row = this.#rows[this.#place(text)]!;
    return row === 0 ? undefined : row - 1;
  }

  /** As `find`, and remembers `row` where none had the text. */
  findOrAdd(text: TextHash, row: number): number | undefined {
    const place = this.#place(text);
    const known = this.#rows[place]!;
    if (known !== 0) return known - 1;
    [this.#high[place], this.#low[place]] = text;
    this.#rows[place] = row + 1;
    this.#size += 1;
    if (2 * this.#size > this.#rows.length) this.#grow();
    return undefined;
  }

  #place([high, low]: TextHash): number {
    const mask = this.#rows.length - 1;
    let place = low & mask;
    while (this.#rows[place] !== 0 && (this.#high[place] !== high || this.#low[place] !== low))
      place = (place + 1) & mask;
    return place;
  }

  #grow(): void {
    const [high, low, rows] = [this.#high, this.#low, this.#rows];
    this.#high = new Uint32Array(2 * rows.length);
    this.#low = new Uint32Array(2 * rows.length);
    this.#rows = new Uint32Array(2 * rows.length);
    for (let at = 0; at < rows.length; at += 1) {
      if (rows[at] === 0) continue;
      const place = this.#place([high[at]!, low[at]!]);
      this.#high[place] = high[at]!;
      this.#low[place] = low[at]!;
      this.#rows[place] = rows[at]!;
    }
  }
}

/** Whole numbers below 2³², four bytes each. */
export class NumberList {
  #numbers = new Uint32Array(1 << 10);
  #length = 0;

  push(number: number): void {
    if (this.#length === this.#numbers.length) {
      const more = new Uint32Array(2 * this.#length);
      more.set(this.#numbers);
      this.#numbers = more;
    }
    this.#numbers[this.#length] = number;
    this.#length += 1;
  }

  /** In the order in which they came; a view, until the next `push`. */
  get values(): Uint32Array {
    return this.#numbers.subarray(0, this.#length);
  }
}
