import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface Finished {
  /** From start to end. */
  readonly seconds: number;
  /** Largest sum of resident bytes over the process and its descendants, looked at twice a second; 0 without /proc. */
  readonly peakBytes: number;
}

export interface RunOptions {
  /** Environment on top of this process's own, less allocator settings. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Called with every line of output; true ends the process at once, which then counts as finished. */
  readonly onLine?: ((line: string) => boolean) | undefined;
}

/** Every process runs with the allocator as installed, but for what its options say. */
const ownEnvironment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(MALLOC_|GLIBC_TUNABLES$|LD_PRELOAD$)/.test(name)),
);

export function environmentWith(extra: RunOptions['environment']): Record<string, string | undefined> {
  return { ...ownEnvironment, ...extra };
}

/**
 * Runs a program to its end.
 * @param name of it, for errors
 * @throws Error with the end of its output where it fails
 */
export async function runProcess(
  name: string,
  program: string,
  given: readonly string[],
  { environment, onLine }: RunOptions = {},
): Promise<Finished> {
  const started = performance.now();
  const child = spawn(program, given, {
    env: environmentWith(environment),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let isEnough = false;
  for (const stream of [child.stdout, child.stderr]) {
    let line = '';
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-20_000);
      if (!onLine) return;
      const lines = (line + text).split(/\r?\n|\r/);
      line = lines.pop()!;
      if (!isEnough && lines.some(onLine)) {
        isEnough = true;
        child.kill();
      }
    });
  }
  let peakBytes = 0;
  const sampling = setInterval(() => {
    if (child.pid !== undefined) peakBytes = Math.max(peakBytes, treeMemory(child.pid));
  }, 500);
  // Whoever stops this program stops the one that it waits for.
  const stop = (): void => void child.kill();
  process.once('exit', stop);
  try {
    const status = await new Promise<number | null>((ended, failed) => {
      child.on('error', failed).on('close', ended);
    });
    if (status !== 0 && !isEnough) {
      throw new Error(`${name} failed (exit code ${status}):\n${output.trimEnd()}`);
    }
  } finally {
    clearInterval(sampling);
    process.off('exit', stop);
  }
  return { seconds: (performance.now() - started) / 1000, peakBytes };
}

/** Resident bytes of a process and all its descendants now; 0 where the system has no /proc. */
function treeMemory(root: number): number {
  const processes = new Map<number, { readonly parent: number; readonly bytes: number }>();
  try {
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const status = readFileSync(`/proc/${name}/status`, 'latin1');
        const number = (key: string): number =>
          Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
        processes.set(Number(name), { parent: number('PPid'), bytes: (number('VmRSS') || 0) * 1024 });
      } catch {
        // Ended meanwhile.
      }
    }
  } catch {
    return 0;
  }
  const isWithin = (id: number): boolean => {
    for (let at: number | undefined = id; at !== undefined; at = processes.get(at)?.parent) {
      if (at === root) return true;
    }
    return false;
  };
  let sum = 0;
  for (const [id, { bytes }] of processes) if (isWithin(id)) sum += bytes;
  return sum;
}

/** Bytes that could be had now without swapping; undefined where the system does not say. */
export function availableMemory(): number | undefined {
  try {
    const line = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'latin1'));
    return line ? Number(line[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}
