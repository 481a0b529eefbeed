/** The page's memory while trainings go on: see app-speed.ts. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { startWebHost } from '../../src/main/host/web/start.ts';
import { createServices } from '../../src/main/service/index.ts';
import { recordComparison } from '../../src/main/service/testing.ts';
import { openStore, type Store } from '../../src/main/store/database.ts';
import type { MetricPoint } from '../../src/main/store/metrics.ts';
import { sampleModel } from '../../src/main/store/samples.ts';
import type { Services, StoreChange } from '../../src/shared/contract.ts';
import type { MetricName } from '../../src/shared/metrics.ts';
import { heapMegabytes, inPage, standingClock } from './app-clock.ts';

/** As often as the host looks what has changed. */
export const updatesPerSecond = 4;
/** Runs that are shown, and how many of them are at work. */
export const shownRuns = 12;
export const liveRuns = 4;
/** More than a chart has points: what it holds grows no more with the run. */
const startSteps = 5000;
const seeds = Array.from({ length: shownRuns / 2 }, (_, seed) => seed);
/** Between two looks at the heap, and two changes of lists. */
const minute = 60 * updatesPerSecond;

/** What the usual charts and the resources show. */
const metrics: readonly MetricName[] = [
  'loss',
  'grad_norm',
  'learning_rate',
  'rewards/chosen',
  'rewards/rejected',
  'rewards/margins',
  'rewards/accuracies',
  'gate/open',
  'throughput/pairs_per_s',
  'time/step_s',
  'memory/rss',
];

const pointAt = (step: number, run: number): MetricPoint => ({
  step,
  ...Object.fromEntries(
    metrics.map((name, place) => [
      name,
      Math.exp(-step / 10_000) + 0.1 * Math.sin(step * (place + 1.3) * (run + 1)),
    ]),
  ),
});

/** A home as a person's who has trained: a model, data, a comparison of two losses with its runs, their log. */
export function fill(store: Store, home: string, steps: number, open: number): readonly number[] {
  store.models.add(sampleModel);
  store.projects.add('letters');
  const { runs } = recordComparison(
    store,
    seeds,
    (run) => Array.from({ length: steps }, (_, place) => pointAt(place + 1, run)),
    open,
  );
  mkdirSync(join(home, 'logs'), { recursive: true });
  return runs;
}

interface LiveHost {
  readonly address: string;
  readonly runs: readonly number[];
  /** Takes a step in every run that is at work, writes it, and tells the page. */
  update(): void;
  close(): Promise<void>;
}

