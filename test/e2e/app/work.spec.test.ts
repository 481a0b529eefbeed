import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunDetails } from '../../../src/shared/contract.ts';
import {
  exactMetrics,
  inStore,
  plumbline,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
} from '../support.ts';
import { succeed } from '../succeed.ts';
import { focused, tabTo } from './keyboard.ts';
import { canOpenApp, openApp, patient, type App } from './support.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
const home = at('home');
/** Long enough to be met at work. */
const steps = 1500;

describe.skipIf(!canOpenApp)('work that is set up, interrupted and taken up on screen', () => {
  let app: App;
  let page: Page;
  const heading = (name: string | RegExp): Promise<void> =>
    page.getByRole('heading', { level: 1, name }).waitFor();
  const button = (name: string): Locator => page.getByRole('button', { name, exact: true });
  const status = (text: string): Promise<void> =>
    page.locator('main header').getByText(text, { exact: true }).waitFor({ timeout: 60_000 });
  const choose = async (label: string, option: string): Promise<void> => {
    await page.getByLabel(label, { exact: true }).click();
    await page.getByRole('option', { name: option }).first().click();
  };
  const details = async (run: number): Promise<RunDetails> =>
    (await succeed(home, ['runs', 'show', run, '--json'])).json<RunDetails>();
  const step = async (run: number): Promise<number> => (await details(run)).step;

  beforeAll(async () => {
    mkdirSync(home);
    writeTinyModel(at('tiny'));
    writeLines(at('sums.jsonl'), sums(40));
    await succeed(home, ['models', 'add', at('tiny'), '--name', 'tiny']);
    await succeed(home, ['data', 'add', at('sums.jsonl'), '--name', 'sums']);
    await succeed(home, ['settings', 'set', 'checkpointSeconds', '1']);
    app = await openApp(home);
    ({ page } = app);
  });
  afterAll(async () => {
    await app?.close();
    scratch.remove();
  });

  it('tells at its field what is wrong, and keeps what was typed in the address', async () => {
    await app.show('#/experiments');
    await choose('Model', 'tiny');
    await choose('Dataset', 'sums');
    await page.getByLabel('Learning rates').fill('1e-4, fast');
    await page.getByRole('alert').filter({ hasText: 'number' }).waitFor();
    expect(await button('Start').isDisabled()).toBe(true);
    await page.getByLabel('Learning rates').fill('1e-4');
    await page.getByLabel('Steps').fill(String(steps));
    await page.getByText('2 runs', { exact: true }).waitFor();
    await page.reload();
    await page.getByText('2 runs', { exact: true }).waitFor();
    expect(await page.getByLabel('Steps').inputValue()).toBe(String(steps));
  });

  it('is estimated before it starts', { timeout: 300_000 }, async () => {
    await button('Estimate').click();
    await page
      .getByText(/^about .+ of .+/)
      .first()
      .waitFor({ timeout: 120_000 });
    expect(await page.getByRole('complementary').innerText()).toMatch(/Time\s+about/);
    expect((await plumbline(home, ['runs', 'list', '--json'])).json<{ runs: [] }>().runs).toEqual([]);
  });

  it('is paused, and goes on from where it was', { timeout: 300_000 }, async () => {
    await button('Start').click();
    await heading('Comparison 1');
    await status('running');
    await expect.poll(() => step(1), { timeout: 60_000 }).toBeGreaterThan(50);
    await button('Pause').click();
    await status('paused');
    const paused = await step(1);
    expect((await details(1)).checkpoints.at(-1)!.step).toBe(paused);
    // What waits to be taken up is offered where one begins.
    await app.show('#/home');
    await button('Resume run 1').or(button('Resume run 2')).first().click();
    await app.show('#/compare/1');
    await status('running');
    await expect.poll(() => step(1), { timeout: 60_000 }).toBeGreaterThan(paused);
  });

  it('survives the death of its process', { timeout: 300_000 }, async () => {
    const pid = inStore(home, (store) => store.jobs.active()[0]!.workerPid)!;
    process.kill(pid, 'SIGKILL');
    await status('failed');
    await page.getByRole('alert').filter({ hasText: 'killed' }).waitFor();
    expect(await app.findings()).toEqual([]);
    await button('Resume').click();
    await status('running');
    await status('finished').catch(async () => {
      // Two trainings on a busy machine may take longer than one wait.
      await page.locator('main header').getByText('finished').waitFor({ timeout: 200_000 });
    });
  });

  it('has then the very numbers of one that nobody touched', { timeout: 300_000 }, async () => {
    const { command } = (await succeed(home, ['comparisons', 'show', 1, '--json'])).json<{
      result: { command: string };
    }>().result;
    const words = command.split(' -- compare ')[1]!.split(' ');
    await succeed(home, ['compare', ...words, '--out', at('again'), '--force']);
    const folders = ['dpo-lr1e-4-seed0', 'minor-dpo-lr1e-4-seed0'];
    folders.forEach((folder, place) => {
      const stored = inStore(home, (store) => store.metrics.points(place + 1));
      const again = exactMetrics(join(at('again'), folder, 'metrics.jsonl')) as { loss: number }[];
      // Step 0 is the start’s evaluation.
      expect(stored).toHaveLength(1 + steps);
      expect(stored.map(({ loss }) => loss)).toEqual(again.map(({ loss }) => loss));
    });
  });

  it(
    'waits in a queue whose order can be changed, and is removed on request',
    { timeout: 300_000 },
    async () => {
      for (const seed of ['7', '8']) {
        await app.show(`#/experiments?model=tiny&data=sums&arms=dpo&lr=1e-4&steps=5&seeds=${seed}`);
        await page.getByText('1 run', { exact: true }).waitFor();
        await button('Queue').click();
        await page.getByText('The queue is halted: what waits').waitFor();
      }
      const items = page.locator('main ol > li');
      await expect.poll(() => items.count(), patient).toBe(2);
      const order = async (): Promise<string[]> =>
        (await items.getByRole('link').allInnerTexts()).map((text) => text.replace('Comparison ', ''));
      const [first, second] = await order();
      await items
        .nth(1)
        .getByRole('button', { name: /Actions/ })
        .click();
      await page.getByRole('menuitem', { name: 'To the front' }).click();
      await expect.poll(order, patient).toEqual([second, first]);
      expect(await app.findings()).toEqual([]);
      await items
        .nth(1)
        .getByRole('button', { name: /Actions/ })
        .click();
      await page.getByRole('menuitem', { name: 'Remove…' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
      await expect.poll(order, patient).toEqual([second]);
      await button('Start the queue').click();
      await page.getByText('Nothing waits, nothing is at work').waitFor({ timeout: 120_000 });
      await app.show(`#/compare/${second}`);
      await status('finished');
    },
  );

  it('can be done by keyboard alone', { timeout: 300_000 }, async () => {
    await app.show('#/home');
    await heading('Projects');
    // As after a reload: nothing has the focus.
    await page.reload();
    await heading('Projects');
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Skip to the content');
    await tabTo(page, 'Experiments');
    await page.keyboard.press('Enter');
    await heading('Experiments');
    const select = async (label: string, option: string): Promise<void> => {
      await page.getByLabel(label, { exact: true }).focus();
      await page.keyboard.press('Enter');
      await page.getByRole('listbox').waitFor();
      await page.keyboard.type(option);
      await page.keyboard.press('Enter');
      await page.getByRole('listbox').waitFor({ state: 'detached' });
    };
    await select('Model', 'tiny');
    await select('Dataset', 'sums');
    await page.getByLabel('Steps').focus();
    await page.keyboard.type('4');
    await tabTo(page, 'Start');
    await page.keyboard.press('Enter');
    await heading(/^Comparison \d+$/);
    await status('finished');
    // Tabs by arrows, a dialog that gives the focus back.
    await page.getByRole('tab', { name: 'Result' }).focus();
    await page.keyboard.press('ArrowRight');
    await page.getByRole('tab', { name: 'Curves', selected: true }).waitFor();
    await button('Remove…').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await expect.poll(() => focused(page), patient).toBe('Remove…');
    expect(app.complaints).toEqual([]);
  });
});
