import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../../src/shared/errors.ts';
import type { HalfReport, SeenPair } from './half-report.ts';
import { environmentWith, runProcess } from './process.ts';
import { trlArguments, trlEnvironment, type TrlSettings } from './trl-settings.ts';

export interface HalfInput {
  readonly model: string;
  /** File of pairs as token ids. */
  readonly pairs: string;
  /** Folder of the adapter that training starts from. */
  readonly adapter: string;
  readonly threads: number;
  /** Folder for what halves write. */
  readonly scratch: string;
}

export const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const pipLine = 'python -m pip install -r test/parity/requirements.txt';

/**
 * Finds out before any long work whether TRL's half can run.
 * @throws InputError where Python or a library is missing
 */
export function requireTrl(python: string): void {
  requirePython(python, ['torch', 'transformers', 'trl', 'peft']);
}

/** As `requireTrl`, for the libraries named. */
export function requirePython(python: string, libraries: readonly string[]): void {
  const code =
    'import importlib.util as u; ' +
    `print(*(n for n in ${JSON.stringify(libraries)} if u.find_spec(n) is None), sep=", ")`;
  const found = spawnSync(python, ['-c', code], { encoding: 'utf8', env: environmentWith({}) });
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

const inputArguments = ({ model, pairs, adapter, threads }: HalfInput): string[] => [
  ...['--model', model, '--pairs', pairs, '--adapter', adapter],
  ...['--threads', String(threads), '--started', String(Date.now())],
];

/** @param referenceOnly leaves the training out */
export async function runEngine(
  input: HalfInput,
  { lowMemory = false, referenceOnly = false } = {},
): Promise<HalfReport> {
  return half('the engine', process.execPath, input, [
    script('engine_half.ts'),
    ...inputArguments(input),
    ...(lowMemory ? ['--low-memory'] : []),
    ...(referenceOnly ? ['--reference-only'] : []),
  ]);
}

export async function runTrl(python: string, input: HalfInput, settings: TrlSettings): Promise<HalfReport> {
  const given = [script('trl_half.py'), ...inputArguments(input), ...trlArguments(settings)];
  return half('TRL', python, input, given, trlEnvironment(settings));
}

async function half(
  name: string,
  program: string,
  { scratch }: HalfInput,
  given: readonly string[],
  environment?: Readonly<Record<string, string>>,
): Promise<HalfReport> {
  const out = join(scratch, 'half.json');
  const { peakBytes } = await runProcess(name, program, [...given, '--out', out], { environment });
  const report = JSON.parse(readFileSync(out, 'utf8')) as HalfReport;
  return { ...report, peak_rss_bytes: Math.max(report.peak_rss_bytes, peakBytes) };
}

/** Peak of products of float32 matrices on these threads, in operations per second. */
export async function measurePeak(threads: number, scratch: string): Promise<number> {
  const out = join(scratch, 'peak.json');
  const given = [script('peak_half.ts'), '--threads', String(threads), '--out', out];
  await runProcess('the measurement of the peak', process.execPath, given);
  return (JSON.parse(readFileSync(out, 'utf8')) as { flops_per_second: number }).flops_per_second;
}

export interface GridRun {
  readonly loss: string;
  readonly learningRate: number;
  readonly seed: number;
}

export interface GridReport {
  readonly updates: number;
  readonly pairs_seen: readonly SeenPair[];
  readonly reference_log_probs: HalfReport['reference_log_probs'];
  readonly peak_rss_bytes: number;
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * One of TRL's runs of the grid, from a file to an adapter.
 * @param folder that the adapter is written to; the libraries' own cache lies beside it
 * @returns its report, and the seconds of its process
 */
export async function runTrlGrid(
  python: string,
  input: Pick<HalfInput, 'model' | 'threads' | 'scratch'> & {
    readonly data: string;
    readonly longest: number;
  },
  settings: TrlSettings,
  { loss, learningRate, seed }: GridRun,
  folder: string,
): Promise<{ readonly report: GridReport; readonly seconds: number; readonly peakBytes: number }> {
  const out = join(input.scratch, 'grid.json');
  const given = [
    script('trl_grid.py'),
    ...['--model', input.model, '--data', input.data, '--threads', String(input.threads)],
    ...['--loss', loss, '--learning-rate', String(learningRate), '--seed', String(seed)],
    ...['--longest', String(input.longest), '--adapter-out', folder, '--out', out],
    ...trlArguments(settings),
  ];
  const environment = { ...trlEnvironment(settings), HF_DATASETS_CACHE: join(folder, '..', 'cache') };
  const { seconds, peakBytes } = await runProcess('TRL', python, given, { environment });
  return { report: JSON.parse(readFileSync(out, 'utf8')) as GridReport, seconds, peakBytes };
}