/** The host with its own poller put aside: pages are told of a change when `update` has made it. */
async function openLiveHost(): Promise<LiveHost> {
  const home = mkdtempSync(join(tmpdir(), 'plumbline-memory-'));
  const services = await createServices({ home });
  // Opened before there are runs at work: else they would be taken for orphans of a power cut.
  await services.listProjects();
  const store = openStore(join(home, 'plumbline.db'));
  const runs = fill(store, home, startSteps, liveRuns);
  const atWork = runs.slice(-liveRuns);
  const job = store.jobs.active()[0]!.id;
  const log = join(home, 'logs', `job-${job}.log`);
  const listeners = new Set<(change: StoreChange) => void>();
  const told: Services = {
    ...services,
    watch(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const host = await startWebHost({ services: told, home, port: 0 });
  let step = startSteps;
  let updates = 0;
  return {
    address: host.address,
    runs,
    update() {
      step += 1;
      updates += 1;
      store.transaction(() => {
        for (const run of atWork) {
          store.metrics.append(run, [pointAt(step, run)]);
          store.runs.advance(run, step, 0.25);
        }
      });
      appendFileSync(log, atWork.map((run) => `run ${run}: step ${step}, loss 0.6931\n`).join(''));
      const event = {
        kind: 'progress',
        label: 'training',
        done: step,
        total: 10 * startSteps,
        unit: 'steps',
      } as const;
      const change: StoreChange = {
        runs: store.runList.of(atWork),
        jobs: [{ job, event }],
        topics: updates % minute === 0 ? ['runs', 'comparisons', 'queue'] : [],
      };
      for (const listener of listeners) listener(change);
    },
    async close() {
      await host.close();
      await services.close();
      store.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export interface Growth {
  /** Megabytes at the end of every interval. */
  readonly heap: readonly number[];
  /** Per minute of the page's clock; the first value is left out: what is loaded once is no growth. */
  readonly perMinute: number;
}
export interface MemoryFigures {
  readonly minutes: number;
  readonly staying: Growth;
  readonly wandering: Growth;
  readonly screens: ReadonlyMap<string, number>;
  /** Updates, calls that the page made, and the seconds that it took. */
  readonly updates: number;
  readonly calls: number;
  readonly seconds: number;
}

/** The middle one of the slopes between any two values: what one load holds while it is at work does not tip it. */
function growth(heap: readonly number[], minutesBetween: number): Growth {
  const values = heap.slice(1);
  const slopes = values
    .flatMap((value, place) =>
      values.slice(place + 1).map((later, between) => (later - value) / (between + 1)),
    )
    .sort((a, b) => a - b);
  const [below, above] = [slopes[(slopes.length - 1) >> 1], slopes[slopes.length >> 1]];
  return { heap, perMinute: ((below ?? NaN) + (above ?? NaN)) / 2 / minutesBetween };
}

/**
 * The page through `minutes` of updates: a quarter of them on the overlay of all runs, where every second most charts are
 * loaded and drawn anew; the rest going from screen to screen, half a minute on each.
 */
export async function measureMemory(
  browser: Browser,
  minutes: number,
  tell: (text: string) => void,
): Promise<MemoryFigures> {
  const began = performance.now();
  const host = await openLiveHost();
  try {
    // High enough for most charts: only those in sight load.
    const page = await browser.newPage({ viewport: { width: 1400, height: 1600 } });
    await page.addInitScript(standingClock);
    const session = await page.context().newCDPSession(page);
    await page.goto(host.address);
    let updates = 0;
    const update = async (count: number): Promise<void> => {
      for (let each = 0; each < count; each += 1) {
        host.update();
        await inPage(session, `standingClock.turn(${++updates}, ${1000 / updatesPerSecond})`);
      }
    };
    const measure = async (): Promise<number> => {
      const heap = await heapMegabytes(session);
      const minutesPassed = (updates / minute).toFixed(1);
      tell(`${minutesPassed} minutes of updates: ${heap.toFixed(1)} MB`);
      return heap;
    };
    const show = async (hash: string): Promise<void> => {
      await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
      await page.locator('main h1').waitFor();
      await page.waitForLoadState('networkidle');
      await inPage(session, 'standingClock.settled()');
    };
    const overlay = `#/runs?select=${host.runs.join(',')}`;
    const last = host.runs.at(-1)!;
    const places = [
      '#/home',
      '#/data',
      '#/models',
      '#/experiments?tab=queue',
      '#/runs',
      overlay,
      `#/runs/${last}`,
      `#/runs/${last}?tab=log`,
      `#/runs/${last}?tab=resources`,
      '#/compare/1',
      '#/compare/1?tab=curves',
      '#/settings',
    ];
    const stay = Math.max(4, Math.round(minutes / 4));
    const interval = Math.max(1, Math.round(stay / 15));
    const staying: number[] = [];
    await show(overlay);
    for (let passed = 0; passed < stay; passed += interval) {
      await update(interval * minute);
      staying.push(await measure());
    }
    const screens = new Map<string, number>();
    const wandering: number[] = [];
    // Measured on the first of them, so that equals are compared.
    const rounds = Math.max(3, Math.round((2 * (minutes - stay)) / places.length));
    for (let round = 0; round < rounds; round += 1)
      for (const place of places) {
        await show(place);
        await update(minute / 2);
        if (place !== places[0] && round < rounds - 1) continue;
        const heap = await measure();
        if (place === places[0]) wandering.push(heap);
        if (round === rounds - 1) screens.set(place, heap);
      }
    const { calls } = await inPage<{ calls: number }>(session, 'standingClock.counts');
    await page.close();
    return {
      minutes,
      staying: growth(staying, interval),
      wandering: growth(wandering, places.length / 2),
      screens,
      updates,
      calls,
      seconds: (performance.now() - began) / 1000,
    };
  } finally {
    await host.close();
  }
}
