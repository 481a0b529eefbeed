import { appendFileSync, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const largestFile = 4 << 20;
const kept = 3;

/** A log's files that there may be, newest first. */
export function logFiles(path: string): string[] {
  return Array.from({ length: kept }, (_, place) => (place === 0 ? path : `${path}.${place}`));
}

/**
 * A log file that turns over: when it has grown to 4 MiB it becomes `<path>.1`, that becomes `<path>.2`, and so on.
 * Writing never fails the work that is logged.
 */
export class RotatingLog {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  write(text: string): void {
    const time = new Date().toISOString();
    const lines = text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => `${time} ${line}\n`)
      .join('');
    if (lines === '') return;
    try {
      mkdirSync(dirname(this.path), { recursive: true });
      if (existsSync(this.path) && statSync(this.path).size + lines.length > largestFile) this.#turn();
      appendFileSync(this.path, lines);
    } catch {
      // A full disk is told of where it matters.
    }
  }

  #turn(): void {
    for (let number = kept - 1; number >= 1; number--) {
      const from = number === 1 ? this.path : `${this.path}.${number - 1}`;
      if (existsSync(from)) renameSync(from, `${this.path}.${number}`);
    }
  }
}
