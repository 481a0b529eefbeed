import { Random } from '../../src/main/engine/train/random.ts';

/** Sizes and numbers at which readers go wrong. */
const numbers = [
  0,
  -0,
  1,
  -1,
  2,
  3,
  7,
  127,
  128,
  255,
  256,
  65535,
  65536,
  1e6,
  1e9,
  2147483647,
  2147483648,
  4294967295,
  2 ** 53,
  2 ** 53 + 2,
  1e20,
  1e308,
  -1e9,
  0.5,
  1e-9,
];
const texts = [
  '',
  ' ',
  '\0',
  '\ud800',
  'a\udc00b',
  '\ufeff',
  '\u202e',
  '../../../escape',
  '/escape.safetensors',
  '..\\..\\escape',
  'C:\\escape',
  '__proto__',
  'constructor',
  'toString',
  'length',
  '\u001b[31m',
  'line\nline',
  'NaN',
  '%s%n',
  'x'.repeat(5000),
  'é'.repeat(700),
];

/** Makes broken inputs of good ones; everything it does follows from its seed. */
export class Mutator {
  readonly random: Random;

  constructor(seed: number, purpose: string) {
    this.random = new Random(seed, purpose);
  }

  chance(share: number): boolean {
    return this.random.uniform() < share;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.random.below(items.length)]!;
  }

  number(): number {
    return this.chance(0.7) ? this.pick(numbers) : this.random.next() - 2 ** 31;
  }

  text(): string {
    return this.pick(texts);
  }

  /** Changes bytes anywhere, up to a few times: flips, cuts, splices, repeats, numbers in place of lengths. */
  bytes(source: Uint8Array, others: readonly Uint8Array[] = []): Buffer {
    let result: Buffer = Buffer.from(source);
    for (let left = 1 + this.random.below(4); left > 0; left--) result = this.#changeBytes(result, others);
    return result;
  }

  #changeBytes(bytes: Buffer, others: readonly Uint8Array[]): Buffer {
    const at = this.random.below(bytes.length + 1);
    // Headers stand first: half of all changes go there.
    const near = this.random.below(Math.min(bytes.length, 400) + 1);
    const place = this.chance(0.5) ? near : at;
    switch (this.random.below(9)) {
      case 0:
        return bytes.subarray(0, at);
      case 1:
        if (place < bytes.length) bytes[place]! ^= 1 << this.random.below(8);
        return bytes;
      case 2:
        if (place < bytes.length) bytes[place] = this.random.below(256);
        return bytes;
      case 3:
        if (place + 8 <= bytes.length) {
          const value = BigInt(Math.trunc(this.number()));
          bytes.writeBigUInt64LE(BigInt.asUintN(64, this.chance(0.1) ? -1n : value), place);
        }
        return bytes;
      case 4:
        if (place + 4 <= bytes.length) bytes.writeUInt32LE(Math.trunc(this.number()) >>> 0, place);
        return bytes;
      case 5: {
        const end = Math.min(bytes.length, place + this.random.below(64));
        return Buffer.concat([bytes.subarray(0, place), bytes.subarray(end)]);
      }
      case 6: {
        const part = bytes.subarray(place, place + this.random.below(200));
        const times = 1 + this.random.below(20);
        return Buffer.concat([
          bytes.subarray(0, place),
          ...Array<Buffer>(times).fill(part),
          bytes.subarray(place),
        ]);
      }
      case 7: {
        const other = others.length === 0 ? bytes : Buffer.from(this.pick(others));
        return Buffer.concat([bytes.subarray(0, at), other.subarray(this.random.below(other.length + 1))]);
      }
      default: {
        const inserted = Buffer.from(
          this.pick([this.text(), '\xff\xfe', '[['.repeat(3000), '{"a":'.repeat(3000)]),
          'latin1',
        );
        return Buffer.concat([bytes.subarray(0, place), inserted, bytes.subarray(place)]);
      }
    }
  }

  /**
   * A copy of a JSON value with a few of its parts changed, as text: other kinds, huge numbers, odd texts, missing and
   * repeated keys, deep nesting.
   * @param special values that mean something to the reader at hand
   */
  json(source: unknown, special: readonly unknown[] = []): string {
    const root = { value: structuredClone(source) };
    for (let left = 1 + this.random.below(3); left > 0; left--) this.#changeValue(root, special);
    let text = JSON.stringify(root.value);
    if (this.chance(0.05)) text = text.replace(/("[^"]{1,40}"):/, (key) => `${key}null,${key}`);
    if (this.chance(0.03)) text = text.replace(/:\d+/, (number) => `${number}${'0'.repeat(400)}`);
    if (this.chance(0.03)) {
      const depth = this.pick([50, 1000, 100_000]);
      text = text.replace(/:(null|true|false|\d+|"[^"]*")/, `:${'['.repeat(depth)}${']'.repeat(depth)}`);
    }
    // Lists of lists of long texts: what is tried is not how much a disk holds.
    return text.slice(0, 2_000_000);
  }

  #changeValue(root: object, special: readonly unknown[]): void {
    // Down a random way, to any depth.
    let parent = root as Record<string, unknown>;
    let key = 'value';
    for (;;) {
      const value = parent[key];
      if (typeof value !== 'object' || value === null || (key !== 'value' && this.chance(0.25))) break;
      const keys = Object.keys(value);
      if (keys.length === 0) break;
      parent = value as Record<string, unknown>;
      key = this.pick(keys);
    }
    const value = parent[key];
    switch (this.random.below(9)) {
      case 0:
        if (key !== 'value') Reflect.deleteProperty(parent, key);
        break;
      case 1:
        parent[key] = this.number();
        break;
      case 2:
        parent[key] = this.text();
        break;
      case 3:
        parent[key] = this.pick([null, true, false, [], {}, [[]], { a: {} }, [null], [1, 'a']]);
        break;
      case 4:
        // A list's `length` would make it one of billions.
        if (!Array.isArray(parent)) parent[this.text()] = value;
        break;
      case 5:
        parent[key] = Array<unknown>(1 + this.random.below(12)).fill(value);
        break;
      case 6:
        if (Array.isArray(value)) value.push(...(structuredClone(value) as unknown[]));
        else if (typeof value === 'number') parent[key] = value + this.pick([-1, 1, 0.5]);
        else if (typeof value === 'string') parent[key] = this.chance(0.5) ? value + value : value.slice(1);
        else parent[key] = { value };
        break;
      default:
        parent[key] = special.length === 0 ? this.number() : structuredClone(this.pick(special));
    }
  }
}
