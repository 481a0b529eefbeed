import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeReport } from '../../src/main/service/report.ts';
import type { ComparisonResult, RunResult } from '../../src/shared/comparison.ts';
import { syntheticComparison } from '../fixtures/synthetic-comparison.ts';

const executable = process.env['PLUMBLINE_CHROMIUM'] ?? '/usr/bin/chromium';
const present = existsSync(executable);
/** A busy machine draws late; how long it takes is not what is tested. */
const patient = { timeout: 30_000 };
if (!present) console.log(`report.test.ts skipped: no Chromium at ${executable} (set PLUMBLINE_CHROMIUM)`);

const hostile = '</script><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">';

describe.skipIf(!present)('the report in Chromium', () => {
  // JSON and back, as a report made from a stored result: what is not finite has become null.
  const result = JSON.parse(
    JSON.stringify(syntheticComparison({ dataName: hostile, steps: 80 })),
  ) as ComparisonResult;
  let folder: string;
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];
  const requests: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'plumbline-report-'));
    const path = join(folder, 'deep', 'report.html');
    await writeReport(path, result);
    browser = await chromium.launch({
      executablePath: executable,
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    page = await browser.newPage({ viewport: { width: 1400, height: 900 }, colorScheme: 'light' });
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(pathToFileURL(path).href);
    await page.waitForSelector('html[data-charts]');
  });

  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });

  // A copy is read: reading the chart's own canvas would make the browser complain of that.
  const readPixels = `const readPixels = (canvas) => {
    const copy = Object.assign(document.createElement('canvas'), { width: canvas.width, height: canvas.height });
    const context = copy.getContext('2d', { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    return context.getImageData(0, 0, copy.width, copy.height).data;
  };`;

  /** Share of a canvas's pixels that something was drawn on, per canvas id. */
  const inked = (): Promise<Record<string, number>> =>
    page.evaluate(`(() => { ${readPixels} return Object.fromEntries([...document.querySelectorAll('canvas')].map((canvas) => {
      const data = readPixels(canvas);
      let drawn = 0;
      for (let at = 3; at < data.length; at += 4) if (data[at] > 0) drawn++;
      return [canvas.id, drawn / (data.length / 4)];
    })); })()`);

  /** Pixels of a colour on one canvas. */
  const pixelsOf = (id: string, hex: string): Promise<number> =>
    page.evaluate(`(() => {
      ${readPixels}
      const data = readPixels(document.getElementById('${id}'));
      const [red, green, blue] = [1, 3, 5].map((at) => parseInt('${hex}'.slice(at, at + 2), 16));
      let count = 0;
      for (let at = 0; at < data.length; at += 4)
        if (data[at] === red && data[at + 1] === green && data[at + 2] === blue && data[at + 3] === 255) count++;
      return count;
    })()`);

  const rows = (selector: string): Promise<string[][]> =>
    page.evaluate(
      `[...document.querySelectorAll(${JSON.stringify(selector)})].map((row) =>
        [...row.cells].map((cell) => cell.textContent.replace(/\\s+/g, ' ').trim()))`,
    );

  it('loads without a complaint and asks for nothing but itself', () => {
    expect(complaints).toEqual([]);
    expect(requests).toHaveLength(1);
  });

  it('leaves one whole file', async () => {
    expect(await readdir(join(folder, 'deep'))).toEqual(['report.html']);
  });

  it('runs nothing that a name smuggles in, and shows the name as it is', async () => {
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect(await page.textContent('header')).toContain(hostile);
  });

  it('carries the whole result', async () => {
    const carried: unknown = await page.evaluate("JSON.parse(document.getElementById('result').textContent)");
    expect(carried).toEqual(result);
  });

  it('draws every chart, in the colours of its arms', async () => {
    const ink = await inked();
    // Five final measures; a scatter and five courses for each of the two learning rates.
    expect(Object.keys(ink)).toHaveLength(5 + 2 * 6);
    for (const [id, share] of Object.entries(ink)) expect(share, id).toBeGreaterThan(0.01);
    for (const id of ['dots-task', 'steps-0-log-ratios', 'steps-1-loss']) {
      expect(await pixelsOf(id, '#c04f00'), `dpo in ${id}`).toBeGreaterThan(30);
      expect(await pixelsOf(id, '#0067a5'), `minor-dpo in ${id}`).toBeGreaterThan(30);
    }
  });

  it('tells the means of two arms apart without colour, by marks at different steps', async () => {
    const marked = await page.evaluate<{ label: string; marks: [step: number, mark: string][] }[]>(`(() => {
      const chart = Chart.getChart('steps-0-log-ratios');
      return chart.data.datasets.flatMap(({ label, data }, at) => {
        const points = chart.getDatasetMeta(at).data;
        const marks = points.flatMap(({ options }, place) =>
          options.radius > 0 ? [[data[place].x, options.pointStyle]] : []);
        return label.endsWith(', mean') ? [{ label, marks }] : [];
      });
    })()`);
    expect(marked.map(({ label }) => label)).toEqual(
      result.arms.flatMap((arm) => ['c', 'r'].map((quantity) => `${arm} ${quantity}, mean`)),
    );
    const steps = (arm: string): number[] =>
      marked
        .filter(({ label }) => label.startsWith(`${arm} `))
        .flatMap(({ marks }) => marks.map(([at]) => at));
    for (const { label, marks } of marked) {
      expect(marks.length, label).toBeGreaterThan(3);
      const mark = label.startsWith('minor-dpo') ? 'triangle' : 'circle';
      expect(new Set(marks.map(([, drawn]) => drawn)), label).toEqual(new Set([mark]));
    }
    expect(steps('dpo').filter((step) => steps('minor-dpo').includes(step))).toEqual([]);
  });

  it('marks the diverged run in its table row and on its charts only', async () => {
    const badges = await page.locator('figure .badge').allTextContents();
    expect(new Set(badges)).toEqual(new Set(['✕ dpo, seed 2: diverged at step 48']));
    expect(badges).toHaveLength(5);
    expect(await page.locator('#results .badge').allTextContents()).toEqual(['1 diverged']);
  });

  it('shows in its tables what the data say', async () => {
    const percent = (share: number): string => (share * 100).toFixed(1);
    const average = (values: number[]): number => values.reduce((sum, value) => sum + value) / values.length;
    const deviation = (values: number[]): number =>
      Math.sqrt(values.reduce((sum, value) => sum + (value - average(values)) ** 2, 0) / (values.length - 1));
    const shown = (await rows('#results tbody tr')).slice(1);
    const cells = result.learningRates.flatMap((rate) =>
      result.arms.map((arm) => result.runs.filter((run) => run.learningRate === rate && run.loss === arm)),
    );
    expect(shown).toHaveLength(cells.length);
    cells.forEach((runs, place) => {
      const finished = runs.filter((run) => run.status === 'finished');
      const values = (of: (evaluation: NonNullable<RunResult['evaluation']>) => number): number[] =>
        finished.map((run) => of(run.evaluation!));
      const task = values(({ task }) => task!.correct / task!.questions);
      const preference = values(({ preferenceAccuracy }) => preferenceAccuracy!);
      const margin = values(({ perPair }) => average(perPair!.map(({ c, r }) => c - r)));
      const row = shown[place]!;
      expect(row[2]).toBe(`${finished.length}/${runs.length}`);
      expect(row.slice(3, 7)).toEqual([
        percent(average(task)),
        `± ${percent(deviation(task))}`,
        percent(average(preference)),
        `± ${percent(deviation(preference))}`,
      ]);
      expect(row.slice(11, 13)).toEqual([average(margin).toFixed(1), `± ${deviation(margin).toFixed(1)}`]);
    });
    const base = (await rows('#results tbody tr'))[0]!;
    expect(base[3]).toBe(percent(result.base.task!.correct / result.base.task!.questions));
    expect(base[5]).toBe('–');
    expect(await rows('#runs tbody tr')).toHaveLength(result.runs.length);
  });

  it('fits a phone without scrolling sideways', async () => {
    await page.setViewportSize({ width: 400, height: 800 });
    // The charts learn of a new size in the next frame.
    await expect.poll(() => page.evaluate('document.documentElement.scrollWidth'), patient).toBe(400);
    await page.setViewportSize({ width: 1400, height: 900 });
  });

  it('changes its charts with the colour scheme, and prints on white', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(() => pixelsOf('dots-task', '#ff8a4c'), patient).toBeGreaterThan(30);
    expect(await pixelsOf('dots-task', '#c04f00')).toBe(0);
    await page.evaluate("window.dispatchEvent(new Event('beforeprint'))");
    expect(await pixelsOf('dots-task', '#c04f00')).toBeGreaterThan(30);
    expect(await page.locator('details:not([open])').count()).toBe(1);
    expect(await page.locator('#numbers:not([open])').count()).toBe(1);
    // As wide as an A4 page within a centimetre's margins: nothing is cut off at its side.
    await page.emulateMedia({ media: 'print' });
    await page.setViewportSize({ width: 718, height: 1000 });
    await expect.poll(() => page.evaluate('document.documentElement.scrollWidth'), patient).toBe(718);
    await page.setViewportSize({ width: 1400, height: 900 });
    await page.emulateMedia({ media: 'screen' });
    await page.evaluate("window.dispatchEvent(new Event('afterprint'))");
    expect(await pixelsOf('dots-task', '#ff8a4c')).toBeGreaterThan(30);
    expect(complaints).toEqual([]);
  });
});

describe('writing a report', () => {
  it('says which path it could not write, and leaves nothing behind', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'plumbline-report-'));
    // A folder stands where the report should go.
    const path = join(folder, 'report.html');
    await mkdir(path);
    await expect(writeReport(path, syntheticComparison({ steps: 3 }))).rejects.toThrow(
      `${path}: cannot write the report`,
    );
    expect(await readdir(folder)).toEqual(['report.html']);
    await rm(folder, { recursive: true });
  });
});
