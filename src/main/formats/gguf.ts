import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { gguf, GGMLQuantizationType } from '@huggingface/gguf';
import { InputError } from '../../shared/errors.ts';
import { readBytes, unreadable } from './files.ts';
import { quantTypes } from './gguf-quants.ts';

/** Where one tensor lies in a GGUF file. */
export interface GgufTensor {
  readonly name: string;
  /** A name in `quantTypes`. */
  readonly type: string;
  /** Row-major, outermost dimension first, as Hugging Face writes shapes: the reverse of GGUF's own order. */
  readonly shape: readonly number[];
  /** Absolute byte offset in the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** A GGUF file's metadata and tensor table; the tensors' data stay on the disk. */
export interface GgufFile {
  readonly path: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/**
 * Reads and validates a GGUF file's metadata and tensor table
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 * @throws InputError naming the file and what is wrong, and for an unsupported type the tensor and the type.
 */
export async function readGguf(path: string): Promise<GgufFile> {
  const wrong = (cause: string) => new InputError(cause, { file: path });
  let size: number;
  try {
    const status = statSync(path);
    if (!status.isFile()) throw wrong('is not a file');
    size = status.size;
  } catch (error) {
    throw error instanceof InputError ? error : unreadable(path, error);
  }
  if (size < 24) throw wrong(`${size} bytes are too few for a GGUF file; it is truncated`);
  if (Buffer.from(readBytes(path, 0, 4)).toString('latin1') !== 'GGUF') throw wrong('is not a GGUF file');

  // An absolute path, because the reader would fetch a name that begins like a web address.
  const parsed = await gguf(resolve(path), { allowLocalFile: true }).catch((error: unknown) => {
    throw wrong(`the GGUF header cannot be read (${error instanceof Error ? error.message : String(error)})`);
  });
  if (!parsed.littleEndian) throw wrong('big-endian GGUF files are not supported');
  const dataStart = Number(parsed.tensorDataOffset);
  // The reader takes bytes behind the file's end for zeros, so a header cut short is noticed only here.
  if (parsed.tensorInfoByteRange[1] > size) throw wrong('the file ends within its header; it is truncated');
  const metadata = parsed.metadata as unknown as Record<string, unknown>;
  const pieces = Number(metadata['split.count'] ?? 1);
  if (pieces > 1)
    throw wrong(`is one of ${pieces} pieces of a model; join them with llama.cpp's gguf-split first`);

  const tensors = new Map<string, GgufTensor>();
  for (const info of parsed.tensorInfos) {
    const { name } = info;
    if (tensors.has(name)) throw wrong(`names tensor ${name} twice`);
    const type =
      (GGMLQuantizationType as Record<number, string | undefined>)[info.dtype] ?? `number ${info.dtype}`;
    const quant = Object.hasOwn(quantTypes, type) ? quantTypes[type] : undefined;
    if (quant === undefined) {
      throw wrong(`tensor ${name} has the type ${type}; supported are ${Object.keys(quantTypes).join(', ')}`);
    }
    const shape = info.shape.map(Number).reverse();
    if ((shape.at(-1) ?? 1) % quant.blockSize !== 0) {
      throw wrong(
        `tensor ${name} has rows of ${shape.at(-1)}, which ${type} cannot hold in blocks of ${quant.blockSize}`,
      );
    }
    const elements = shape.reduce((product, dimension) => product * dimension, 1);
    const length = (elements / quant.blockSize) * quant.blockBytes;
    const offset = dataStart + Number(info.offset);
    if (!Number.isSafeInteger(offset + length) || offset + length > size) {
      throw wrong(`tensor ${name} ends at byte ${offset + length} but the file has ${size}; it is truncated`);
    }
    tensors.set(name, { name, type, shape, offset, length });
  }
  let previous: GgufTensor | undefined;
  for (const tensor of [...tensors.values()].sort((a, b) => a.offset - b.offset || a.length - b.length)) {
    if (previous !== undefined && tensor.offset < previous.offset + previous.length) {
      throw wrong(`tensor ${tensor.name} overlaps tensor ${previous.name}`);
    }
    previous = tensor;
  }
  return { path, metadata, tensors };
}

/**
 * Reads one tensor as float32, row-major, as the file orders its rows (see `gguf-llama.ts` for Llama's permuted ones).
 */
export function readGgufTensor(file: { readonly path: string }, tensor: GgufTensor): Float32Array {
  return quantTypes[tensor.type]!.decode(readBytes(file.path, tensor.offset, tensor.length));
}
