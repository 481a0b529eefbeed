/**
 * What a grid costs beside its runs: a grid of 3 losses × 3 learning rates × 3 seeds on the bundled example must take at
 * most 27 times the training and evaluation of one run, and 15 % more.
 *
 *     node test/bench/grid-cost.ts [--singles 3] [--threads 1]
 *
 * Counted for one run: the seconds on its record, from its first step's preparation to the end of its evaluation. Not
 * counted there, and counted for the grid: starting the process, reading and tokenising, opening sessions, the plan's passes,
 * reference log-probs and the untrained model's evaluation, all of which a grid does once, and the verdicts at its end. Single
 * runs are comparisons of one arm, half of them before the grid and half after it, since a machine that does other work
 * as well is not equally fast all the time; their mean counts. The last line is the figure; the exit code is 1 where it
 * is above the limit.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
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

/** In a home of its own: reference log-probs that are cached already would flatter the grid. */
async function carryOut(request: CompareRequest): Promise<{ result: CompareResult; wall: number }> {
  const home = mkdtempSync(join(tmpdir(), 'grid-cost-'));
  const services = await createServices({ home });
  try {
    const start = performance.now();
    const result = await services.compare(request);
    return { result, wall: (performance.now() - start) / 1000 };
  } finally {
    await services.close();
    rmSync(home, { recursive: true, force: true });
  }
}

const load = (): string =>
  loadavg()
    .map((value) => value.toFixed(1))
    .join(' ');

/** One run's training and evaluation, in seconds: each loss in turn, at the middle rate. */
async function single(place: number): Promise<number> {
  const arm = grid.arms[place % grid.arms.length]!;
  const { result, wall } = await carryOut(requestOf({ arms: [arm], learningRates: [1e-3], seeds: [1] }));
  const { seconds } = result.comparison.runs[0]!;
  console.log(
    `one run   ${arm.padEnd(9)} ${seconds.toFixed(2)} s (its comparison ${wall.toFixed(2)} s), load ${load()}`,
  );
  return seconds;
}

const singles: number[] = [];
const half = Number(values.singles);
for (let place = 0; place < half; place += 1) singles.push(await single(place));
const { result, wall } = await carryOut(requestOf(grid));
const inside = result.comparison.runs.reduce((sum, { seconds }) => sum + seconds, 0);
console.log(
  `grid      ${runs} runs ${wall.toFixed(1)} s; its own runs' records sum to ${inside.toFixed(1)} s, ` +
    `so ${(100 * (wall / inside - 1)).toFixed(1)} % lie beside them, load ${load()}`,
);
for (let place = 0; place < half; place += 1) singles.push(await single(place));

const one = mean(singles);
const ratio = wall / (runs * one);
console.log(
  `${wall.toFixed(1)} s for ${runs} runs of ${one.toFixed(2)} s each: ${ratio.toFixed(3)} of ${runs} runs, limit ${limit}`,
);
process.exitCode = ratio <= limit ? 0 : 1;
