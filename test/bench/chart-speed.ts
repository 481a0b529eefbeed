/**
 * How much of the page's own script a pan or a zoom takes where 12 runs of 100,000 steps lie over each other. Chromium's
 * trace says what ran: event handlers, timers, frames and microtasks, not style, layout and painting. Milliseconds are
 * the page's thread's own, so that what else the machine does counts little. The last line is the figure. Needs a built page and a Chromium: `CHROMIUM=/usr/bin/chromium node test/bench/chart-speed.ts`
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium, type CDPSession, type Page } from 'playwright-core';
import { openStore } from '../../src/main/store/database.ts';
import { sampleRun } from '../../src/main/store/samples.ts';
import { parseRunConfig } from '../../src/shared/config.ts';

const runs = 12;
const steps = 100_000;
const times = 100;
const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Losses as trainings have them: falling, noisy, each in its own way. */
function fill(home: string): void {
  const store = openStore(join(home, 'plumbline.db'));
  let state = 1;
  const noise = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647 - 0.5;
  for (let run = 0; run < runs; run += 1) {
    const loss = run % 2 === 0 ? 'dpo' : 'minor-dpo';
    const config = { ...parseRunConfig({ loss, seed: run, steps }) };
    const { id } = store.runs.add({ ...sampleRun, loss, seed: run, config });
    for (let from = 1; from <= steps; from += 10_000)
      store.metrics.append(
        id,
        Array.from({ length: 10_000 }, (_, place) => {
          const step = from + place;
          return {
            step,
            loss: 0.69 * Math.exp((-step * (1 + run / 9)) / 60_000) + 0.2 * noise() + 0.02 * run,
          };
        }),
      );
  }
  store.close();
}

function serve(home: string): ChildProcess {
  return spawn(process.execPath, [at('bin/plumbline.mjs'), 'serve', '--no-open', '--home', home], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly ts: number;
  readonly dur?: number;
  /** Of `dur` what the thread ran, in microseconds. */
  readonly tdur?: number;
  readonly pid: number;
  readonly tid: number;
}
const script = new Set(['EventDispatch', 'FunctionCall', 'RunMicrotasks', 'FireAnimationFrame', 'TimerFire']);

async function traced(session: CDPSession, work: () => Promise<void>): Promise<TraceEvent[]> {
  const events: TraceEvent[] = [];
  session.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as TraceEvent[])));
  const done = new Promise<void>((resolve) => session.on('Tracing.tracingComplete', () => resolve()));
  await session.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { includedCategories: ['devtools.timeline', 'blink.user_timing'] },
  });
  await work();
  await session.send('Tracing.end');
  await done;
  return events;
}

const mark = (page: Page, name: string): Promise<unknown> =>
  page.evaluate((text) => performance.mark(text), name);
const twoFrames = (page: Page): Promise<unknown> =>
  page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');

/** Zooms in and out and pans, each named by marks; after each the finer values arrive. */
async function move(page: Page): Promise<void> {
  const box = (await page.locator('.plot').first().boundingBox())!;
  const [left, top] = [box.x + 60, box.y + box.height / 2];
  const width = box.width - 80;
  for (let each = 0; each < times; each += 1) {
    const x = left + width * (0.2 + 0.6 * ((each * 0.37) % 1));
    const isPan = each % 4 >= 2;
    await page.mouse.move(x, top);
    if (isPan) {
      await page.keyboard.down('Shift');
      await page.mouse.down();
      await page.mouse.move(x + 6, top);
      await twoFrames(page);
    }
    await mark(page, `from ${each}`);
    if (isPan) await page.mouse.move(x + (each % 8 < 4 ? 50 : -50), top);
    else await page.mouse.wheel(0, each % 8 < 5 ? -120 : 120);
    await twoFrames(page);
    await mark(page, `moved ${each}`);
    if (isPan) {
      await page.mouse.up();
      await page.keyboard.up('Shift');
    }
    await page.waitForTimeout(450);
    await mark(page, `settled ${each}`);
  }
}

/** Milliseconds of script between two marks; nested work counts once. */
function scriptBetween(events: readonly TraceEvent[], from: string, to: string): number {
  const start = events.find(({ name }) => name === from)!;
  const end = events.find(({ name }) => name === to)!;
  const inside = events
    .filter(
      ({ name, ph, tid, pid, ts }) =>
        ph === 'X' &&
        script.has(name) &&
        tid === start.tid &&
        pid === start.pid &&
        ts >= start.ts &&
        ts < end.ts,
    )
    .sort((a, b) => a.ts - b.ts);
  let total = 0;
  let until = 0;
  for (const { ts, dur = 0, tdur = 0 } of inside) {
    if (ts < until) continue;
    total += tdur;
    until = ts + dur;
  }
  return total / 1000;
}

function summary(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const quantile = (share: number): string =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(1);
  return `median ${quantile(0.5)} ms, 95th percentile ${quantile(0.95)} ms, most ${sorted.at(-1)!.toFixed(1)} ms`;
}

const home = mkdtempSync(join(tmpdir(), 'plumbline-charts-'));
let server: ChildProcess | undefined;
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  fill(home);
  server = serve(home);
  const [address] = (await once(createInterface({ input: server.stdout! }), 'line')) as [string];
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  await page.goto(address);
  const selected = Array.from({ length: runs }, (_, place) => place + 1).join(',');
  await page.evaluate(`location.hash = '#/runs?select=${selected}&charts=loss'`);
  const chart = page.locator('.plot').first();
  await page
    .locator('.legend .last')
    .nth(runs - 1)
    .waitFor();
  await page.waitForTimeout(1000);
  await chart.focus();
  const session = await page.context().newCDPSession(page);
  const events = await traced(session, () => move(page));
  const moved = Array.from({ length: times }, (_, each) =>
    scriptBetween(events, `from ${each}`, `moved ${each}`),
  );
  const settled = Array.from({ length: times }, (_, each) =>
    scriptBetween(events, `moved ${each}`, `settled ${each}`),
  );
  const { width } = (await chart.boundingBox())!;
  console.log(
    `${runs} runs of ${steps.toLocaleString('en')} steps on ${Math.round(width)} pixels, ${times} moves`,
  );
  console.log(`until the finer values were drawn besides: ${summary(settled)}`);
  console.log(`script per pan or zoom: ${summary(moved)}`);
} finally {
  await browser.close();
  if (server?.exitCode === null && server.kill('SIGINT')) await once(server, 'exit');
  rmSync(home, { recursive: true, force: true });
}
