/**
 * What a grid costs beside its runs: a grid of 3 losses × 3 learning rates × 3 seeds on the bundled example must take at
 * most 27 times the training and evaluation of one run, and 15 % more.
 *
 *     node test/bench/grid-cost.ts [--singles 3] [--threads 1]
 *
 * Counted for one run: the seconds on its record, from its first step's preparation to the end of its evaluation. Not
 * counted there, and counted for the grid: starting the process, reading and tokenising, opening sessions, the plan's passes,
 * reference log-probs and the untrained model's evaluation, all of which a grid does once, and the verdicts at its end. Single
 * runs are comparisons of one arm, as many before the grid as after it; their mean counts.
 *
 * On a machine that does other work as well, seconds on the clock tell of that work. So the processor time of the training
 * processes is measured too (Linux): one run's is half of what a comparison with three seeds takes more than one with one seed.
 * It decides where more processes wanted to run than there are cores. The last line is the figure; the exit code is 1 where it
 * is above the limit.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseSharedSettings } from '../../src/shared/config.ts';
import type { CompareRequest, CompareResult } from '../../src/shared/contract.ts';
import { demoSettings } from '../../src/shared/demo.ts';
import { createServices } from '../../src/main/service/index.ts';
import { mean } from '../../src/shared/statistics/descriptive.ts';

const { values } = parseArgs({
  options: { singles: { type: 'string', default: '3' }, threads: { type: 'string', default: '1' } },
});
const limit = 1.15;
const example = fileURLToPath(new URL('../../resources/example/', import.meta.url));
const at = (name: string): string => join(example, name);
const grid = { arms: ['dpo', 'minor-dpo', 'dpop'], learningRates: [5e-4, 1e-3, 2e-3], seeds: [1, 2, 3] };
const runs = grid.arms.length * grid.learningRates.length * grid.seeds.length;

const requestOf = (points: Pick<CompareRequest, 'arms' | 'learningRates' | 'seeds'>): CompareRequest => ({
  model: at('model'),
  data: at('train.jsonl'),
  taskData: at('test.jsonl'),
  taskTokens: demoSettings.taskTokens,
  ...points,
  shared: parseSharedSettings({
    ...demoSettings.shared,
    evalData: at('eval.jsonl'),
    threads: Number(values.threads),
  }),
});

interface Measured {
  readonly result: CompareResult;
  /** Seconds on the clock. */
  readonly wall: number;
  /** Processor seconds of the training process; undefined where the system does not say. */
  readonly cpu: number | undefined;
}

/** Processor seconds of all child processes that have ended, in hundredths (USER_HZ of Linux). */
function cpuOfChildren(): number | undefined {
  try {
    // The name in parentheses may hold blanks; cutime and cstime are the 16th and 17th field.
    const fields = readFileSync('/proc/self/stat', 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[13]) + Number(fields[14])) / 100;
  } catch {
    return undefined;
  }
}

/** In a home of its own: reference log-probs that are cached already would flatter the grid. */
async function carryOut(request: CompareRequest): Promise<Measured> {
  const home = mkdtempSync(join(tmpdir(), 'grid-cost-'));
  const services = await createServices({ home });
  const before = cpuOfChildren();
  const start = performance.now();
  let result: CompareResult;
  try {
    result = await services.compare(request);
  } finally {
    await services.close();
    rmSync(home, { recursive: true, force: true });
  }
  const wall = (performance.now() - start) / 1000;
  const after = cpuOfChildren();
  return { result, wall, cpu: before === undefined || after === undefined ? undefined : after - before };
}

const load = (): string =>
  loadavg()
    .map((value) => value.toFixed(1))
    .join(' ');
const seconds = (value: number | undefined): string => (value === undefined ? '–' : `${value.toFixed(2)} s`);

/** One run's training and evaluation: each loss in turn, at the middle rate. */
async function single(place: number): Promise<{ wall: number; cpu: number | undefined }> {
  const arm = grid.arms[place % grid.arms.length]!;
  const of = (seeds: readonly number[]) => carryOut(requestOf({ arms: [arm], learningRates: [1e-3], seeds }));
  const [one, three] = [await of([1]), await of([1, 2, 3])];
  const wall = mean(
    [...one.result.comparison.runs, ...three.result.comparison.runs].map((run) => run.seconds),
  );
  const cpu = one.cpu === undefined || three.cpu === undefined ? undefined : (three.cpu - one.cpu) / 2;
  console.log(`one run   ${arm.padEnd(9)} ${seconds(wall)}, processor ${seconds(cpu)}, load ${load()}`);
  return { wall, cpu };
}

const singles: { wall: number; cpu: number | undefined }[] = [];
const half = Number(values.singles);
const loads = [loadavg()[0]!];
for (let place = 0; place < half; place += 1) singles.push(await single(place));
const { result, wall, cpu } = await carryOut(requestOf(grid));
loads.push(loadavg()[0]!);
const inside = result.comparison.runs.reduce((sum, run) => sum + run.seconds, 0);
console.log(
  `grid      ${runs} runs ${seconds(wall)}, processor ${seconds(cpu)}; its own runs' records sum to ${seconds(inside)}, ` +
    `so ${(100 * (wall / inside - 1)).toFixed(1)} % lie beside them, load ${load()}`,
);
for (let place = 0; place < half; place += 1) singles.push(await single(place));

const one = mean(singles.map((each) => each.wall));
const known = singles.flatMap((each) => each.cpu ?? []);
const ratio = wall / (runs * one);
const cpuRatio = cpu === undefined || known.length === 0 ? undefined : cpu / (runs * mean(known));
const isBusy = Math.max(...loads) > availableParallelism();
const decides = isBusy && cpuRatio !== undefined ? cpuRatio : ratio;
console.log(
  `${ratio.toFixed(3)} by the clock${cpuRatio === undefined ? '' : `, ${cpuRatio.toFixed(3)} by processor time`} ` +
    `of ${runs} runs of ${seconds(one)} each, limit ${limit}` +
    (isBusy ? '; the machine was busy with other work' : ''),
);
process.exitCode = decides <= limit ? 0 : 1;
