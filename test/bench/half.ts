import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../src/shared/errors.ts';
import type { HalfReport } from './report.ts';

export interface HalfInput {
  readonly model: string;
  readonly pairs: string;
  readonly adapter: string;
  readonly threads: number;
  /** Where the half writes its report. */
  readonly out: string;
}

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const pipLine = 'python -m pip install -r test/parity/requirements.txt';

/** Both halves run with the allocator as installed. */
const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(MALLOC_|GLIBC_TUNABLES$|LD_PRELOAD$)/.test(name)),
);

/**
 * Finds out before any long work whether TRL's half can run.
 * @throws InputError where Python or a library is missing
 */
export function requireTrl(python: string): void {
  const code =
    'import importlib.util as u; ' +
    'print(*(n for n in ("torch", "transformers", "trl", "peft") if u.find_spec(n) is None), sep=", ")';
  const found = spawnSync(python, ['-c', code], { encoding: 'utf8', env: environment });
  if (found.error) throw new InputError(`cannot be started: ${found.error.message}`, { file: python });
  if (found.status !== 0) {
    const lastLine = found.stderr.trim().split('\n').at(-1) ?? '';
    throw new InputError(`is no Python that works: ${lastLine}`, { file: python });
  }
  const missing = found.stdout.trim();
  if (missing !== '') {
    throw new InputError(`misses ${missing}; install with: ${pipLine}`, { file: python });
  }
}

export function runEngine(input: HalfInput): Promise<HalfReport> {
  return runHalf('the engine', process.execPath, script('engine_bench.ts'), input);
}

export function runTrl(python: string, input: HalfInput): Promise<HalfReport> {
  return runHalf('TRL', python, script('trl_bench.py'), input);
}

async function runHalf(name: string, program: string, path: string, input: HalfInput): Promise<HalfReport> {
  const given = Object.entries(input).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const child = spawn(program, [path, ...given], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-20_000)));
  }
  let peak = 0;
  const sampling = setInterval(() => {
    if (child.pid !== undefined) peak = Math.max(peak, treeMemory(child.pid));
  }, 500);
  // Whoever stops this program stops the half that it waits for.
  const stop = (): void => void child.kill();
  process.once('exit', stop);
  try {
    const status = await new Promise<number | null>((ended, failed) => {
      child.on('error', failed).on('close', ended);
    });
    if (status !== 0) throw new Error(`${name} failed (exit code ${status}):\n${output.trimEnd()}`);
  } finally {
    clearInterval(sampling);
    process.off('exit', stop);
  }
  const report = JSON.parse(readFileSync(input.out, 'utf8')) as HalfReport;
  return { ...report, peak_rss_bytes: Math.max(report.peak_rss_bytes, peak) };
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
