import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ComparisonDetails } from '../../../src/shared/app/api.ts';
import { gridPoints } from '../../../src/shared/comparison.ts';
import type { RunsResult } from '../../../src/shared/contract.ts';
import { divergencePoint } from '../../../src/shared/divergence-point.ts';
import { selectionLines } from '../../../src/shared/selection.ts';
import { scratchFolder, sums, writeLines, writeTinyModel } from '../support.ts';
import { succeed } from '../succeed.ts';
import { canOpenApp, isDesktop, openApp, patient, type App } from './support.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
const home = at('home');
/** As people give them: nothing may be cut off or pushed out of the window by them. */
const model = 'a-small-model-with-a-name-as-long-as-people-give-them-v2-final-instruct';
const data = 'sums-of-two-numbers-with-their-explanations-cleaned-in-november-and-again';
const arms = ['dpo', 'minor-dpo', 'kappa-dpo:kappa=0.25', 'sft'];
/** Every other pair is the wrong way round: arms differ in what they get right. */
const pairs = sums(40).map(({ prompt, chosen, rejected }, place) =>
  place % 2 === 0 ? { prompt, chosen, rejected } : { prompt, chosen: rejected, rejected: chosen },
);

/** Every screen and every tab, with what has to be there before it is looked at. */
const screens: readonly (readonly [hash: string, until: string | RegExp])[] = [
  ['#/home', 'Latest comparisons'],
  ['#/data', data],
  [`#/data/${data}`, pairs[0]!.prompt],
  [`#/data/${data}?row=1&model=${model}`, 'Chosen'],
  [`#/data/${data}?tab=lengths`, 'Prompt with the longer answer'],
  [`#/data/${data}?tab=duplicates`, /duplicate/i],
  [`#/data/${data}?tab=split`, /split/i],
  [`#/data/${data}?tab=leaks`, /leak|prompt/i],
  [`#/data/${data}?tab=history`, /change/i],
  ['#/models', 'Vocabulary'],
  [`#/models/${model}`, 'hash of the weights'],
  [`#/models/${model}?tab=tensors`, 'embed_tokens'],
  [`#/models/${model}?tab=tokenizer`, /token/i],
  [`#/experiments?model=${model}&data=${data}&arms=${arms.join()}&lr=1e-4,1e-3&beta=0.05,0.1`, 'runs'],
  ['#/experiments?tab=queue', 'Nothing waits'],
  ['#/runs', 'finished'],
  ['#/runs?select=1,2,3', '3 runs'],
  ...['curves', 'samples', 'pairs', 'log', 'resources', 'settings', 'checkpoints'].map(
    (tab) => [`#/runs/1?tab=${tab}`, 'Run 1'] as const,
  ),
  ['#/compare', 'finished'],
  ['#/compare/1?tab=result', 'What they answer'],
  ['#/compare/1?tab=curves', 'Gate open'],
  ['#/compare/1?tab=heat', 'collapsed'],
  ['#/compare/1?tab=pairs', 'Where two arms disagree'],
  ['#/compare/1?tab=pairs&pair=1', 'Where two arms disagree'],
  ['#/compare/1?tab=settings', 'Run it again'],
  ['#/compare/1?tab=runs', 'Overlay all'],
  // One β: no column for it.
  ['#/compare/2?tab=heat', 'on one scale for all losses'],
  ['#/compare/2?tab=result', 'no detectable difference'],
  ['#/playground', 'Its answer comes here'],
  ['#/judge', /judging/i],
  ['#/judge/new', 'Start judging'],
  ['#/report/1', 'One file that holds everything'],
  ['#/settings', 'Jobs at once'],
  // What is not there is told, too.
  ['#/runs/999', 'there is no run 999'],
  ['#/compare/999', 'there is no comparison 999'],
  ['#/models/nothing', 'It may have been removed'],
  ['#/data/nothing', 'There is no dataset of this name'],
];

