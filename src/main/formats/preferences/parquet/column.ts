import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { snappyUncompress } from 'hyparquet';
import {
  readDeltaLengths,
  readDeltaNumbers,
  readDeltaTexts,
  readDictionaryPlaces,
  readHybrid,
  readPlain,
  readSplitBytes,
  type Values,
} from './decode.ts';
import type { Codec, ColumnChunk } from './metadata.ts';
import {
  numberField,
  ParquetError,
  structField,
  ThriftEnd,
  ThriftReader,
  type ThriftStruct,
} from './thrift.ts';

/** Reads `length` bytes of the file from `offset` on. */
export type ReadAt = (offset: number, length: number) => Buffer;

/** Keeps what all columns hold in memory at once within a bound. */
export class MemoryBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  take(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0)
      throw new ParquetError(
        'its pages need too much memory at once; write it with smaller pages or row groups',
      );
  }

  giveBack(bytes: number): void {
    this.#left += bytes;
  }
}

/** Most values of a page, nulls included. */
const mostValues = 4_000_000;
const headerBytes = 8 << 10;
/** Most bytes of a page's texts, where each repeats a part of the one before. */
const largestTexts = 64 << 20;
const largestHeader = 4 << 20;

/** The values of a column chunk with their levels, page by page; one page and the dictionary are held at a time. */
export class ColumnCursor {
  readonly #chunk: ColumnChunk;
  readonly #readAt: ReadAt;
  readonly #budget: MemoryBudget;
  #at: number;
  #dictionary: Values | undefined;
  #dictionaryBytes = 0;
  #pageBytes = 0;
  #definition: Uint32Array | undefined;
  #repetition: Uint32Array | undefined;
  #values: Values | undefined;
  #count = 0;
  #place = 0;
  #valuePlace = 0;
  #read = 0;

  constructor(chunk: ColumnChunk, readAt: ReadAt, budget: MemoryBudget) {
    this.#chunk = chunk;
    this.#readAt = readAt;
    this.#budget = budget;
    this.#at = chunk.start;
  }

  /** Bytes of the file behind the cursor. */
  get bytesRead(): number {
    return this.#at - this.#chunk.start;
  }

