import { closeSync, fstatSync, readSync } from 'node:fs';
import { inWords, openForReading } from './files.ts';

/** A tensor as the header describes it. */
export interface GgufTensorInfo {
  readonly name: string;
  /** ggml's number for the type. */
  readonly type: number;
  /** Innermost dimension first, as the file has it. */
  readonly dimensions: readonly number[];
  /** Bytes behind the beginning of the data. */
  readonly offset: number;
}

/** A GGUF file's header. */
export interface GgufHeader {
  /** By key; 64-bit integers are bigint, lists arrays. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensors: readonly GgufTensorInfo[];
  /** Byte at which the tensors' data begin. */
  readonly dataStart: number;
  /** Bytes of the whole file. */
  readonly size: number;
}

/** Thrown for a header that breaks the format's rules; the message says how. */
export class GgufHeaderError extends Error {
  override readonly name = 'GgufHeaderError';
}

// Several times what the largest models with the longest vocabularies need.
const longestHeader = 1 << 26;
const mostTensors = 100_000;
const mostEntries = 100_000;
const mostListItems = 1 << 22;
const firstRead = 1 << 20;
const deepestList = 4;

/** Bytes a value of each metadata type takes at least, by the type's number; 8 is text, 9 a list. */
const valueBytes = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8] as const;
const textType = 8;
const listType = 9;

/**
 * Reads a GGUF header of version 2 or 3, little-endian (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 * No count or length is trusted before the file is known to have as many bytes.
 * @throws GgufHeaderError for a broken header; InputError for a file that cannot be read
 */
export function readGgufHeader(path: string): GgufHeader {
  const descriptor = openForReading(path);
  try {
    const size = fstatSync(descriptor).size;
    return parse(new Cursor(descriptor, size), size);
  } finally {
    closeSync(descriptor);
  }
}

function parse(cursor: Cursor, size: number): GgufHeader {
  if (cursor.bytes(4).toString('latin1') !== 'GGUF') throw new GgufHeaderError('is not a GGUF file');
  const version = cursor.uint32();
  if (version !== 0 && (version & 0xffff) === 0) {
    throw new GgufHeaderError('big-endian GGUF files are not supported');
  }
  if (version !== 2 && version !== 3) throw new GgufHeaderError(`GGUF version ${version} is not supported`);
  const tensorCount = cursor.count();
  const entryCount = cursor.count();
  if (tensorCount > mostTensors || entryCount > mostEntries) {
    throw new GgufHeaderError(`the header claims ${tensorCount} tensors and ${entryCount} metadata entries`);
  }
  // A tensor takes at least 24 bytes, an entry 13.
  cursor.expect(24 * tensorCount + 13 * entryCount);

  const metadata = new Map<string, unknown>();
  for (let entry = 0; entry < entryCount; entry++) {
    const key = cursor.text();
    if (metadata.has(key)) throw new GgufHeaderError(`the metadata names ${inWords(key)} twice`);
    metadata.set(key, readValue(cursor, cursor.uint32(), 0));
  }
  const tensors: GgufTensorInfo[] = [];
  for (let at = 0; at < tensorCount; at++) {
    const name = cursor.text();
    const rank = cursor.uint32();
    // ggml's own limit.
    if (rank > 4) throw new GgufHeaderError(`tensor ${inWords(name)} has ${rank} dimensions`);
    const dimensions = Array.from({ length: rank }, () => cursor.count());
    tensors.push({ name, dimensions, type: cursor.uint32(), offset: cursor.count() });
  }
  const alignment = Number(metadata.get('general.alignment') ?? 32);
  if (!Number.isInteger(alignment) || alignment < 1 || alignment > 1 << 20) {
    throw new GgufHeaderError(`general.alignment is ${alignment}`);
  }
  return {
    metadata: Object.fromEntries(metadata),
    tensors,
    dataStart: Math.ceil(cursor.position / alignment) * alignment,
    size,
  };
}

function readValue(cursor: Cursor, type: number, depth: number): unknown {
  switch (type) {
    case 0:
      return cursor.bytes(1).readUInt8();
    case 1:
      return cursor.bytes(1).readInt8();
    case 2:
      return cursor.bytes(2).readUInt16LE();
    case 3:
      return cursor.bytes(2).readInt16LE();
    case 4:
      return cursor.uint32();
    case 5:
      return cursor.bytes(4).readInt32LE();
    case 6:
      return cursor.bytes(4).readFloatLE();
    case 7:
      return cursor.bytes(1).readUInt8() !== 0;
    case textType:
      return cursor.text();
    case listType:
      return readList(cursor, depth);
    case 10:
      return cursor.bytes(8).readBigUInt64LE();
    case 11:
      return cursor.bytes(8).readBigInt64LE();
    case 12:
      return cursor.bytes(8).readDoubleLE();
    default:
      throw new GgufHeaderError(`the metadata has a value of the unknown type ${type}`);
  }
}

function readList(cursor: Cursor, depth: number): unknown[] {
  if (depth >= deepestList) throw new GgufHeaderError('the metadata nests lists too deeply');
  const type = cursor.uint32();
  const length = cursor.count();
  cursor.takeItems(length, valueBytes[type] ?? 1);
  const list: unknown[] = [];
  for (let at = 0; at < length; at++) list.push(readValue(cursor, type, depth + 1));
  return list;
}

/** Reads forward through the header, in steps that double. */
class Cursor {
  readonly #descriptor: number;
  readonly #size: number;
  #held: Buffer = Buffer.alloc(0);
  #items = 0;
  position = 0;

  constructor(descriptor: number, size: number) {
    this.#descriptor = descriptor;
    this.#size = size;
  }

  /** @throws GgufHeaderError unless the file has this many further bytes */
  expect(bytes: number): void {
    if (!(this.position + bytes <= this.#size)) {
      throw new GgufHeaderError('the file ends within its header; it is truncated');
    }
  }

  /** Notes a list of so many items of at least so many bytes. */
  takeItems(length: number, bytes: number): void {
    this.expect(length * bytes);
    this.#items += length;
    if (this.#items > mostListItems)
      throw new GgufHeaderError(`the metadata's lists have ${this.#items} items`);
  }

  bytes(length: number): Buffer {
    this.expect(length);
    const end = this.position + length;
    if (end > this.#held.length) this.#readTo(end);
    const bytes = this.#held.subarray(this.position, end);
    this.position = end;
    return bytes;
  }

  #readTo(end: number): void {
    if (end > longestHeader) throw new GgufHeaderError(`the header is longer than ${longestHeader} bytes`);
    const wanted = Math.min(Math.max(end, 2 * this.#held.length, firstRead), this.#size, longestHeader);
    const held = Buffer.alloc(wanted);
    let filled = this.#held.copy(held);
    while (filled < wanted) {
      const read = readSync(this.#descriptor, held, filled, wanted - filled, filled);
      if (read === 0) throw new GgufHeaderError('the file ends within its header; it is truncated');
      filled += read;
    }
    this.#held = held;
  }

  uint32(): number {
    return this.bytes(4).readUInt32LE();
  }

  /** A 64-bit count, length or offset. */
  count(): number {
    const value = this.bytes(8).readBigUInt64LE();
    if (value > Number.MAX_SAFE_INTEGER)
      throw new GgufHeaderError(`the header has the impossible count ${value}`);
    return Number(value);
  }

  text(): string {
    return this.bytes(this.count()).toString('utf8');
  }
}
