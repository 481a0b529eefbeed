// Reads mutated inputs by the readers under `targets`, and says how many crashed, hung, took too much memory, failed
// without a clean error or wrote outside their folder. The last line is the figure.
import { fork } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Report } from './child.ts';
import { targets } from './targets/index.ts';

const memoryAllowed = 256 * 2 ** 20;
/** Milliseconds of processor time, or where that is not known of real time. */
const timeAllowed = 1000;
/** A child takes this many cases, so that its most memory tells of few. */
const casesPerChild = 500;

/** What went wrong in one case. */
export interface Finding {
  readonly target: string;
  readonly at: number;
  readonly kind: 'crash' | 'hang' | 'memory' | 'unclean' | 'outside';
  readonly message: string;
}

/** Figures of one target. */
export interface Tally {
  cases: number;
  read: number;
  refused: number;
  slowest: number;
  /** Bytes above the process's memory after its first case. */
  mostMemory: number;
  readonly findings: Finding[];
}

/** Runs cases `first` to `end` of a target in child processes. */
export async function fuzz(target: string, seed: number, first: number, end: number): Promise<Tally> {
  const tally: Tally = { cases: 0, read: 0, refused: 0, slowest: 0, mostMemory: 0, findings: [] };
  for (let next = first; next < end;)
    next = await runChild(target, seed, next, Math.min(end, next + casesPerChild), tally);
  return tally;
}

/** @returns the case to go on with */
function runChild(target: string, seed: number, first: number, end: number, tally: Tally): Promise<number> {
  // Thousands of small files: memory rather than the disk where the system offers it.
  const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fuzz-'));
  const child = fork(
    fileURLToPath(new URL('child.ts', import.meta.url)),
    [target, String(seed), String(first), String(end), root],
    {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    },
  );
  let errors = '';
  child.stderr!.on('data', (data: Buffer) => (errors = (errors + data.toString()).slice(-2000)));
  let current = first;
  let baseline: number | undefined;
  let begunAt: { readonly real: number; readonly processor: number } | undefined;
  let done = first;
  let hung = false;
  const find = (kind: Finding['kind'], message: string): void => {
    tally.findings.push({ target, at: current, kind, message });
  };
  child.on('message', (message) => {
    const report = message as Report;
    current = report.at;
    if ('begun' in report) {
      begunAt = { real: performance.now(), processor: processorTime(child.pid!) };
      return;
    }
    begunAt = undefined;
    done = report.at + 1;
    tally.cases += 1;
    if (report.outcome === 'read') tally.read += 1;
    else if (report.outcome === 'refused') tally.refused += 1;
    else find(report.outcome, report.message);
    tally.slowest = Math.max(tally.slowest, report.milliseconds);
    // The first case loads what all need.
    baseline ??= report.memory;
    const above = report.memory - baseline;
    tally.mostMemory = Math.max(tally.mostMemory, above);
    if (above > memoryAllowed) {
      find('memory', `${Math.round(above / 2 ** 20)} MiB above the baseline`);
      baseline = report.memory;
    }
  });
  const clock = setInterval(() => {
    if (begunAt === undefined) return;
    const real = performance.now() - begunAt.real;
    const processor = processorTime(child.pid!) - begunAt.processor;
    if ((Number.isNaN(processor) ? real : processor) > timeAllowed || real > 20 * timeAllowed) {
      hung = true;
      child.kill('SIGKILL');
    }
  }, 50);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearInterval(clock);
      rmSync(root, { recursive: true, force: true });
      if (code === 0 && done === end) return resolve(end);
      tally.cases += 1;
      find(hung ? 'hang' : 'crash', hung ? '' : `code ${code}, signal ${signal}: ${errors}`);
      resolve(current + 1);
    });
  });
}

/** Milliseconds of processor time a process has used; NaN where the system does not say. */
function processorTime(process: number): number {
  try {
    const fields = readFileSync(`/proc/${process}/stat`, 'utf8').split(') ')[1]!.split(' ');
    // User and system time in hundredths of a second, on every Linux that runs Node.
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return Number.NaN;
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: '100000' },
      target: { type: 'string' },
      seed: { type: 'string', default: '1' },
      from: { type: 'string', default: '0' },
    },
  });
  const chosen = targets.filter(({ name }) => values.target === undefined || name === values.target);
  if (chosen.length === 0) throw new Error(`targets are ${targets.map(({ name }) => name).join(', ')}`);
  const [total, from] = [Number(values.cases), Number(values.from)];
  const findings: Finding[] = [];
  let cases = 0;
  for (const [place, { name }] of chosen.entries()) {
    const share =
      Math.floor((total * (place + 1)) / chosen.length) - Math.floor((total * place) / chosen.length);
    const start = performance.now();
    const tally = await fuzz(name, Number(values.seed), from, from + share);
    cases += tally.cases;
    findings.push(...tally.findings);
    for (const { at, kind, message } of tally.findings) console.log(`${name} ${at}: ${kind} ${message}`);
    console.log(
      `${name}: ${tally.cases} cases, ${tally.read} read, ${tally.refused} refused, slowest ${Math.round(tally.slowest)} ms, ` +
        `at most ${Math.round(tally.mostMemory / 2 ** 20)} MiB above the baseline, ${Math.round((performance.now() - start) / 1000)} s`,
    );
  }
  const count = (kind: Finding['kind']): number => findings.filter((finding) => finding.kind === kind).length;
  console.log(
    `${cases.toLocaleString('en-US')} cases: ${count('crash')} crashes, ${count('hang')} hangs, ${count('memory')} over memory, ` +
      `${count('unclean')} unclean errors, ${count('outside')} writes outside`,
  );
  if (findings.length > 0) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
