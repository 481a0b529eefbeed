/** Bytes that are no Parquet, or not of a kind that is read; the message names the cause. */
export class ParquetError extends Error {}

export type ThriftValue = number | boolean | Buffer | ThriftList | ThriftStruct;
export type ThriftList = readonly ThriftValue[];
/** Fields by their numbers. */
export type ThriftStruct = ReadonlyMap<number, ThriftValue>;

/** Thrown where the bytes end within a value: more of them may help. */
export class ThriftEnd extends ParquetError {
  constructor() {
    super('broken Parquet: the metadata end too early');
  }
}

/** Parquet's own structures are six deep. */
const deepest = 32;
/** Values are far larger than the bytes they are read from. */
const mostValues = 4_000_000;

/**
 * Reads Thrift's compact protocol (github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md) in bounded
 * depth and memory. 64-bit numbers become JavaScript numbers: places in files stay far below 2^53.
 */
export class ThriftReader {
  readonly #bytes: Buffer;
  #at: number;
  #values = 0;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** How far was read. */
  get at(): number {
    return this.#at;
  }

  /** @throws ThriftEnd, ParquetError */
  struct(depth = 0): ThriftStruct {
    if (depth > deepest) throw new ParquetError('broken Parquet: metadata nested too deeply');
    const fields = new Map<number, ThriftValue>();
    let id = 0;
    for (;;) {
      const head = this.#byte();
      const type = head & 0x0f;
      if (type === 0) return fields;
      id = head >> 4 === 0 ? this.#zigzag() : id + (head >> 4);
      fields.set(id, this.#value(type, depth, false));
    }
  }

  #value(type: number, depth: number, inList: boolean): ThriftValue {
    this.#values += 1;
    if (this.#values > mostValues) throw new ParquetError('broken Parquet: too many metadata');
    switch (type) {
      case 1:
      case 2:
        return inList ? this.#byte() === 1 : type === 1;
      case 3:
        return (this.#byte() << 24) >> 24;
      case 4:
      case 5:
      case 6:
        return this.#zigzag();
      case 7:
        this.#need(8);
        this.#at += 8;
        return this.#bytes.readDoubleLE(this.#at - 8);
      case 8: {
        const length = this.#varint();
        this.#need(length);
        this.#at += length;
        return this.#bytes.subarray(this.#at - length, this.#at);
      }
      case 9:
      case 10: {
        const head = this.#byte();
        const length = head >> 4 === 15 ? this.#varint() : head >> 4;
        // Every element takes a byte at least.
        this.#need(length);
        const values: ThriftValue[] = [];
        for (let at = 0; at < length; at += 1) values.push(this.#value(head & 0x0f, depth + 1, true));
        return values;
      }
      case 12:
        return this.struct(depth + 1);
      default:
        throw new ParquetError('broken Parquet: metadata of an unknown type');
    }
  }

  #byte(): number {
    this.#need(1);
    this.#at += 1;
    return this.#bytes[this.#at - 1]!;
  }

  #need(length: number): void {
    if (this.#at + length > this.#bytes.length) throw new ThriftEnd();
  }

  #varint(): number {
    let value = 0;
    for (let scale = 1, count = 0; count < 10; scale *= 128, count += 1) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new ParquetError('broken Parquet: a number without an end');
  }

  #zigzag(): number {
    const value = this.#varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}

/** A number field. @throws ParquetError where it is absent or of another type */
export function numberField(struct: ThriftStruct, id: number, fallback?: number): number {
  const value = struct.get(id) ?? fallback;
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw new ParquetError('broken Parquet: a number is missing in the metadata');
  return value;
}

export function structField(struct: ThriftStruct, id: number): ThriftStruct | undefined {
  const value = struct.get(id);
  if (value === undefined) return undefined;
  if (!(value instanceof Map)) throw new ParquetError('broken Parquet: metadata of another type');
  return value;
}

export function textField(struct: ThriftStruct, id: number): string {
  const value = struct.get(id);
  if (!Buffer.isBuffer(value)) throw new ParquetError('broken Parquet: a name is missing in the metadata');
  return value.toString('utf8');
}

export function listField(struct: ThriftStruct, id: number): ThriftList {
  const value = struct.get(id);
  if (!Array.isArray(value)) throw new ParquetError('broken Parquet: a list is missing in the metadata');
  return value as ThriftList;
}

/** A list of structures. */
export function structsField(struct: ThriftStruct, id: number): readonly ThriftStruct[] {
  return listField(struct, id).map((value) => {
    if (!(value instanceof Map)) throw new ParquetError('broken Parquet: metadata of another type');
    return value as ThriftStruct;
  });
}
