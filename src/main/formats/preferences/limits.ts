import { InputError } from '../../../shared/errors.ts';

/** Largest single row in bytes: about four million tokens. Memory for one row stays below some ten times that. */
export const largestRecord = 16 << 20;

/** Bytes read from the disk, or unpacked, at once. */
export const chunkBytes = 256 << 10;

/** Most times that gzip data may grow beyond `harmlessBytes`: text packs 3 to 20 times, a bomb about 1000 times. */
const largestGrowth = 100;
const harmlessBytes = 16 << 20;

/** @throws InputError where unpacked data have grown beyond what text can. */
export function refuseBomb(packed: number, unpacked: number, file: string): void {
  if (unpacked <= harmlessBytes || unpacked <= largestGrowth * packed) return;
  throw new InputError(`unpacks to more than ${largestGrowth} times its size, as no real data do`, { file });
}

/** Names the limit that a record is above. */
export const recordTooLong = `longer than ${largestRecord >> 20} MiB`;

/** Nested lists and objects cost far more memory than their text: large records are counted before they are parsed. */
const countedFrom = 256 << 10;
const mostParts = 400_000;
const deepest = 200;

/**
 * Parses JSON text in bounded memory.
 * @throws SyntaxError naming the cause: no JSON, or too many or too deeply nested parts
 */
export function parseJson(text: string): unknown {
  if (text.length > countedFrom) refuseManyParts(text);
  return JSON.parse(text) as unknown;
}

function refuseManyParts(text: string): void {
  let parts = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      at = stringEnd(text, at + 1);
    } else if (code === 0x2c) {
      parts += 1;
    } else if (code === 0x5b || code === 0x7b) {
      parts += 1;
      depth += 1;
      if (depth > deepest) throw new SyntaxError(`nested more than ${deepest} levels deep`);
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
    if (parts > mostParts) throw new SyntaxError(`more than ${mostParts} values in one row`);
  }
}

/** Place of the quote that ends a string begun before `from`; the text's end where there is none. */
function stringEnd(text: string, from: number): number {
  for (let at = from; ;) {
    const quote = text.indexOf('"', at);
    if (quote === -1) return text.length;
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === 0x5c) slashes += 1;
    if (slashes % 2 === 0) return quote;
    at = quote + 1;
  }
}
