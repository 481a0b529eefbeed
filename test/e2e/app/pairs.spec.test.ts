import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ComparisonDetails } from '../../../src/shared/app/api.ts';
import type { PairHistory } from '../../../src/shared/contract.ts';
import { scratchFolder, sums, writeLines, writeTinyModel } from '../support.ts';
import { succeed } from '../succeed.ts';
import { canOpenApp, openApp, patient, type App } from './support.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);
const home = at('home');
const arms = ['dpo', 'minor-dpo'] as const;
const seeds = [0, 1, 2];
/** Every other pair is the wrong way round: nothing can be learnt of all of them, and so arms differ in what they get right. */
const pairs = sums(60).map(({ prompt, chosen, rejected }, place) =>
  place % 2 === 0 ? { prompt, chosen, rejected } : { prompt, chosen: rejected, rejected: chosen },
);

describe.skipIf(!canOpenApp)('pairs one by one on screen', () => {
  let app: App;
  let page: Page;
  let details: ComparisonDetails;
  const expectClean = async (): Promise<void> => {
    expect(await app.findings()).toEqual([]);
    expect(app.complaints).toEqual([]);
  };
  const panel = (row: number) => page.getByRole('region', { name: `Pair ${row}`, exact: true });

  beforeAll(async () => {
    mkdirSync(home);
    writeTinyModel(at('tiny'));
    writeLines(at('sums.jsonl'), pairs);
    await succeed(home, ['models', 'add', at('tiny'), '--name', 'tiny']);
    await succeed(home, ['data', 'add', at('sums.jsonl'), '--name', 'sums']);
    await succeed(home, [
      ...['compare', '--model', 'tiny', '--data', 'sums', '--eval-share', '0.4', '--arms', arms.join()],
      ...['--lr', '5e-3', '--seeds', seeds.join(), '--steps', '18', '--batch-size', '4', '--eval-every', '6'],
      ...['--warmup', '0', '--sample-prompts', '0'],
    ]);
    details = (await succeed(home, ['comparisons', 'show', 1, '--json'])).json<ComparisonDetails>();
    app = await openApp(home);
    ({ page } = app);
  }, 300_000);
  afterAll(async () => {
    await app?.close();
    scratch.remove();
  });

  it(
    'lists where one arm is right and the other wrong, with how many seeds',
    { timeout: 120_000 },
    async () => {
      await app.show('#/compare/1?tab=pairs');
      const run = (arm: string, seed: number) =>
        details.result!.runs.find((each) => each.loss === arm && each.seed === seed)!.evaluation!.perPair!;
      const count = (arm: string, row: number): number =>
        seeds.filter((seed) => {
          const { c, r } = run(arm, seed).find(({ index }) => index === row)!;
          return c > r;
        }).length;
      const rows = run('dpo', 0).map(({ index }) => index);
      let listed = 0;
      for (const [arm, other] of [arms, [arms[1], arms[0]]] as const) {
        const list = page.getByRole('region', { name: `${arm} right, ${other} wrong`, exact: true });
        await list.waitFor();
        const expected = rows.filter((row) => count(arm, row) > count(other, row));
        listed += expected.length;
        const shown = Math.min(10, expected.length);
        await expect.poll(() => list.getByRole('button', { name: /^Row/ }).count(), patient).toBe(shown);
        for (const item of await list.getByRole('listitem').all()) {
          const row = Number(/Row (\d+)/.exec(await item.innerText())![1]);
          expect(expected).toContain(row);
          await item.getByText(pairs[row]!.prompt).waitFor();
          expect(await item.innerText()).toContain(
            `${arm} right in ${count(arm, row)} of 3 seeds, ${other} wrong in ${3 - count(other, row)} of 3 seeds`,
          );
        }
      }
      expect(listed).toBeGreaterThan(0);
      await expectClean();
    },
  );

  it('moves through the evaluations', { timeout: 120_000 }, async () => {
    const slider = page.getByRole('slider', { name: 'Steps shown' });
    await page.getByText('after step 18 (evaluation 4 of 4)').waitFor();
    await slider.press('ArrowLeft');
    await page.getByText('after step 12 (evaluation 3 of 4)').waitFor();
    expect(await page.evaluate('location.hash')).toMatch(/step=12/);
    await page.reload();
    await page.getByText('after step 12 (evaluation 3 of 4)').waitFor();
  });

  it('opens a pair with its tokens, whose differences add up to c and r', { timeout: 240_000 }, async () => {
    const row = page.getByRole('button', { name: /^Row/ }).first();
    await row.waitFor();
    const index = Number((await row.innerText()).slice(4));
    await row.focus();
    await page.keyboard.press('Enter');
    await panel(index).waitFor();
    // What was opened has the focus.
    expect(await page.evaluate('document.activeElement.textContent')).toContain(`row ${index}`);
    await panel(index).getByText(pairs[index]!.chosen.trim(), { exact: false }).first().waitFor();
    // A line for each run, with its gate.
    const gates = panel(index).getByRole('row');
    await expect.poll(() => gates.count(), patient).toBe(1 + arms.length * seeds.length);
    await panel(index).getByRole('button', { name: 'Score its tokens' }).click();
    for (const [answer, quantity] of [
      ['Chosen', 'c'],
      ['Rejected', 'r'],
    ] as const) {
      const part = panel(index).getByRole('region', { name: `${answer} answer, token by token` });
      await part.getByText(`${answer}: differences in a table`).click({ timeout: 120_000 });
      const cells = await part.getByRole('row').allInnerTexts();
      arms.forEach((arm, place) => {
        const column = cells
          .slice(1)
          .map((line) => Number(line.split('\t')[2 + place]!.replace('−', '-').replace('+', '')));
        const evaluation = details.result!.runs.find(
          (run) => run.loss === arm && run.seed === 0,
        )!.evaluation!;
        const expected = evaluation.perPair!.find((pair) => pair.index === index)![quantity];
        const sum = column.reduce((total, value) => total + value, 0);
        // Shown to three decimals, and summed in another order than in training.
        expect(Math.abs(sum - expected)).toBeLessThan(0.0005 * column.length + 0.01);
      });
    }
    await expectClean();
    await page.getByRole('button', { name: 'Close the pair' }).click();
    await panel(index).waitFor({ state: 'detached' });
  });

  it('says of a row what it is, and leads to where it is on record', { timeout: 120_000 }, async () => {
    const heldOut = details.result!.runs[0]!.evaluation!.perPair!.map(({ index }) => index);
    const { pairs: trained } = (await succeed(home, ['runs', 'pairs', 1, '--json'])).json<{
      pairs: readonly PairHistory[];
    }>();
    const [row] = trained.map((pair) => pair.row);
    expect(heldOut).not.toContain(row);
    const open = async (asked: number): Promise<void> => {
      await page.getByLabel('Row of a pair').fill(String(asked));
      await page.keyboard.press('Enter');
    };
    const title = (text: string): Promise<void> =>
      page.getByRole('heading', { name: text, exact: true }).waitFor();
    for (const address of ['#/compare/1?tab=pairs', '#/runs/1?tab=pairs']) {
      await app.show(address);
      await open(heldOut[0]!);
      await title(`Held-out pair, row ${heldOut[0]!}`);
      await open(row!);
      await title(`Training pair, row ${row!}`);
      await expectClean();
      await panel(row!).getByRole('button', { name: 'Show it there' }).click();
      await panel(row!).getByText('gate open above').or(panel(row!).getByRole('row')).first().waitFor();
      await title(`Training pair, row ${row!}`);
      // Of both kinds none.
      await open(999);
      await title('Row 999');
      await panel(999).getByText('no step has trained on it').waitFor();
    }
  });

  it('opens the pair of a point that is pressed, on a run’s own page too', { timeout: 240_000 }, async () => {
    await app.show('#/runs/2?tab=pairs&side=train');
    await page.getByRole('heading', { level: 1, name: 'Run 2' }).waitFor();
    await page.getByText('at step 18', { exact: true }).waitFor();
    // Where something in MinorDPO's blue was drawn.
    const find = () =>
      page.evaluate<{ x: number; y: number } | null>(`(() => {
        const canvas = document.querySelector('main figure canvas');
        if (!canvas || canvas.width === 0) return null;
        const copy = Object.assign(document.createElement('canvas'), { width: canvas.width, height: canvas.height });
        const context = copy.getContext('2d', { willReadFrequently: true });
        context.drawImage(canvas, 0, 0);
        const { data } = context.getImageData(0, 0, copy.width, copy.height);
        for (let at = 0; at < data.length; at += 4) {
          if (data[at] > 60 || data[at + 2] < 130 || data[at + 2] - data[at] < 90 || data[at + 3] < 200) continue;
          const { left, top } = canvas.getBoundingClientRect();
          const scale = canvas.clientWidth / canvas.width;
          return { x: left + ((at / 4) % copy.width) * scale, y: top + (Math.floor(at / 4 / copy.width) + 2) * scale };
        }
        return null;
      })()`);
    await expect.poll(find, patient).not.toBeNull();
    const { x, y } = (await find())!;
    await page.mouse.click(x, y);
    const opened = page.getByRole('heading', { name: /^Training pair, row \d+$/ });
    await opened.waitFor();
    const row = Number(/\d+$/.exec(await opened.innerText())![0]);
    const { pairs: kept } = (await succeed(home, ['runs', 'pairs', 2, '--row', row, '--json'])).json<{
      pairs: readonly PairHistory[];
    }>();
    expect(kept[0]!.steps).toContain(18);
    await panel(row).getByText(pairs[row]!.prompt).first().waitFor();
    await expectClean();
  });
});
