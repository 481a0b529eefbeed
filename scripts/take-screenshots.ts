/**
 * Retakes the pictures of the app and of its report: `node scripts/take-screenshots.ts [FOLDER]`. Starts the app in a home of
 * its own, trains the bundled example there, and goes through every screen in light, dark and narrow. The few that the
 * readme shows go to docs/images; with FOLDER, all of them go there to be looked at. Needs Chromium (PLUMBLINE_CHROMIUM,
 * or /usr/bin/chromium) and a built page (npm run build).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chromium, type Page } from 'playwright-core';

const root = resolve(import.meta.dirname, '..');
const images = join(root, 'docs/images');
const work = mkdtempSync(join(tmpdir(), 'plumbline-screenshots-'));
const all = resolve(process.argv[2] ?? join(work, 'all'));
mkdirSync(all, { recursive: true });
mkdirSync(images, { recursive: true });

/** Screens by name, with what has to be there before the picture is taken. */
const screens: readonly { readonly name: string; readonly hash: string; readonly until: string }[] = [
  { name: 'projects', hash: '#/home', until: 'Latest comparisons' },
  { name: 'data', hash: '#/data', until: 'example-pairs' },
  { name: 'rows', hash: '#/data/example-pairs?row=3&model=example', until: 'Chosen' },
  { name: 'models', hash: '#/models', until: 'Vocabulary' },
  { name: 'model', hash: '#/models/example', until: 'hash of the weights' },
  {
    name: 'experiment',
    hash: '#/experiments?model=example&data=example-pairs&lr=1e-4%2C1e-3%2C1e-2&seeds=0%2C1%2C2&beta=0.05%2C0.1&arms=dpo%2Cminor-dpo',
    until: '36 runs',
  },
  { name: 'queue', hash: '#/experiments?tab=queue', until: 'Nothing waits' },
  { name: 'runs', hash: '#/runs', until: 'finished' },
  { name: 'run', hash: '#/runs/3', until: 'Checkpoints' },
  { name: 'comparisons', hash: '#/compare', until: 'finished' },
  { name: 'result', hash: '#/compare/1?tab=result', until: 'Answers side by side' },
  { name: 'curves', hash: '#/compare/1?tab=curves&at=1', until: 'Gate open' },
  { name: 'pairs', hash: '#/compare/1?tab=pairs', until: 'Held-out pairs at' },
  { name: 'differences', hash: '#/compare/1?tab=settings', until: 'learningRate' },
  { name: 'report', hash: '#/report/1', until: 'One file that holds everything' },
  { name: 'settings', hash: '#/settings', until: 'Jobs at once' },
];
/** What the readme shows. */
const shown = ['result', 'rows'];

const server = spawn(process.execPath, ['bin/plumbline.mjs', 'serve', '--json', '--no-open'], {
  cwd: root,
  env: { ...process.env, PLUMBLINE_HOME: work },
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  let said = '';
  server.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  let address: string | undefined;
  while ((address = /"address":\s*"([^"]+)"/.exec(said)?.[1]) === undefined)
    await once(server.stdout, 'data');
  const browser = await chromium.launch({
    executablePath: process.env['PLUMBLINE_CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  });
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
  await page.goto(address);
  await page.getByRole('button', { name: 'Train both on the example' }).waitFor();
  await take(page, 'first-start');
  await page.getByRole('button', { name: 'Train both on the example' }).click();
  await page.getByText('Gate open').first().waitFor({ timeout: 600_000 });
  await page.waitForTimeout(4000);
  await take(page, 'live');
  await page.locator('main header').getByText('finished').waitFor({ timeout: 900_000 });
  await takePlayground(page);
  for (const { name, hash, until } of screens) {
    await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
    await page.getByText(until).first().waitFor();
    // Charts are drawn without animation, but only after layout has settled.
    await page.waitForTimeout(1500);
    await take(page, name);
  }
  await browser.close();
  for (const name of shown)
    for (const theme of ['light', 'dark'])
      copyFileSync(
        join(all, `${name}-${theme}.png`),
        join(images, theme === 'light' ? `${name}.png` : `${name}-dark.png`),
      );
} finally {
  const ended = once(server, 'exit');
  server.kill('SIGINT');
  await ended;
  rmSync(work, { recursive: true, force: true });
}

async function takePlayground(page: Page): Promise<void> {
  await page.evaluate("location.hash = '#/compare/1?tab=result'");
  await page.getByRole('button', { name: 'Try side by side' }).click();
  await page
    .getByLabel('Prompt')
    .fill('Ben fills 5 trays with 6 toys in each. Jon takes 5. How many toys are left?');
  await page.getByRole('switch', { name: 'Colour tokens by log-prob' }).click();
  await page.getByRole('button', { name: 'Generate' }).click();
  const columns = page.getByRole('region', { name: /^Column/ });
  for (let place = 0; place < (await columns.count()); place += 1)
    await columns
      .nth(place)
      .getByText(/tokens in/)
      .waitFor({ timeout: 120_000 });
  await take(page, 'playground');
}

/** One screen in light, dark and narrow. */
async function take(page: Page, name: string): Promise<void> {
  for (const [kind, scheme, width, height] of [
    ['light', 'light', 1280, 860],
    ['dark', 'dark', 1280, 860],
    ['narrow', 'light', 420, 860],
  ] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height });
    await page.waitForTimeout(900);
    await page.screenshot({ path: join(all, `${name}-${kind}.png`) });
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 860 });
}
