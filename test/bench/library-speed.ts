/**
 * How fast pages are answered where a library grows large: charts and a comparison of 12 runs of 100,000 steps, and a
 * table of a million rows. Each line is a figure: mean processor time, wall time, and the longest time that the event loop was held.
 * `node test/bench/library-speed.ts [rows]`
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RowFilter } from '../../src/shared/contract.ts';
import { openTestHome, recordComparison } from '../../src/main/service/testing.ts';

const rows = Number(process.argv[2] ?? 1_000_000);
const steps = 100_000;
const metrics = ['loss', 'grad_norm', 'rewards/margins', 'gate/open', 'num_tokens', 'time/step_s'];

async function timed(label: string, work: () => Promise<unknown>, times = 9): Promise<void> {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  const all: number[] = [];
  let processor = 0;
  delays.enable();
  for (let time = 0; time < times; time += 1) {
    await sleep(5);
    const started = performance.now();
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    all.push(performance.now() - started);
    processor += (user + system) / 1000;
  }
  delays.disable();
  const [first] = all;
  all.sort((a, b) => a - b);
  const middle = all[times >> 1]!.toFixed(1);
  const held = (delays.max / 1e6).toFixed(0);
  console.log(
    `${label}: processor ${(processor / times).toFixed(1)} ms; first ${first!.toFixed(1)} ms, median ${middle} ms, slowest ${all.at(-1)!.toFixed(1)} ms; held ${held} ms`,
  );
}

const home = await openTestHome();
try {
  const { services, store } = home;
  const { comparison, runs } = recordComparison(store, [0, 1, 2, 3, 4, 5], (place) =>
    (function* () {
      for (let step = 1; step <= steps; step += 1)
        yield {
          step,
          ...Object.fromEntries(metrics.map((name, at) => [name, Math.sin(step * (at + place))])),
        };
    })(),
  );
  await timed('12 runs x 100,000 steps x 6 metrics at 800 points', () =>
    services.runSeries({ runs, metrics, points: 800 }),
  );
  await timed('the same, of the middle', () =>
    services.runSeries({ runs, metrics, from: 31_000, to: 77_000, points: 800 }),
  );
  await timed('comparison of 12 runs x 100,000 steps', () => services.showComparison({ comparison }));

  const id = store.datasets.stage({ source: 'pairs.jsonl', format: 'preference', conversational: false });
  const words = 'the model finds a likelier answer where its reference does not '.repeat(4);
  for (let from = 0; from < rows; from += 5000) {
    const some = Array.from({ length: Math.min(5000, rows - from) }, (_, at) => {
      const index = from + at;
      const row = {
        kind: 'preference',
        index,
        prompt: `${index} ${words}`,
        chosen: words,
        rejected: `${words}?`,
      };
      return { row: row as typeof row & { kind: 'preference' } };
    });
    store.datasets.append(id, some);
  }
  store.datasets.publish(id, { name: 'pairs', hash: 'd'.repeat(64) });
  const places = { first: 0, middle: rows >> 1, last: rows - 100 };
  const pages = async (what: string, filter?: RowFilter): Promise<void> => {
    const all = filter === undefined ? {} : { filter };
    const { total } = await services.dataRows({ data: 'pairs', from: 0, limit: 1, ...all });
    for (const [name, place] of Object.entries(places)) {
      const from = Math.min(place, Math.max(0, total - 100));
      await timed(`${rows.toLocaleString('en')} rows${what}, ${name} page of 100`, () =>
        services.dataRows({ data: 'pairs', from, limit: 100, ...all }),
      );
    }
  };
  await pages('');
  const half = { rows: [[0, rows >> 1]] as const };
  await services.markData({ data: 'pairs', select: half, mark: { kind: 'tag', tag: 'seen' } });
  await services.splitData({ data: 'pairs', by: { share: 0.5, seed: 0 } });
  await pages(', half of them tagged, split in halves');
  for (const filter of [{ tagged: 'seen' }, { side: 'eval' }, { marked: 'included' }] as const) {
    const name = JSON.stringify(filter);
    await timed(
      `the list of ${name}`,
      () => services.dataRows({ data: 'pairs', from: 0, limit: 1, filter }),
      1,
    );
    await pages(` with ${name}`, filter);
  }
} finally {
  await home.close();
}
