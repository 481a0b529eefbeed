import { InputError } from '../../shared/errors.ts';
import { readBytes } from './files.ts';
import { GgufHeaderError, readGgufHeader, type GgufHeader } from './gguf-header.ts';
import { quantTypes } from './gguf-quants.ts';

/** ggml's names for types by their numbers: what can be read, and what a person may come by that cannot. */
const typeNames: Readonly<Record<number, string>> = {
  ...Object.fromEntries(Object.entries(quantTypes).map(([name, { id }]) => [id, name])),
  9: 'Q8_1',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
};

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
  // Reading is quick and synchronous; callers may come to depend on its being neither.
  await Promise.resolve();
  const wrong = (cause: string) => new InputError(cause, { file: path });
  let header: GgufHeader;
  try {
    header = readGgufHeader(path);
  } catch (error) {
    throw error instanceof GgufHeaderError ? wrong(error.message) : error;
  }
  const { metadata, dataStart, size } = header;
  const pieces = Number(metadata['split.count'] ?? 1);
  if (pieces > 1)
    throw wrong(`is one of ${pieces} pieces of a model; join them with llama.cpp's gguf-split first`);

  const tensors = new Map<string, GgufTensor>();
  for (const info of header.tensors) {
    const { name } = info;
    if (tensors.has(name)) throw wrong(`names tensor ${name} twice`);
    const type = typeNames[info.type] ?? `number ${info.type}`;
    const quant = Object.hasOwn(quantTypes, type) ? quantTypes[type] : undefined;
    if (quant === undefined) {
      throw wrong(`tensor ${name} has the type ${type}; supported are ${Object.keys(quantTypes).join(', ')}`);
    }
    const shape = [...info.dimensions].reverse();
    if ((shape.at(-1) ?? 1) % quant.blockSize !== 0) {
      throw wrong(
        `tensor ${name} has rows of ${shape.at(-1)}, which ${type} cannot hold in blocks of ${quant.blockSize}`,
      );
    }
    const elements = shape.reduce((product, dimension) => product * dimension, 1);
    const length = (elements / quant.blockSize) * quant.blockBytes;
    const offset = dataStart + info.offset;
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
