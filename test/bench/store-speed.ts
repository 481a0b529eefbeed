/**
 * How fast the database is where it grows large: metrics of a long run written and drawn, runs of a large project
 * listed. The last lines are the figures. `node test/bench/store-speed.ts`
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type Store } from '../../src/main/store/database.ts';
import type { MetricPoint } from '../../src/main/store/metrics.ts';
import { sampleModel, sampleRun } from '../../src/main/store/samples.ts';
import { parseRunConfig } from '../../src/shared/config.ts';
import { metricNames } from '../../src/shared/metrics.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-speed-'));
const figures: string[] = [];

function milliseconds(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

/** Median and slowest of some repetitions, the first one included: a person waits for that one too. */
function timed(work: () => void, times = 15): string {
  const all = Array.from({ length: times }, () => milliseconds(work)).sort((a, b) => a - b);
  return `median ${all[times >> 1]!.toFixed(1)} ms, slowest ${all.at(-1)!.toFixed(1)} ms`;
}

/** Trainings as a person's project gathers them: a job each, with its request and the run's config. */
function addRuns(store: Store, count: number, projectId: number): void {
  store.models.add(sampleModel);
  const config = { ...parseRunConfig({ loss: 'minor-dpo' }) };
  store.transaction(() => {
    for (let place = 0; place < count; place += 1) {
      // A file, not an imported dataset: its name is found in the request.
      const asked = { data: `/somewhere/pairs-${place % 50}.jsonl`, config, metrics: 'm.jsonl' };
      const job = store.jobs.add({
        kind: 'train',
        request: { kind: 'train', asked, absolute: asked },
        projectId,
      });
      const dataHash = String(place % 50).padStart(64, '0');
      store.runs.add({ ...sampleRun, dataHash, config, jobId: job.id, projectId });
    }
  });
}

/** Points as a training tells them: `steps` of them, each with `metrics` values. */
function insert(store: Store, steps: number, metrics: number, atOnce: number): number {
  const { id } = store.runs.add(sampleRun);
  const names = metricNames.slice(0, metrics);
  const time = milliseconds(() => {
    for (let from = 0; from < steps; from += atOnce) {
      const points: MetricPoint[] = [];
      for (let step = from + 1; step <= Math.min(from + atOnce, steps); step += 1) {
        const values = names.map((name, place) => [name, Math.sin(step * (place + 1)) / step] as const);
        points.push({ step, ...Object.fromEntries(values) });
      }
      store.metrics.append(id, points);
    }
  });
  const rate = Math.round((1000 * steps * metrics) / time).toLocaleString('en');
  figures.push(
    `insert ${steps.toLocaleString('en')} steps x ${metrics} metrics, ${atOnce} steps at once: ${rate} values/s`,
  );
  return id;
}

try {
  const file = join(folder, 'plumbline.db');
  let store = openStore(file);
  const wide = insert(store, 50_000, 20, 100);
  const long = insert(store, 1_000_000, 1, 1000);
  insert(store, 500, 20, 1);
  store.close();
  for (const [title, run, last] of [
    ['50,000 steps x 20 metrics', wide, 50_000],
    ['1,000,000 steps', long, 1_000_000],
  ] as const) {
    for (const points of [500, 2000]) {
      store = openStore(file);
      const whole = timed(() => store.metrics.decimated(run, 'loss', { points }));
      const part = { from: Math.round(0.31 * last), to: Math.round(0.77 * last), points };
      const zoomed = timed(() => store.metrics.decimated(run, 'loss', part));
      figures.push(`${points} points of ${title}: ${whole}; of its middle: ${zoomed}`);
      store.close();
    }
  }
  store = openStore(file);
  const project = store.projects.add('large');
  addRuns(store, 10_000, project.id);
  const listed = timed(() => {
    if (store.runList.list({ projectId: project.id }).length !== 10_000) throw new Error('runs are missing');
  });
  figures.push(`list 10,000 runs of a project: ${listed}`);
  store.close();
  console.log(figures.join('\n'));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
