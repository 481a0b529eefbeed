import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunDetails } from '../../../src/shared/contract.ts';
import {
  filesBelow,
  inStore,
  plumbline,
  scratchFolder,
  sums,
  writeLines,
  writeTinyModel,
} from '../support.ts';
import { succeed } from '../succeed.ts';
import { canOpenApp, openApp, type App } from './support.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
const home = at('home');

describe.skipIf(!canOpenApp)('work that is stopped, exported and removed on screen', () => {
  let app: App;
  let page: Page;
  const heading = (name: string | RegExp): Promise<void> =>
    page.getByRole('heading', { level: 1, name }).waitFor();
  const button = (name: string): Locator => page.getByRole('button', { name, exact: true });
  const dialog = (): Locator => page.getByRole('dialog');
  const status = (text: string): Promise<void> =>
    page.locator('main header').getByText(text, { exact: true }).waitFor({ timeout: 120_000 });
  const expectClean = async (): Promise<void> => expect(await app.findings()).toEqual([]);
  const details = async (run: number): Promise<RunDetails> =>
    (await succeed(home, ['runs', 'show', run, '--json'])).json<RunDetails>();
  /** Sets up training, up to the press that begins it. */
  const setUp = async (address: string, runs: string): Promise<void> => {
    await app.show(`#/experiments?model=tiny&data=sums&${address}`);
    await page.getByText(runs, { exact: true }).waitFor();
  };

  beforeAll(async () => {
    mkdirSync(home);
    writeTinyModel(at('tiny'));
    // Room for an answer that takes long.
    writeTinyModel(at('long'), { config: { max_position_embeddings: 65_536 } });
    writeLines(at('sums.jsonl'), sums(40));
    for (const name of ['tiny', 'long']) await succeed(home, ['models', 'add', at(name), '--name', name]);
    await succeed(home, ['data', 'add', at('sums.jsonl'), '--name', 'sums']);
    await succeed(home, ['settings', 'set', 'checkpointSeconds', '1']);
    app = await openApp(home);
    ({ page } = app);
  });
  afterAll(async () => {
    await app?.close();
    scratch.remove();
  });

  it('says where one begins that taking a run up starts what waits', { timeout: 300_000 }, async () => {
    await setUp('arms=dpo%2Cminor-dpo&lr=1e-3&steps=3000&seeds=0', '2 runs');
    await button('Start').click();
    await heading('Comparison 1');
    await status('running');
    await expect.poll(async () => (await details(1)).step, { timeout: 60_000 }).toBeGreaterThan(20);
    await button('Pause').click();
    await status('paused');
    await succeed(home, [
      ...['compare', '--queue', '--model', 'tiny', '--data', 'sums', '--arms', 'dpo'],
      ...['--lr', '1e-3', '--seeds', '0', '--steps', '3'],
    ]);
    await app.show('#/home');
    await page.getByRole('heading', { name: 'To be taken up' }).waitFor();
    await page.getByText('1 job waits in the queue, which is halted').waitFor();
    await expectClean();
  });

  it('is stopped by its run, which says that a person did it', { timeout: 300_000 }, async () => {
    await app.show('#/runs/1');
    await button('Stop').click();
    await status('interrupted');
    await page.getByText('It was stopped. Resume goes on from the last checkpoint').waitFor();
    await expectClean();
  });

  it('is stopped from its comparison, too, where it is paused', { timeout: 300_000 }, async () => {
    await app.show('#/compare/1');
    const told = page.getByText('It was stopped. What was done so far is kept');
    await told.waitFor();
    await button('Resume').click();
    await status('running');
    expect(await told.count()).toBe(0);
    await button('Pause').click();
    await status('paused');
    await button('Stop').click();
    await status('interrupted');
    await told.waitFor();
    await button('Resume').waitFor();
    await expectClean();
    await app.show('#/runs/1');
    await heading('Run 1');
  });

  it('gives an adapter away whole', { timeout: 120_000 }, async () => {
    const { name, bytes } = await app.saved(() => button('Export').click());
    expect(name).toBe('run-1.tar.gz');
    writeFileSync(at(name), bytes);
    mkdirSync(at('unpacked'));
    execFileSync('tar', ['xzf', at(name), '-C', at('unpacked')]);
    await succeed(home, ['runs', 'export', 1, '--out', at('exported')]);
    const [unpacked, exported] = [join(at('unpacked'), 'run-1'), at('exported')];
    expect(filesBelow(unpacked)).toEqual(filesBelow(exported));
    expect(filesBelow(unpacked)).toContain('adapter_model.safetensors');
    for (const file of filesBelow(exported))
      expect(readFileSync(join(unpacked, file)).equals(readFileSync(join(exported, file))), file).toBe(true);
  });

  it(
    'is removed with the comparison that it is of, once that is confirmed',
    { timeout: 120_000 },
    async () => {
      await button('Remove…').click();
      await dialog().getByText('All 2 runs of its comparison go (1, 2)').waitFor();
      await expectClean();
      await dialog().getByRole('button', { name: 'Cancel' }).click();
      await dialog().waitFor({ state: 'detached' });
      expect((await details(1)).status).toBe('interrupted');
      await button('Remove…').click();
      await dialog().getByRole('button', { name: 'Remove', exact: true }).click();
      await heading('Runs');
      for (const run of [1, 2]) expect((await plumbline(home, ['runs', 'show', run])).code).not.toBe(0);
      await app.show('#/compare/1');
      await page.getByRole('alert').filter({ hasText: 'there is no comparison 1' }).waitFor();
      await expectClean();
    },
  );

  it('shows where runs diverged, in every chart and part', { timeout: 400_000 }, async () => {
    await setUp('arms=dpo%2Cminor-dpo&lr=1e-3%2C1e30&steps=8&seeds=0%2C1%2C2', '12 runs');
    await button('Start').click();
    // After what waited.
    await heading('Comparison 3');
    await page.locator('main header').getByText('finished').waitFor({ timeout: 300_000 });
    await app.show('#/compare/3?tab=curves&at=1');
    const chart = page.getByRole('figure').filter({ hasText: 'Training loss' });
    await chart.getByText('diverged 3 of 3').first().waitFor();
    const run = inStore(home, (store) =>
      store.runs.list({ comparisonId: 3 }).find(({ divergedAt }) => divergedAt !== null)!,
    );
    for (const address of ['compare/3', `runs/${run.id}`])
      for (const part of ['result', 'curves', 'heat', 'pairs', 'settings', 'runs', 'samples', 'log']) {
        await app.show(`#/${address}?tab=${part}&at=1`);
        await page.getByRole('tab', { selected: true }).waitFor();
        expect(await page.locator('main').innerText()).not.toMatch(/NaN|Infinity|undefined/);
      }
    // What is tried and judged first is a run that has something to say.
    await app.show('#/compare/3');
    await button('Try side by side').click();
    await heading('Playground');
    expect(await page.evaluate('decodeURIComponent(location.hash)')).not.toContain(`run:${run.id}`);
  });

  it('can be read by everybody with a menu, a list or a dialog open', { timeout: 300_000 }, async () => {
    await app.show('#/compare/3');
    await button('Save the report').click();
    await page.getByRole('menuitem').first().waitFor();
    await expectClean();
    await page.keyboard.press('Escape');
    await app.show('#/experiments?model=tiny&data=sums');
    await page.getByLabel('Model', { exact: true }).click();
    await page.getByRole('listbox').waitFor();
    await expectClean();
    await page.keyboard.press('Escape');
    const finished = inStore(home, (store) =>
      store.runs.list({ comparisonId: 3 }).find((run) => run.status === 'finished')!,
    );
    await app.show(`#/runs/${finished.id}`);
    await button('Fork…').click();
    await dialog().waitFor();
    await expectClean();
    // A list within a dialog opens above it, and can be chosen from.
    await dialog().getByLabel('Loss', { exact: true }).click();
    await page.getByRole('option', { name: 'IPO' }).click();
    await page.getByRole('listbox').waitFor({ state: 'detached' });
    expect(await dialog().getByLabel('Loss', { exact: true }).innerText()).toBe('IPO');
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });
  });

  it('stops an answer in the middle and keeps what there is of it', { timeout: 120_000 }, async () => {
    await app.show('#/playground?columns=model:long&tokens=30000');
    await page.getByLabel('Prompt').fill('What is 1 plus 2?');
    await button('Generate').click();
    const column = page.getByRole('region', { name: /^Column/ });
    await button('Stop').first().click();
    await column.getByText('stopped').waitFor();
    await button('Generate').waitFor();
    await expectClean();
    expect(app.complaints).toEqual([]);
  });
});
