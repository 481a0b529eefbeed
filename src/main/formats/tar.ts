import { gzipSync } from 'node:zlib';

/** A file inside an archive. */
export interface TarEntry {
  /** Path inside, with slashes; at most 100 bytes. */
  readonly name: string;
  readonly content: string | Uint8Array;
  /** Milliseconds since 1970. */
  readonly changedAt: number;
}

/** Everything in an archive begins at a multiple of this many bytes. */
export const block = 512;

/**
 * A gzipped tar archive in the ustar format (POSIX.1-1988, as every tar reads it), all in memory.
 * @throws Error for a name of more than 100 bytes
 */
export function packTarGz(entries: readonly TarEntry[]): Buffer {
  const parts = entries.flatMap(({ name, content, changedAt }) => {
    const bytes = Buffer.from(content as Uint8Array);
    const padding = Buffer.alloc((block - (bytes.length % block)) % block);
    return [header(name, bytes.length, changedAt), bytes, padding];
  });
  // Two empty blocks end an archive.
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(2 * block)]));
}

/** A file's header. @throws Error for a name of more than 100 bytes or a file of 8 GiB and more */
export function header(name: string, size: number, changedAt: number): Buffer {
  if (Buffer.byteLength(name) > 100) throw new Error(`${name} is too long a name for a tar archive`);
  if (size >= 8 ** 11) throw new Error(`${name} is too large for a tar archive`);
  const bytes = Buffer.alloc(block);
  const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`;
  const put = (text: string, offset: number): void => void bytes.write(text, offset, 'utf8');
  put(name, 0);
  put(octal(0o644, 8), 100);
  put(octal(0, 8), 108);
  put(octal(0, 8), 116);
  put(octal(size, 12), 124);
  put(octal(Math.floor(changedAt / 1000), 12), 136);
  // The checksum is taken with blanks in its own place.
  put(' '.repeat(8), 148);
  put('0', 156);
  put('ustar\x0000', 257);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return bytes;
}
