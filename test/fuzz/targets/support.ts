import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Path of a committed fixture. */
export function fixturePath(name: string): string {
  return fileURLToPath(new URL(`../../parity/fixtures/${name}`, import.meta.url));
}

export function fixtureBytes(name: string): Buffer {
  return readFileSync(fixturePath(name));
}

export function fixtureJson(name: string): unknown {
  return JSON.parse(fixtureBytes(name).toString('utf8'));
}

/** The header of a safetensors file and the data behind it. */
export function takeApart(bytes: Buffer): { header: unknown; data: Buffer } {
  const length = Number(bytes.readBigUInt64LE(0));
  return { header: JSON.parse(bytes.toString('utf8', 8, 8 + length)), data: bytes.subarray(8 + length) };
}

/** A safetensors file with any text for a header. */
export function putTogether(header: string, data: Uint8Array): Buffer {
  const text = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([prefix, text, data]);
}
