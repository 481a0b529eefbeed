import { fstatSync, closeSync } from 'node:fs';
import { InputError } from '../../shared/errors.ts';
import { beginFile, inWords, isObject, openForReading, readBytes, writeAll } from './files.ts';
import { bfloatsToFloat32, float32ToHalves, halvesToFloat32 } from './float16.ts';

/** Bytes per element of the dtypes whose elements fill whole bytes, by the format's own names. */
const elementBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
  C64: 8,
} as const;

/** An element type, by the name safetensors gives it. */
export type SafetensorsDtype = keyof typeof elementBytes;

/** Where and how one tensor lies in its file: row-major, little-endian. */
export interface SafetensorsTensor {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Absolute byte offset in the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** A safetensors file's header; the tensors' data stay on the disk. */
export interface SafetensorsFile {
  readonly path: string;
  /** Free text that the writer attached. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
}

/** The reference implementation's limit. */
const largestHeader = 100_000_000;

/**
 * Reads and validates a safetensors header (https://github.com/huggingface/safetensors#format), as strictly as the
 * reference implementation: the tensors must fill the data section without overlap or gap.
 * @throws InputError naming the file and what is wrong with it.
 */
export function readSafetensorsHeader(path: string): SafetensorsFile {
  const wrong = (cause: string) => new InputError(cause, { file: path });
  const descriptor = openForReading(path);
  let size: number;
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw wrong('is not a file');
    size = status.size;
  } finally {
    closeSync(descriptor);
  }
  if (size < 8) throw wrong(`${size} bytes are too few for a safetensors file; it is truncated`);
  const prefix = readBytes(path, 0, 8);
  const headerLength = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (headerLength > largestHeader) {
    throw wrong(
      `the header claims ${headerLength} bytes, more than the format's 100 MB; not a safetensors file?`,
    );
  }
  const dataStart = 8 + headerLength;
  if (dataStart > size) {
    throw wrong(`the header needs ${dataStart} bytes but the file has ${size}; it is truncated`);
  }
  const header = parseHeader(readBytes(path, 8, headerLength), wrong);

  let metadata: Record<string, string> = {};
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') metadata = parseMetadata(entry, wrong);
    else tensors.set(name, parseTensor(name, entry, dataStart, wrong));
  }

  let end = dataStart;
  let previous = 'the header';
  const byOffset = [...tensors.values()].sort((a, b) => a.offset - b.offset || a.length - b.length);
  for (const { name, offset, length } of byOffset) {
    if (offset < end) throw wrong(`tensor ${name} overlaps ${previous}`);
    if (offset > end) throw wrong(`${offset - end} unused bytes lie between ${previous} and tensor ${name}`);
    end = offset + length;
    previous = `tensor ${name}`;
    if (end > size) {
      throw wrong(`${previous} ends at byte ${end} but the file has ${size}; it is truncated`);
    }
  }
  if (end !== size) throw wrong(`${size - end} bytes follow after ${previous}, the last of the file`);
  return { path, metadata, tensors };
}

type Wrong = (cause: string) => InputError;

function parseHeader(bytes: Uint8Array, wrong: Wrong): Record<string, unknown> {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    header = JSON.parse(text);
  } catch {
    throw wrong('the header is not valid JSON; not a safetensors file?');
  }
  if (!isObject(header)) throw wrong('the header is not a JSON object');
  const seen = new Set<string>();
  for (const key of topLevelKeys(text)) {
    if (seen.has(key)) throw wrong(`the header names tensor ${key} twice`);
    seen.add(key);
  }
  return header;
}

/** The keys of a valid JSON object's top level, repeated ones included: `JSON.parse` keeps only the last of them. */
function* topLevelKeys(text: string): Generator<string> {
  let depth = 0;
  let keyNext = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') {
      const start = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
      if (depth === 1 && keyNext) yield JSON.parse(text.slice(start, i + 1)) as string;
      keyNext = false;
    } else if (character === '{' || character === '[') {
      depth++;
      keyNext = true;
    } else if (character === '}' || character === ']') depth--;
    else if (character === ',') keyNext = true;
  }
}

function parseMetadata(entry: unknown, wrong: Wrong): Record<string, string> {
  if (!isObject(entry) || !Object.values(entry).every((value) => typeof value === 'string')) {
    throw wrong('__metadata__ should map names to texts');
  }
  return entry as Record<string, string>;
}