  /** Whether there is another entry; reads the next page where the last is used up. */
  hasNext(): boolean {
    while (this.#place === this.#count) if (!this.#nextPage()) return false;
    return true;
  }

  get repetition(): number {
    return this.#repetition?.[this.#place] ?? 0;
  }

  get definition(): number {
    return this.#definition?.[this.#place] ?? this.#chunk.leaf.definitionLevels;
  }

  /** The entry's value, if its definition level is the highest; goes on to the next entry. */
  take(): unknown {
    const isNull = this.definition < this.#chunk.leaf.definitionLevels;
    this.#place += 1;
    if (isNull) return null;
    const value = this.#values!.get(this.#valuePlace);
    this.#valuePlace += 1;
    return value;
  }

  release(): void {
    this.#budget.giveBack(this.#pageBytes + this.#dictionaryBytes);
    this.#pageBytes = 0;
    this.#dictionaryBytes = 0;
    this.#values = undefined;
    this.#dictionary = undefined;
  }

  #nextPage(): boolean {
    const { start, length, values } = this.#chunk;
    if (this.#read >= values || this.#at >= start + length) return false;
    const { header, size } = this.#header(Math.min(headerBytes, start + length - this.#at));
    const packed = numberField(header, 3);
    const unpacked = numberField(header, 2);
    const from = this.#at + size;
    if (packed < 0 || unpacked < 0 || from + packed > start + length)
      throw new ParquetError('broken Parquet: a page reaches beyond its column');
    this.#at = from + packed;
    const type = numberField(header, 1);
    // Page types: data 0, index 1, dictionary 2, data of the second version 3.
    if (type === 2) this.#readDictionary(header, from, packed, unpacked);
    else if (type === 0 || type === 3) this.#readData(header, type === 3, from, packed, unpacked);
    return true;
  }

  /** Headers are of unknown length: more is read where the first bytes are too few. */
  #header(length: number): { readonly header: ThriftStruct; readonly size: number } {
    const end = this.#chunk.start + this.#chunk.length;
    const bytes = this.#readAt(this.#at, length);
    try {
      const reader = new ThriftReader(bytes);
      const header = reader.struct();
      return { header, size: reader.at };
    } catch (error) {
      const most = Math.min(largestHeader, end - this.#at);
      if (error instanceof ThriftEnd && length < most) return this.#header(most);
      throw error;
    }
  }

  #readDictionary(header: ThriftStruct, from: number, packed: number, unpacked: number): void {
    if (this.#dictionary !== undefined)
      throw new ParquetError('broken Parquet: two dictionaries in a column');
    const info = structField(header, 7);
    const count = info === undefined ? -1 : numberField(info, 1);
    this.#requireCount(count);
    this.#budget.take(unpacked);
    this.#dictionaryBytes = unpacked;
    const bytes = this.#unpack(from, packed, unpacked);
    this.#dictionary = readPlain(bytes, this.#chunk.leaf.type, count);
  }

  #readData(header: ThriftStruct, isSecond: boolean, from: number, packed: number, unpacked: number): void {
    const info = structField(header, isSecond ? 8 : 5);
    if (info === undefined) throw new ParquetError('broken Parquet: a page without its header');
    const count = numberField(info, 1);
    this.#requireCount(count);
    const { definitionLevels, repetitionLevels } = this.#chunk.leaf;
    this.#budget.giveBack(this.#pageBytes);
    this.#pageBytes = unpacked + 8 * count;
    this.#values = undefined;
    this.#definition = undefined;
    this.#repetition = undefined;
    this.#budget.take(this.#pageBytes);
    let bytes: Buffer;
    if (isSecond) {
      const [forDefinition, forRepetition] = [numberField(info, 5), numberField(info, 6)];
      const levels = forDefinition + forRepetition;
      if (forDefinition < 0 || forRepetition < 0 || levels > packed || levels > unpacked)
        throw new ParquetError('broken Parquet: levels reach beyond their page');
      const lead = this.#readAt(from, levels);
      if (repetitionLevels > 0)
        this.#repetition = readHybrid(lead.subarray(0, forRepetition), widthOf(repetitionLevels), count);
      if (definitionLevels > 0)
        this.#definition = readHybrid(lead.subarray(forRepetition), widthOf(definitionLevels), count);
      const codec = info.get(7) === false ? 'none' : this.#chunk.codec;
      bytes = this.#unpack(from + levels, packed - levels, unpacked - levels, codec);
    } else {
      bytes = this.#unpack(from, packed, unpacked);
      const levels = (most: number): Uint32Array | undefined => {
        if (most === 0) return undefined;
        if (bytes.length < 4) throw new ParquetError('broken Parquet: a page ends too early');
        const length = bytes.readUInt32LE(0);
        if (4 + length > bytes.length)
          throw new ParquetError('broken Parquet: levels reach beyond their page');
        const found = readHybrid(bytes.subarray(4, 4 + length), widthOf(most), count);
        bytes = bytes.subarray(4 + length);
        return found;
      };
      this.#repetition = levels(repetitionLevels);
      this.#definition = levels(definitionLevels);
    }
    let present = count;
    if (this.#definition !== undefined)
      for (const level of this.#definition) {
        if (level > definitionLevels) throw new ParquetError('broken Parquet: a level beyond the schema');
        if (level < definitionLevels) present -= 1;
      }
    if (this.#repetition?.some((level) => level > repetitionLevels) === true)
      throw new ParquetError('broken Parquet: a level beyond the schema');
    this.#values = this.#decode(bytes, numberField(info, isSecond ? 4 : 2), present);
    this.#count = count;
    this.#place = 0;
    this.#valuePlace = 0;
    this.#read += count;
  }

  #decode(bytes: Buffer, encoding: number, count: number): Values {
    const { type } = this.#chunk.leaf;
    switch (encoding) {
      case 0:
        return readPlain(bytes, type, count);
      case 2:
      case 8:
        return readDictionaryPlaces(bytes, this.#dictionary, count);
      case 3: {
        if (type !== 'boolean' || bytes.length < 4)
          throw new ParquetError('broken Parquet: an unexpected encoding');
        const bits = readHybrid(bytes.subarray(4), 1, count);
        return { count, get: (at) => bits[at] === 1 };
      }
      case 5:
        return readDeltaNumbers(bytes, type, count);
      case 6:
        return readDeltaLengths(bytes, count);
      case 7:
        return readDeltaTexts(bytes, count, largestTexts);
      case 9:
        return readSplitBytes(bytes, type, count);
      default:
        throw new ParquetError('Parquet with an unknown encoding');
    }
  }

  #requireCount(count: number): void {
    if (count < 0) throw new ParquetError('broken Parquet: a page of less than no values');
    if (count > mostValues) throw new ParquetError(`a Parquet page of more than ${mostValues} values`);
  }

  #unpack(from: number, packed: number, unpacked: number, codec: Codec = this.#chunk.codec): Buffer {
    this.#budget.take(packed);
    const bytes = unpackPage(this.#readAt(from, packed), unpacked, codec);
    this.#budget.giveBack(packed);
    if (bytes.length !== unpacked)
      throw new ParquetError('broken Parquet: a page of another size than it says');
    return bytes;
  }
}

/** Bits that numbers up to `most` need. */
function widthOf(most: number): number {
  return 32 - Math.clz32(most);
}

/** Never gives more than `size` bytes. */
function unpackPage(bytes: Buffer, size: number, codec: Codec): Buffer {
  if (codec === 'none' || (bytes.length === 0 && size === 0)) return bytes;
  const limit = { maxOutputLength: Math.max(1, size) };
  try {
    switch (codec) {
      case 'gzip':
        return gunzipSync(bytes, limit);
      case 'zstd':
        return zstdDecompressSync(bytes, limit);
      case 'brotli':
        return brotliDecompressSync(bytes, limit);
      case 'snappy': {
        // Three bytes copy at most 64.
        if (size > 24 * bytes.length) throw new Error('it says it is larger than it can be');
        const into = Buffer.alloc(size);
        snappyUncompress(bytes, into);
        return into;
      }
      default:
        throw new ParquetError(
          `Parquet compressed with ${codec} is not read; write it with snappy, zstd or gzip`,
        );
    }
  } catch (error) {
    if (error instanceof ParquetError) throw error;
    throw new ParquetError(`broken Parquet: a page cannot be unpacked (${(error as Error).message})`);
  }
}
