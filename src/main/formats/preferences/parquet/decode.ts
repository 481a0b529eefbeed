import { isUtf8 } from 'node:buffer';
import type { PhysicalType } from './metadata.ts';
import { ParquetError } from './thrift.ts';

const broken = (what: string): ParquetError => new ParquetError(`broken Parquet: ${what}`);

/** Values of one page: how many, and each by its place. Text is decoded when asked for; undefined where it is no UTF-8. */
export interface Values {
  readonly count: number;
  get(at: number): unknown;
}

/**
 * Numbers in Parquet's hybrid of runs and bit-packing (github.com/apache/parquet-format/blob/master/Encodings.md), each of
 * `width` bits. Runs beyond `count` are cut, as no more numbers can be meant.
 */
export function readHybrid(bytes: Buffer, width: number, count: number): Uint32Array {
  const numbers = new Uint32Array(count);
  if (width === 0) return numbers;
  if (width > 32) throw broken('numbers of more than 32 bits');
  let at = 0;
  let filled = 0;
  while (filled < count) {
    let header = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at];
      if (byte === undefined || shift > 28) throw broken('levels end too early');
      at += 1;
      header += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    if (header % 2 === 0) {
      const size = (width + 7) >> 3;
      if (at + size > bytes.length) throw broken('levels end too early');
      const value = bytes.readUIntLE(at, size);
      at += size;
      const end = Math.min(count, filled + header / 2);
      if (end === filled) throw broken('a run of nothing');
      numbers.fill(value, filled, end);
      filled = end;
    } else {
      const groups = (header - 1) / 2;
      const wanted = Math.min(count - filled, groups * 8);
      if (groups === 0) throw broken('a run of nothing');
      if (at + Math.ceil((wanted * width) / 8) > bytes.length) throw broken('levels end too early');
      unpack(bytes, at, width, numbers, filled, wanted);
      at += groups * width;
      filled += wanted;
    }
  }
  return numbers;
}

function unpack(
  bytes: Buffer,
  from: number,
  width: number,
  into: Uint32Array,
  start: number,
  count: number,
): void {
  let at = from;
  let held = 0;
  let bits = 0;
  const size = 2 ** width;
  for (let place = start; place < start + count; place += 1) {
    // Sums instead of shifts: up to 39 bits are held.
    while (bits < width) {
      held += (bytes[at] ?? 0) * 2 ** bits;
      at += 1;
      bits += 8;
    }
    const rest = Math.floor(held / size);
    into[place] = held - rest * size;
    held = rest;
    bits -= width;
  }
}

/** Texts of known places within `bytes`. */
class Texts implements Values {
  readonly count: number;
  readonly #bytes: Buffer;
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;

  constructor(bytes: Buffer, starts: Uint32Array, ends: Uint32Array) {
    this.count = starts.length;
    this.#bytes = bytes;
    this.#starts = starts;
    this.#ends = ends;
  }

