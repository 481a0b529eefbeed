import { createHash } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

/** SHA-256 of a file, in hexadecimal, read in parts so that other work and a signal get their turn. */
export async function hashGently(
  path: string,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  try {
    const part = new Uint8Array(1 << 22);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(part, 0, part.length, null);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(part.subarray(0, bytesRead));
      onBytes(bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** What tells whether something has changed: bytes in all, and the latest change of anything in it. */
export interface Extent {
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly changedAt: number;
}

/** Size and age of a file or of a folder with all that is in it; links are not followed. Undefined where it is gone. */
export function extentOf(path: string): Extent | undefined {
  try {
    const status = lstatSync(path);
    let bytes = status.isFile() ? status.size : 0;
    let changedAt = Math.max(status.mtimeMs, status.ctimeMs);
    if (status.isDirectory()) {
      for (const name of readdirSync(path)) {
        const inner = extentOf(join(path, name));
        if (inner === undefined) continue;
        bytes += inner.bytes;
        changedAt = Math.max(changedAt, inner.changedAt);
      }
    }
    return { bytes, changedAt };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Names in a folder; none where it does not exist. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