function parseTensor(name: string, entry: unknown, dataStart: number, wrong: Wrong): SafetensorsTensor {
  if (!isObject(entry)) throw wrong(`tensor ${name} has no description`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype)) {
    throw wrong(`tensor ${name} has the unknown dtype ${inWords(dtype)}`);
  }
  if (!isCounts(shape)) throw wrong(`tensor ${name} has the shape ${inWords(shape)}`);
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw wrong(`tensor ${name} has the data offsets ${inWords(offsets)}`);
  }
  const [start, end] = offsets as [number, number];
  const known = dtype as SafetensorsDtype;
  const expected = shape.reduce((product, size) => product * size, 1) * elementBytes[known];
  if (expected !== end - start) {
    throw wrong(
      `tensor ${name} of shape [${shape.join(', ')}] and dtype ${dtype} needs ${expected} bytes but has ${end - start}`,
    );
  }
  return { name, dtype: known, shape, offset: dataStart + start, length: end - start };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);
}

/** Whether `readTensorFloat32` takes this dtype. */
export function isFloatDtype(dtype: SafetensorsDtype): boolean {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16' || dtype === 'F64';
}

/**
 * Reads one tensor's elements, row-major, as float32 (F64 is rounded, F16 and BF16 are exact).
 * @throws InputError for an integer or 8-bit dtype, or a file that has become shorter since its header was read.
 */
export function readTensorFloat32(
  file: { readonly path: string },
  tensor: Pick<SafetensorsTensor, 'name' | 'dtype' | 'offset' | 'length'>,
): Float32Array {
  if (!isFloatDtype(tensor.dtype)) {
    throw new InputError(`tensor ${tensor.name} has dtype ${tensor.dtype}; F32, F16, BF16 or F64 is needed`, {
      file: file.path,
    });
  }
  const { buffer } = readBytes(file.path, tensor.offset, tensor.length);
  if (tensor.dtype === 'F32') return new Float32Array(buffer);
  if (tensor.dtype === 'F16') return halvesToFloat32(new Uint16Array(buffer));
  if (tensor.dtype === 'BF16') return bfloatsToFloat32(new Uint16Array(buffer));
  return Float32Array.from(new Float64Array(buffer));
}

/** A tensor to write. `data` may be a function, so that only one tensor at a time need be in memory. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major, `shape`'s product long. */
  readonly data: Float32Array | (() => Float32Array);
}

/** How to write a safetensors file. */
export interface WriteOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  /** What the elements are stored as; F32 unless told. */
  readonly dtype?: 'F32' | 'F16';
}

/**
 * Writes a safetensors file as the reference implementation lays it out: tensors by name, the header padded with
 * spaces to 8 bytes. The file appears under its name only when it is complete.
 * @throws Error if a tensor's data does not fit its shape, or a name is used twice.
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  options: WriteOptions = {},
): void {
  const steps = writeSteps(path, tensors, options);
  while (!steps.next().done);
}

/**
 * `writeSafetensors` that lets other work run between tensors.
 * @param onTensor called after each tensor with the bytes of data written so far and in all.
 */
export async function writeSafetensorsGently(
  path: string,
  tensors: Iterable<TensorToWrite>,
  options: WriteOptions = {},
  onTensor?: (done: number, total: number) => void,
): Promise<void> {
  for (const [done, total] of writeSteps(path, tensors, options)) {
    onTensor?.(done, total);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function* writeSteps(
  path: string,
  tensors: Iterable<TensorToWrite>,
  { metadata, dtype = 'F32' }: WriteOptions,
): Generator<readonly [done: number, total: number]> {
  // The format orders names by their UTF-8 bytes.
  const sorted = [...tensors].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  const header: [string, unknown][] = [];
  if (metadata !== undefined && Object.keys(metadata).length > 0) {
    header.push([
      '__metadata__',
      Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1))),
    ]);
  }
  let total = 0;
  for (const { name, shape } of sorted) {
    if (header.at(-1)?.[0] === name || name === '__metadata__') throw new Error(`two tensors named ${name}`);
    const end = total + shape.reduce((product, size) => product * size, 1) * elementBytes[dtype];
    header.push([name, { dtype, shape, data_offsets: [total, end] }]);
    total = end;
  }
  // Entries are joined by hand: an object would put names that look like numbers first.
  const text = `{${header.map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',')}}`;
  const length = Math.ceil(Buffer.byteLength(text) / 8) * 8;
  const head = Buffer.alloc(8 + length, ' ');
  head.writeBigUInt64LE(BigInt(length), 0);
  head.write(text, 8, 'utf8');

  const pending = beginFile(path);
  try {
    writeAll(pending.descriptor, head);
    let done = 0;
    for (const { name, shape, data } of sorted) {
      const values = typeof data === 'function' ? data() : data;
      const elements = shape.reduce((product, size) => product * size, 1);
      if (values.length !== elements) {
        throw new Error(`tensor ${name} of shape [${shape.join(', ')}] was given ${values.length} elements`);
      }
      const stored = dtype === 'F32' ? values : float32ToHalves(values);
      writeAll(pending.descriptor, new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
      done += stored.byteLength;
      yield [done, total];
    }
    pending.commit();
  } finally {
    pending.discard();
  }
}