  get(at: number): string | undefined {
    const [start, end] = [this.#starts[at]!, this.#ends[at]!];
    const text = this.#bytes.toString('utf8', start, end);
    // The replacement character may stand in the text itself.
    return text.includes('\ufffd') && !isUtf8(this.#bytes.subarray(start, end)) ? undefined : text;
  }
}

const listed = (values: ArrayLike<unknown>): Values => ({ count: values.length, get: (at) => values[at] });

/** Values as they stand, one after the other. */
export function readPlain(bytes: Buffer, type: PhysicalType, count: number): Values {
  const need = (size: number): void => {
    if (size * count > bytes.length) throw broken('a page ends too early');
  };
  const numbers = (size: number, read: (place: number) => number): Values => {
    need(size);
    return listed(Float64Array.from({ length: count }, (_, at) => read(at * size)));
  };
  switch (type) {
    case 'bytes': {
      need(4);
      const starts = new Uint32Array(count);
      const ends = new Uint32Array(count);
      let at = 0;
      for (let place = 0; place < count; place += 1) {
        if (at + 4 > bytes.length) throw broken('a page ends too early');
        const length = bytes.readUInt32LE(at);
        starts[place] = at + 4;
        at += 4 + length;
        if (at > bytes.length) throw broken('a text reaches beyond its page');
        ends[place] = at;
      }
      return new Texts(bytes, starts, ends);
    }
    case 'boolean':
      need(1 / 8);
      return listed(Array.from({ length: count }, (_, at) => ((bytes[at >> 3]! >> (at & 7)) & 1) === 1));
    case 'int32':
      return numbers(4, (at) => bytes.readInt32LE(at));
    case 'int64':
      return numbers(8, (at) => Number(bytes.readBigInt64LE(at)));
    case 'float':
      return numbers(4, (at) => bytes.readFloatLE(at));
    case 'double':
      return numbers(8, (at) => bytes.readDoubleLE(at));
    default:
      throw new ParquetError(`Parquet columns of type ${type} are not read`);
  }
}

/** Values that are places in a dictionary. */
export function readDictionaryPlaces(bytes: Buffer, dictionary: Values | undefined, count: number): Values {
  if (dictionary === undefined) throw broken('a page without its dictionary');
  if (count === 0) return listed([]);
  const width = bytes[0];
  if (width === undefined) throw broken('a page ends too early');
  const places = readHybrid(bytes.subarray(1), width, count);
  for (const place of places) if (place >= dictionary.count) throw broken('a place beyond its dictionary');
  // The last value is kept: runs of one long text would else be decoded, and held, once a row.
  let last = -1;
  let value: unknown;
  return {
    count,
    get(at) {
      const place = places[at]!;
      if (place !== last) value = dictionary.get(place);
      last = place;
      return value;
    },
  };
}

/** Whole numbers as differences, in blocks of miniblocks; and how far they reach. */
function readDeltas(bytes: Buffer, count: number): { readonly numbers: Float64Array; readonly end: number } {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) throw broken('numbers end too early');
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw broken('a number without an end');
  };
  const zigzag = (): bigint => {
    const value = varint();
    return (value >> 1n) ^ -(value & 1n);
  };
  const blockSize = Number(varint());
  const miniblocks = Number(varint());
  const total = Number(varint());
  const perMiniblock = blockSize / miniblocks;
  const isSound =
    miniblocks > 0 &&
    miniblocks <= 4096 &&
    blockSize <= 1 << 20 &&
    perMiniblock % 8 === 0 &&
    perMiniblock > 0;
  if (!isSound || total !== count) throw broken('numbers in blocks of no sound size');
  const numbers = new Float64Array(count);
  let value = zigzag();
  if (count > 0) numbers[0] = Number(value);
  for (let filled = 1; filled < count;) {
    const least = zigzag();
    const widths = bytes.subarray(at, at + miniblocks);
    if (widths.length < miniblocks) throw broken('numbers end too early');
    at += miniblocks;
    for (let block = 0; block < miniblocks && filled < count; block += 1) {
      const width = widths[block]!;
      const size = (perMiniblock * width) / 8;
      if (width > 64 || at + size > bytes.length) throw broken('numbers end too early');
      const here = Math.min(perMiniblock, count - filled);
      for (let place = 0; place < here; place += 1, filled += 1) {
        value = BigInt.asIntN(64, value + least + bitsAt(bytes, at * 8 + place * width, width));
        numbers[filled] = Number(value);
      }
      at += size;
    }
  }
  return { numbers, end: at };
}

function bitsAt(bytes: Buffer, from: number, width: number): bigint {
  let value = 0n;
  for (let done = 0; done < width;) {
    const bit = (from + done) & 7;
    const taken = Math.min(8 - bit, width - done);
    value |= BigInt((bytes[(from + done) >> 3]! >> bit) & ((1 << taken) - 1)) << BigInt(done);
    done += taken;
  }
  return value;
}

export function readDeltaNumbers(bytes: Buffer, type: PhysicalType, count: number): Values {
  const { numbers } = readDeltas(bytes, count);
  return listed(type === 'int32' ? Float64Array.from(numbers, (value) => value | 0) : numbers);
}

/** Texts: all lengths, then all bytes. */
export function readDeltaLengths(bytes: Buffer, count: number): Values {
  const { numbers, end } = readDeltas(bytes, count);
  const starts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  let at = end;
  for (let place = 0; place < count; place += 1) {
    const length = numbers[place]!;
    if (length < 0 || at + length > bytes.length) throw broken('a text reaches beyond its page');
    starts[place] = at;
    at += length;
    ends[place] = at;
  }
  return new Texts(bytes, starts, ends);
}

/** Texts as what they share with the one before and what follows. @param most bytes of all texts together */
export function readDeltaTexts(bytes: Buffer, count: number, most: number): Values {
  const shared = readDeltas(bytes, count);
  const suffixes = readDeltaLengths(bytes.subarray(shared.end), count);
  const rest = bytes.subarray(shared.end);
  const lengths = readDeltas(rest, count);
  const texts: Buffer[] = [];
  let total = 0;
  let at = lengths.end;
  let previous: Buffer = Buffer.alloc(0);
  for (let place = 0; place < suffixes.count; place += 1) {
    const prefix = shared.numbers[place]!;
    const length = lengths.numbers[place]!;
    if (prefix < 0 || prefix > previous.length) throw broken('a text shares more than there is');
    total += prefix + length;
    if (total > most) throw new ParquetError('a Parquet page unpacks to too many bytes');
    previous = Buffer.concat([previous.subarray(0, prefix), rest.subarray(at, at + length)]);
    at += length;
    texts.push(previous);
  }
  return { count, get: (place) => (isUtf8(texts[place]!) ? texts[place]!.toString('utf8') : undefined) };
}

/** Fractions whose bytes stand apart: all first bytes, then all second ones. */
export function readSplitBytes(bytes: Buffer, type: PhysicalType, count: number): Values {
  const size = type === 'float' || type === 'int32' ? 4 : 8;
  if (type === 'bytes' || type === 'boolean' || size * count > bytes.length)
    throw broken('a page ends too early');
  const joined = Buffer.alloc(size * count);
  for (let part = 0; part < size; part += 1)
    for (let at = 0; at < count; at += 1) joined[at * size + part] = bytes[part * count + at]!;
  return readPlain(joined, type, count);
}
