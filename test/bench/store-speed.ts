/**
 * How fast the store is: `node test/bench/store-speed.ts [folder]`. A million points of one metric, a million points of
 * twenty, decimated reads of both, ten thousand runs in a list. The last lines are the figures.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../src/main/store/database.ts';
import type { MetricPoint } from '../../src/main/store/metrics.ts';
import { sampleDataset, sampleModel, sampleRun } from '../../src/main/store/samples.ts';

const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'plumbline-speed-'));
const store = openStore(join(folder, 'plumbline.db'));

function seconds(work: () => void): number {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
}

/** Median and worst of some calls in milliseconds, the first included. */
function repeated(count: number, work: (round: number) => void): { median: number; worst: number } {
  const times = Array.from({ length: count }, (_, round) => 1000 * seconds(() => work(round)));
  times.sort((a, b) => a - b);
  return { median: times[count >> 1]!, worst: times.at(-1)! };
}

function fill(run: number, steps: number, metrics: number, stepsAtOnce: number): number {
  const names = Array.from({ length: metrics }, (_, place) => `metric/${place}`);
  return seconds(() => {
    for (let from = 0; from < steps; from += stepsAtOnce) {
      const points: MetricPoint[] = [];
      for (let step = from; step < Math.min(steps, from + stepsAtOnce); step += 1) {
        const point: { step: number; [name: string]: number } = { step };
        for (const name of names) point[name] = Math.sin(step / 1000) + Math.random();
        points.push(point);
      }
      store.metrics.append(run, points);
    }
  });
}

const single = store.runs.add(sampleRun).id;
const wide = store.runs.add(sampleRun).id;
const small = store.runs.add(sampleRun).id;
const rates = [
  ['a million steps of one metric, 10,000 at once', 1e6 / fill(single, 1e6, 1, 10_000)],
  ['50,000 steps of 20 metrics, 500 steps at once', 1e6 / fill(wide, 50_000, 20, 500)],
  [
    '2,000 steps of 20 metrics, 10 steps at once (flushed to disk each time)',
    4e4 / fill(small, 2000, 20, 10),
  ],
] as const;
const reads = [
  ['a million steps', repeated(50, () => store.metrics.decimated(single, 'metric/0', { points: 1000 }))],
  [
    'any part of a million steps',
    repeated(200, () => {
      const [from, to] = [Math.random() * 1e6, Math.random() * 1e6].sort((a, b) => a - b);
      store.metrics.decimated(single, 'metric/0', { from: from!, to: to!, points: 1000 });
    }),
  ],
  [
    '50,000 steps, one of 20 metrics',
    repeated(60, (round) => store.metrics.decimated(wide, `metric/${round % 20}`, { points: 1000 })),
  ],
] as const;

const project = store.projects.add('many').id;
store.models.add(sampleModel);
store.datasets.add(sampleDataset, []);
const config = Object.fromEntries(Array.from({ length: 60 }, (_, place) => [`setting${place}`, place]));
store.transaction(() => {
  for (let run = 0; run < 10_000; run += 1) store.runs.add({ ...sampleRun, config, projectId: project });
});
const lists = repeated(20, () => {
  if (store.runSummaries.list({ projectId: project }).length !== 10_000) throw new Error('runs are missing');
});
const rewrite = 1000 * seconds(() => store.metrics.append(single, [{ step: 5, 'metric/0': 1 }]));
const truncate = 1000 * seconds(() => store.metrics.truncateAfter(single, 500_000));
store.close();
rmSync(folder, { recursive: true });

for (const [what, rate] of rates)
  console.log(`insert, ${what}: ${Math.round(rate).toLocaleString('en')} points/s`);
console.log(
  `one old step written again: ${rewrite.toFixed(1)} ms; half a million removed: ${truncate.toFixed(0)} ms`,
);
for (const [what, { median, worst }] of reads)
  console.log(`decimated to 1,000, ${what}: median ${median.toFixed(1)} ms, worst ${worst.toFixed(1)} ms`);
console.log(
  `10,000 runs of a project in a list: median ${lists.median.toFixed(0)} ms, worst ${lists.worst.toFixed(0)} ms`,
);
