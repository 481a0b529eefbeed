/**
 * Retakes the pictures in docs/images: `node scripts/take-screenshots.ts [report.html]`. Without a report it runs the
 * demo first. Needs Chromium (PLUMBLINE_CHROMIUM, or /usr/bin/chromium).
 */
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { main } from '../src/main/host/cli/main.ts';

const images = resolve(import.meta.dirname, '../docs/images');
await mkdir(images, { recursive: true });
const work = await mkdtemp(join(tmpdir(), 'plumbline-screenshots-'));
try {
  let report = process.argv[2];
  if (report === undefined) {
    report = join(work, 'demo.html');
    const code = await main(['demo', '--home', work, '--report', report]);
    if (code !== 0) process.exit(code);
  }
  const browser = await chromium.launch({
    executablePath: process.env['PLUMBLINE_CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  });
  for (const { name, width, height, colorScheme } of [
    { name: 'report', width: 1280, height: 1500, colorScheme: 'light' },
    { name: 'report-dark', width: 1280, height: 1500, colorScheme: 'dark' },
  ] as const) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    await page.goto(pathToFileURL(resolve(report)).href);
    // Charts are drawn without animation, but only after layout has settled.
    await page.waitForTimeout(1000);
    await page.screenshot({ path: join(images, `${name}.png`) });
    await page.close();
  }
  await browser.close();
} finally {
  await rm(work, { recursive: true, force: true });
}
