import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** Path of a committed fixture, made by the scripts in test/parity. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../../../test/parity/fixtures/${name}`, import.meta.url));
}

/** Path of a file in the folder of models and data beside the repository, or undefined where that is absent. */
export function shared(name: string): string | undefined {
  const path = fileURLToPath(new URL(`../../../../shared/${name}`, import.meta.url));
  return existsSync(path) ? path : undefined;
}

/** An empty folder that goes when the test ends. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'formats-'));
  onTestFinished(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

/** The bytes behind a typed array. */
export function bytesOf(values: ArrayBufferView): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}
