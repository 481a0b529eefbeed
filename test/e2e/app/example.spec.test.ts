import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ComparisonDetails } from '../../../src/shared/app/api.ts';
import { demoSettings } from '../../../src/shared/demo.ts';
import { plumbline, readLines, scratchFolder, writeLines } from '../support.ts';
import { tabTo } from './keyboard.ts';
import { canOpenApp, openApp, patient, type App } from './support.ts';

const scratch = scratchFolder();
const home = join(scratch.path, 'home');
/** Twenty trainings of the bundled model, on whatever machine this is. */
const wholeExample = 900_000;

/**
 * The bundled example with fewer pairs and questions, since that is what its time goes into: model, losses, rates
 * and seeds are as they are. The questions are enough to choose settings on one half and to judge on the other.
 */
function shorterExample(): string {
  const bundled = fileURLToPath(new URL('../../../resources/example', import.meta.url));
  const folder = join(scratch.path, 'example');
  cpSync(bundled, folder, { recursive: true });
  const shorten = (file: string, rows: number): string =>
    writeLines(join(folder, file), readLines(join(bundled, file)).slice(0, rows));
  shorten('train.jsonl', 80);
  shorten('eval.jsonl', 30);
  shorten('test.jsonl', 60);
  return folder;
}

describe.skipIf(!canOpenApp)('the bundled example, from first start', () => {
  let app: App;
  let page: Page;
  const heading = (name: string | RegExp): Promise<void> =>
    page.getByRole('heading', { level: 1, name }).waitFor();
  const tab = (name: string): Locator => page.getByRole('tab', { name });
  const press = (name: string): Promise<void> =>
    page.getByRole('button', { name, exact: true }).first().click();
  const expectClean = async (): Promise<void> => {
    expect(await app.findings()).toEqual([]);
    expect(app.complaints).toEqual([]);
  };
  /** What is saved when a menu's entry is chosen. */
  const saved = async (menu: string, entry: string): Promise<string> => {
    await page.getByRole('button', { name: menu, exact: true }).click();
    const { text } = await app.saved(() => page.getByRole('menuitem', { name: entry }).click());
    return text;
  };
  /** Pixels that something was drawn on, of the chart with a title. */
  const inked = (title: string): Promise<number> =>
    page.evaluate<number>(`(() => {
      const figures = [...document.querySelectorAll('figure')];
      const canvas = figures.find(({ textContent }) => textContent.includes(${JSON.stringify(title)})).querySelector('canvas');
      const copy = Object.assign(document.createElement('canvas'), { width: canvas.width, height: canvas.height });
      const context = copy.getContext('2d', { willReadFrequently: true });
      context.drawImage(canvas, 0, 0);
      const { data } = context.getImageData(0, 0, copy.width, copy.height);
      return data.reduce((sum, value, at) => sum + (at % 4 === 3 && value > 0 ? 1 : 0), 0);
    })()`);
  let details: ComparisonDetails;

  beforeAll(async () => {
    mkdirSync(home);
    app = await openApp(home, { example: shorterExample() });
    ({ page } = app);
  });
  afterAll(async () => {
    await app?.close();
    scratch.remove();
  });

  it('is offered where there is nothing yet', async () => {
    await heading('Projects');
    await page.getByRole('heading', { name: 'See what two losses do to one model' }).waitFor();
    // How fast a start is, is measured up to this mark (test/bench/app-speed.ts).
    const usable = (): Promise<number> => page.evaluate("performance.getEntriesByName('usable').length");
    await expect.poll(usable, patient).toBe(1);
    await expectClean();
  });

  it(
    'trains both arms at one press of a key, shows them as they come, and ends with the result',
    async () => {
      await tabTo(page, 'Train both on the example');
      await page.keyboard.press('Enter');
      await heading('Comparison 1');
      // Curves of runs that are at work.
      const chart = page.getByRole('figure').filter({ hasText: 'Gate open' });
      await chart.waitFor({ timeout: wholeExample });
      expect(await page.locator('main header').innerText()).toContain('running');
      await expect.poll(() => inked('Gate open'), { timeout: 60_000 }).toBeGreaterThan(1000);
      const side = page.getByRole('region', { name: 'Work at hand' });
      expect(await side.getByRole('progressbar').count()).toBe(1);
      await expectClean();
      // Parts by arrows, while it is at work and after.
      await tabTo(page, 'Curves');
      await page.keyboard.press('ArrowLeft');
      await page.getByRole('tab', { name: 'Result', selected: true }).waitFor();
      await page.keyboard.press('ArrowRight');
      await page.getByRole('tab', { name: 'Curves', selected: true }).waitFor();
      await chart.waitFor();
      await page.locator('main header').getByText('finished').waitFor({ timeout: wholeExample });
      await page.keyboard.press('ArrowLeft');
      await page.getByRole('region', { name: 'Verdict' }).waitFor();
      await side.waitFor({ state: 'detached' });
    },
    wholeExample,
  );

  // So far nothing was pressed with a mouse: the whole way goes by keys.
  it('reports by keyboard, too: opened, scrolled, saved and left', async () => {
    await tabTo(page, 'Report');
    await page.keyboard.press('Enter');
    await heading('Report of comparison 1');
    await page.frameLocator('iframe').locator('html[data-charts]').waitFor({ state: 'attached' });
    await tabTo(page, 'The report');
    const scrolled = (): Promise<number> =>
      page.frames()[1]!.evaluate<number>('document.scrollingElement.scrollTop');
    // Getting there may have scrolled it already.
    const before = await scrolled();
    await page.keyboard.press('PageDown');
    await expect.poll(scrolled, patient).toBeGreaterThan(before);
    await tabTo(page, 'Save it', 200);
    const { name, text } = await app.saved(() => page.keyboard.press('Enter'));
    expect(name).toMatch(/\.html$/);
    expect(text).toContain(await page.frameLocator('iframe').getByRole('heading', { level: 1 }).innerText());
    await tabTo(page, 'Comparison 1', 200);
    await page.keyboard.press('Enter');
    await heading('Comparison 1');
    await page.getByRole('region', { name: 'Verdict' }).waitFor();
    expect(app.complaints).toEqual([]);
  });

  it('says what its record says', async () => {
    const shown = await plumbline(home, ['comparisons', 'show', 1, '--json']);
    expect(shown.code, shown.err).toBe(0);
    details = shown.json<ComparisonDetails>();
    const { result, verdictList } = details;
    const { arms, learningRates, seeds } = demoSettings;
    expect(result!.runs).toHaveLength(arms.length * learningRates.length * seeds.length);
    const verdict = await page.getByRole('region', { name: 'Verdict' }).innerText();
    for (const { words, primary } of verdictList) if (primary) expect(verdict).toContain(words);
    expect(verdict).toContain('Only the loss differs');
    const rows = await page.locator('main table').first().locator('tbody tr').allInnerTexts();
    expect(rows).toHaveLength(1 + 4);
    const percent = (share: number): string => (share * 100).toFixed(1);
    expect(rows[0]).toContain(percent(result!.base.task!.correct / result!.base.task!.questions));
    result!.learningRates.forEach((rate, atRate) =>
      result!.arms.forEach((arm, atArm) => {
        const runs = result!.runs.filter((run) => run.learningRate === rate && run.loss === arm);
        const values = runs.map(({ evaluation }) => evaluation!.task!.correct / evaluation!.task!.questions);
        const mean = values.reduce((sum, value) => sum + value) / values.length;
        expect(rows[1 + 2 * atRate + atArm]).toContain(percent(mean));
      }),
    );
  });

  it('gives its charts away, as values and as pictures', async () => {
    const csv = (await saved('Save Task accuracy', 'Values (CSV)')).trim().split('\r\n');
    expect(csv).toHaveLength(1 + details.result!.runs.length);
    const run = details.result!.runs[0]!;
    const { correct, questions } = run.evaluation!.task!;
    const line = csv.find(
      (each) => each.startsWith(`"${run.loss}, lr`) && each.includes(`seed ${run.seed}`),
    )!;
    expect(Number(line.split(',').at(-1))).toBeCloseTo((100 * correct) / questions, 9);
    expect((await saved('Save Task accuracy', 'Picture (PNG)')).slice(1, 4)).toBe('PNG');
  });

  it('shows its parts without a fault, in light and dark', { timeout: 300_000 }, async () => {
    for (const name of ['Curves', 'Heat map', 'Held-out pairs', 'Settings', 'Runs', 'Result']) {
      await tab(name).click();
      await page.getByRole('tabpanel', { name }).waitFor();
      expect(await page.evaluate('location.hash')).toMatch(/tab=/);
      await expectClean();
    }
    // The address is the view's state.
    await tab('Settings').click();
    await page.reload();
    await page.getByRole('cell', { name: 'learningRate', exact: true }).waitFor();
    await page.goBack();
    await page.getByRole('region', { name: 'Verdict' }).waitFor();
  });

  it('reports in one file, shown in place', async () => {
    await press('Report');
    await heading('Report of comparison 1');
    const frame = page.frameLocator('iframe');
    await frame.getByRole('heading', { level: 1 }).waitFor();
    await frame.locator('html[data-charts]').waitFor({ state: 'attached' });
    const report = await app.saved(() => press('Save it'));
    expect(report.name).toMatch(/\.html$/);
    expect(report.text).toMatch(/^<!doctype html>[\s\S]+<\/html>\s*$/);
    const text = (await frame.locator('main').innerText()).replace(/\s+/g, ' ');
    for (const { words, primary } of details.verdictList) if (primary) expect(text).toContain(words);
    expect(app.complaints).toEqual([]);
  });

  it('lets base and arms answer side by side', { timeout: 300_000 }, async () => {
    await app.show('#/compare/1');
    await press('Try side by side');
    await heading('Playground');
    const columns = page.getByRole('region', { name: /^Column \d/ });
    await expect.poll(() => columns.count(), patient).toBe(3);
    const { question } = details.result!.base.task!.samples![0]!;
    await page.getByLabel('Prompt').fill(question);
    await page.keyboard.press('Control+Enter');
    for (const place of [0, 1, 2])
      await columns
        .nth(place)
        .getByText(/tokens in/)
        .waitFor({ timeout: 120_000 });
    const base = await columns.nth(0).innerText();
    expect(base.replace(/\s+/g, ' ')).toContain(
      details.result!.base.task!.samples![0]!.output.replace(/\s+/g, ' '),
    );
    await page.getByRole('switch', { name: 'Colour tokens by log-prob' }).click();
    await columns.nth(0).getByText('Log-probs in a table').click();
    const shown = await columns.nth(0).locator('tbody tr').count();
    expect(shown).toBe(Number(/(\d+) tokens in/.exec(base)![1]));
    await expectClean();
  });

  it('leaves every screen without a fault, in light and dark', { timeout: 600_000 }, async () => {
    const screens = [
      ['#/home', 'Projects'],
      ['#/models', 'Models'],
      ['#/models/example', 'example'],
      ['#/models/example?tab=tensors', 'example'],
      ['#/models/example?tab=tokenizer', 'example'],
      ['#/data', 'Data'],
      ['#/experiments', 'Experiments'],
      ['#/experiments?model=example&data=example-pairs&seeds=0%2C1%2C2&sft=on', 'Experiments'],
      ['#/experiments?tab=queue', 'Experiments'],
      ['#/runs', 'Runs'],
      ['#/runs/1', /^Run 1/],
      ['#/compare', 'Compare'],
      ['#/settings', 'Settings'],
    ] as const;
    for (const [hash, name] of screens) {
      await app.show(hash);
      await heading(name);
      expect(await app.findings(), hash).toEqual([]);
    }
    expect(app.complaints).toEqual([]);
  });
});