describe.skipIf(!canOpenApp)('every screen and tab', () => {
  let app: App;
  let page: Page;
  const compare = (more: readonly string[], name = data): Promise<unknown> =>
    succeed(home, [
      ...['compare', '--model', model, '--data', name, '--batch-size', '4'],
      ...['--eval-share', name === data ? '0.3' : '0.6'],
      ...[
        '--warmup',
        '0',
        '--eval-every',
        '2',
        '--sample-prompts',
        '2',
        '--sample-tokens',
        '6',
        '--kl-prompts',
        '4',
        ...more,
      ],
    ]);

  beforeAll(async () => {
    mkdirSync(home);
    writeTinyModel(at('tiny'));
    writeLines(at('sums.jsonl'), pairs);
    await succeed(home, ['models', 'add', at('tiny'), '--name', model]);
    await succeed(home, ['data', 'add', at('sums.jsonl'), '--name', data]);
    // At the highest rate the weights are lost with the first step.
    await compare([
      ...['--arms', arms.join(), '--lr', '1e-3,1e38', '--betas', '0.05,0.1', '--seeds', '0'],
      ...['--steps', '4'],
    ]);
    await compare(['--arms', 'dpo,minor-dpo', '--lr', '1e-3', '--seeds', '0,1,2', '--steps', '4']);
    // All the same way round, and enough of them to choose settings on one half: one loss learns what is asked, one hardly.
    writeLines(at('plain.jsonl'), sums(90));
    await succeed(home, ['data', 'add', at('plain.jsonl'), '--name', 'plain']);
    await compare(['--arms', 'sft,dpo', '--lr', '1e-3,1e-2', '--seeds', '0,1,2', '--steps', '6'], 'plain');
    app = await openApp(home);
    ({ page } = app);
  }, 300_000);
  afterAll(async () => {
    await app?.close();
    scratch.remove();
  });

  /** Until what is to be read stays as it is. */
  const settled = async (): Promise<void> => {
    const read = (): Promise<string> => page.locator('main').innerText();
    for (let [before, now] = ['', await read()]; before !== now; [before, now] = [now, await read()])
      await page.waitForTimeout(300);
  };

  it.each(screens)('%s', { timeout: 120_000 }, async (hash, until) => {
    await app.show(hash);
    await page.locator('main').getByText(until).first().waitFor();
    await settled();
    // Only the content scrolls, and never sideways: what is wide scrolls by itself.
    const beyond = (): Promise<number[]> =>
      page.evaluate(`(() => {
        const { documentElement: all } = document;
        const main = document.querySelector('main');
        return [all.scrollHeight - all.clientHeight, all.scrollWidth - all.clientWidth, main.scrollWidth - main.clientWidth];
      })()`);
    for (const width of [420, 1400]) {
      await page.setViewportSize({ width, height: 900 });
      await expect.poll(beyond, patient).toEqual([0, 0, 0]);
      expect(await app.findings()).toEqual([]);
    }
    expect(app.complaints).toEqual([]);
  });

  it('says what settings were chosen, and where arms part', { timeout: 120_000 }, async () => {
    const { selection, result, verdictList } = (
      await succeed(home, ['comparisons', 'show', 3, '--json'])
    ).json<ComparisonDetails>();
    expect(selection!.verdicts).toHaveLength(1);
    await app.show('#/compare/3?tab=result');
    const verdict = page.getByRole('region', { name: 'Verdict' });
    for (const line of selectionLines(selection!)) await verdict.getByText(line, { exact: true }).waitFor();
    expect(await app.findings()).toEqual([]);
    const place = 1;
    const point = gridPoints(result!)[place]!;
    const parting = divergencePoint(result!, 'dpo', point, 'margin', verdictList)!;
    await app.show(`#/compare/3?tab=curves&at=${place}`);
    await page.getByText(`${parting.words}.`, { exact: true }).waitFor();
    await page.getByText(`Their answers at step ${parting.step}`).last().click();
    await page.getByRole('columnheader', { name: 'Prompt' }).waitFor();
    for (const width of [420, 1400]) {
      await page.setViewportSize({ width, height: 900 });
      expect(await app.findings()).toEqual([]);
    }
    expect(app.complaints).toEqual([]);
  });

  it('asks about models, and takes one in, where everybody can read it', { timeout: 120_000 }, async () => {
    await app.show(`#/models/${model}`);
    const dialog = page.getByRole('dialog');
    for (const name of ['Rename', 'Remove']) {
      await page.getByRole('button', { name, exact: true }).click();
      await dialog.waitFor();
      if (name === 'Remove') await dialog.getByText(/Trained from it: \d+ runs/).waitFor();
      expect(await app.findings(), name).toEqual([]);
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'detached' });
    }
    // A name that is taken is told in the dialog.
    writeTinyModel(at('other'), { seed: 1 });
    await succeed(home, ['models', 'add', at('other'), '--name', 'other']);
    await app.show('#/models/other');
    await page.getByRole('heading', { level: 1, name: 'other' }).waitFor();
    await page.getByRole('button', { name: 'Rename', exact: true }).click();
    await dialog.getByLabel('New name').fill(model);
    await dialog.getByRole('button', { name: 'Rename' }).click();
    await dialog.getByText(/already|taken|there is/).waitFor();
    expect(await app.findings()).toEqual([]);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    // What is no model is refused where it was to be imported.
    writeFileSync(at('broken.gguf'), 'no model');
    await app.show('#/models');
    await page.getByRole('button', { name: 'Import a GGUF file' }).waitFor();
    if (isDesktop) await app.pick(at('broken.gguf'), 'Import a GGUF file');
    else await page.setInputFiles('input[accept=".gguf"]', at('broken.gguf'));
    const form = page.getByRole('region', { name: 'Import broken.gguf' });
    await form.waitFor();
    expect(await app.findings()).toEqual([]);
    await form.getByRole('button', { name: 'Import', exact: true }).click();
    await form.getByRole('alert').waitFor();
    expect(await app.findings()).toEqual([]);
    await form.getByRole('button', { name: 'Leave it' }).click();
    await form.waitFor({ state: 'detached' });
    expect(app.complaints).toEqual([]);
  });

  it('names β in a heat map only where there are several', { timeout: 60_000 }, async () => {
    const heads = (id: number) =>
      app.show(`#/compare/${id}?tab=heat`).then(async () => {
        await page.getByRole('table').first().waitFor();
        return page.getByRole('columnheader', { name: 'β', exact: true });
      });
    await expect.poll(async () => (await heads(1)).count(), patient).toBe(arms.length);
    await expect.poll(async () => (await heads(2)).count(), patient).toBe(0);
  });

  it(
    'says at each field of a fork what is wrong, and keeps β with another loss',
    { timeout: 60_000 },
    async () => {
      await app.show('#/runs/1');
      await page.getByRole('button', { name: 'Fork…' }).first().click();
      const dialog = page.getByRole('dialog');
      const fork = dialog.getByRole('button', { name: 'Fork and start' });
      await fork.click();
      await dialog.getByText('must be above 4: the fork has that many steps already').waitFor();
      await dialog.getByLabel('Steps in all').fill('six');
      await dialog.getByText('must be a number').waitFor();
      await dialog.getByLabel('Loss').click();
      await page.getByRole('option', { name: 'IPO', exact: true }).click();
      await dialog.getByText('Kept from run 1').waitFor();
      expect(await app.findings()).toEqual([]);
      await dialog.getByLabel('Steps in all').fill('6');
      await fork.click();
      await page.getByText('curves up to there are that run').waitFor();
      await page.locator('main header').getByText('finished').waitFor({ timeout: 60_000 });
      const { runs } = (await succeed(home, ['runs', 'list', '--json'])).json<RunsResult>();
      const forked = runs.toSorted((one, other) => other.id - one.id)[0];
      expect(forked).toMatchObject({ loss: 'ipo', beta: 0.05, step: 6 });
    },
  );
});
