/**
 * The page's speed and size in Chromium: from navigation, and from the start of `serve`, until its first screen has its
 * data (`performance.mark('usable')`); all its script, gzipped; and what its memory is and how it grows while trainings
 * go on. The last line is the figures. Needs a built page and a Chromium:
 * `npm run build && CHROMIUM=/usr/bin/chromium node test/bench/app-speed.ts [--starts 7] [--minutes 60]`
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { chromium, type Browser } from 'playwright-core';
import { openStore } from '../../src/main/store/database.ts';
import { fill, liveRuns, measureMemory, shownRuns, updatesPerSecond, type Growth } from './app-memory.ts';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const { values } = parseArgs({
  options: {
    starts: { type: 'string', default: '7' },
    minutes: { type: 'string', default: '60' },
  },
});
const [starts, minutes] = [Number(values.starts), Number(values.minutes)];

interface Start {
  /** Milliseconds until the first screen has its data. */
  readonly fromNavigation: number;
  readonly fromProcess: number;
  /** Names of the script files that the page has loaded by then. */
  readonly scripts: readonly string[];
}

/** A new process of the host and a new profile each time, as when a person starts the program. */
async function measureStart(browser: Browser, home: string): Promise<Start> {
  const began = Date.now();
  const server = spawn(process.execPath, [at('bin/plumbline.mjs'), 'serve', '--no-open', '--home', home], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  try {
    const [address] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
    const page = await context.newPage();
    // The mark is worth nothing where the screen's lists are not there yet.
    await page.addInitScript(`{
      const mark = performance.mark.bind(performance);
      performance.mark = (name, ...values) => {
        if (name === 'usable') globalThis.rowsWhenUsable = document.querySelectorAll('main tbody tr').length;
        return mark(name, ...values);
      };
    }`);
    await page.goto(address, { waitUntil: 'commit' });
    // By the debugger: the page's policy lets no text be evaluated.
    while (!(await page.evaluate<boolean>("performance.getEntriesByName('usable').length > 0")))
      await page.waitForTimeout(20);
    const { usable, origin, rows, scripts } = await page.evaluate<{
      usable: number;
      origin: number;
      rows: number;
      scripts: string[];
    }>(`({
      usable: performance.getEntriesByName('usable')[0].startTime,
      origin: performance.timeOrigin,
      rows: rowsWhenUsable,
      scripts: performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => name.endsWith('.js')),
    })`);
    // Two projects, one comparison.
    if (rows !== 3) throw new Error(`${rows} rows of 3 were there when the page called itself usable`);
    return {
      fromNavigation: usable,
      fromProcess: origin + usable - began,
      scripts: scripts.map((name) => basename(name)),
    };
  } finally {
    await context.close();
    if (server.kill('SIGINT')) await once(server, 'exit');
  }
}

const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[all.length >> 1]!;
const seconds = (all: readonly number[]): string =>
  `median ${(median(all) / 1000).toFixed(2)} s, slowest ${(Math.max(...all) / 1000).toFixed(2)} s`;
const megabytes = (all: readonly number[]): string => all.map((value) => value.toFixed(1)).join(' ');

const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
const home = mkdtempSync(join(tmpdir(), 'plumbline-start-'));
try {
  const store = openStore(join(home, 'plumbline.db'));
  fill(store, home, 1000, 0);
  for (const { id } of store.jobs.active()) store.jobs.end(id, 'finished');
  store.close();
  const all: Start[] = [];
  for (let each = 0; each < starts; each += 1) all.push(await measureStart(browser, home));
  const fromNavigation = all.map((start) => start.fromNavigation);
  const fromProcess = all.map((start) => start.fromProcess);
  console.log(`load ${loadavg()[0]!.toFixed(1)} on ${availableParallelism()} processors`);
  console.log(`usable after navigation: ${seconds(fromNavigation)}`);
  console.log(`usable after the start of serve: ${seconds(fromProcess)}`);

  const folder = at('dist/renderer/assets');
  const sizes = new Map(
    readdirSync(folder)
      .filter((name) => name.endsWith('.js'))
      .map((name) => [name, gzipSync(readFileSync(join(folder, name))).length / 1000]),
  );
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const first = all[0]!.scripts.reduce((sum, name) => sum + (sizes.get(name) ?? NaN), 0);
  console.log(
    `script, gzipped: ${total.toFixed(0)} kB in ${sizes.size} files; the first screen loads ${first.toFixed(0)} kB`,
  );

  const memory = await measureMemory(browser, minutes, (text) => process.stderr.write(`${text}\n`));
  const { screens, staying, wandering } = memory;
  for (const [place, heap] of screens) console.log(`heap on ${place}: ${heap.toFixed(1)} MB`);
  const grown = ({ heap, perMinute }: Growth): string =>
    `${perMinute.toFixed(3)} MB/min (${megabytes(heap)})`;
  console.log(
    `${(memory.updates / updatesPerSecond / 60).toFixed(0)} minutes at ${updatesPerSecond} updates a second, ` +
      `${liveRuns} of ${shownRuns} runs at work: ${memory.updates.toLocaleString('en')} updates and ` +
      `${memory.calls.toLocaleString('en')} calls in ${memory.seconds.toFixed(0)} s; the page's clock went on by ` +
      `${1000 / updatesPerSecond} ms with each update, once what it had asked for was drawn, so minutes are the page's`,
  );
  console.log(`staying on ${shownRuns} runs over each other: ${grown(staying)}`);
  console.log(`from screen to screen, at the same one: ${grown(wandering)}`);
  const most = Math.max(...screens.values(), ...staying.heap);
  console.log(
    `usable in ${(median(fromNavigation) / 1000).toFixed(2)} s, script ${total.toFixed(0)} kB, heap at most ${most.toFixed(1)} MB, ` +
      `growing by ${Math.max(staying.perMinute, wandering.perMinute).toFixed(3)} MB/min`,
  );
} finally {
  await browser.close();
  rmSync(home, { recursive: true, force: true });
}
