import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plumbline, scratchFolder, sums, writeLines, writeTinyModel } from '../support.ts';
import { canOpenApp, openApp, patient, type App } from './support.ts';

const scratch = scratchFolder();
const at = (name: string): string => join(scratch.path, name);

/** Sums under other names, three rows of which cannot be used: one is no JSON, one has no answer, one equal answers. */
function writeMistaken(): string {
  const lines = sums(30).map(({ prompt, chosen, rejected }, place) =>
    JSON.stringify({
      question: prompt,
      good: chosen,
      ...(place === 4 ? {} : { bad: place === 9 ? chosen : rejected }),
      part: place < 24 ? 'train' : 'test',
    }),
  );
  lines[12] = '{"question": "What is 12 plus';
  const file = at('mistaken.jsonl');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

describe.skipIf(!canOpenApp)('the data screens', () => {
  let app: App;
  let page: Page;
  const heading = (): Locator => page.locator('main h1');
  const notice = (): Locator => page.locator('.notices .notice').last();
  const grid = (): Locator => page.getByRole('grid', { name: 'Rows' });
  const row = (number: number): Locator =>
    grid()
      .getByRole('row')
      .filter({ has: page.getByRole('gridcell', { name: String(number), exact: true }) });
  const expectClean = async (): Promise<void> => expect(await app.findings()).toEqual([]);
  const params = (): Promise<URLSearchParams> =>
    page.evaluate<string>('location.hash').then((hash) => new URLSearchParams(hash.split('?')[1] ?? ''));
  const choose = async (label: string, option: string): Promise<void> => {
    await page.getByLabel(label, { exact: true }).click();
    await page.getByRole('option', { name: option, exact: true }).click();
  };

  beforeAll(async () => {
    mkdirSync(at('home'));
    app = await openApp(at('home'));
    ({ page } = app);
  });
  afterAll(async () => {
    await app?.close();
    scratch.remove();
  });

  it('say what can be imported where there is nothing yet', async () => {
    await app.show('#/data');
    await page.getByRole('heading', { name: 'No data yet' }).waitFor();
    expect(await page.locator('main').innerText()).toContain('ultrafeedback');
    await expectClean();
  });

  it('take a file whose columns must be named, and tell its mistakes by row', async () => {
    await app.pick(writeMistaken(), 'Import a file…');
    await page.getByText('No format was recognised').waitFor();
    await choose('Prompt', 'question');
    await choose('Chosen', 'good');
    await choose('Rejected', 'bad');
    await page.getByText('27 rows can be used').waitFor();
    expect(await page.locator('main').innerText()).toContain('3 rows cannot');
    const group = (title: string): Locator => page.locator('details').filter({ hasText: title });
    for (const [title, number, message] of [
      ['Malformed', 12, 'broken JSON (line 13)'],
      ['A field is missing', 4, 'missing field "rejected"'],
      ['Equal answers', 9, 'chosen and rejected are equal'],
    ] as const) {
      await group(title).locator('summary').click();
      const item = group(title).getByRole('listitem');
      await expect.poll(() => item.count(), patient).toBe(1);
      expect(await item.innerText()).toContain(`row ${number}`);
      expect(await item.innerText()).toContain(message);
    }
    // The record itself stands beside.
    expect(await group('A field is missing').getByRole('listitem').innerText()).toContain('"What is 4 plus');
    // Sums are answered more shortly than wrong ones: length gives the answer away.
    await page.getByText('Length is a shortcut here').waitFor();
    await expectClean();
  });

  it('keep the mapping in the address', async () => {
    const before = await page.evaluate<string>('location.hash');
    await page.reload();
    await page.getByText('27 rows can be used').waitFor();
    expect(await page.evaluate('location.hash')).toBe(before);
  });

  it('import nothing while a row is wrong, and all others when it is left out', async () => {
    await page.getByRole('button', { name: 'Import 27 rows' }).click();
    const refusal = page.getByRole('alert').filter({ hasText: 'Nothing was imported' });
    await refusal.waitFor();
    expect(await refusal.innerText()).toContain('row 4');
    await page.getByRole('checkbox', { name: /Leave out rows/ }).check();
    await page.getByLabel('Name', { exact: true }).fill('sums');
    await choose('Column of a split', 'part');
    await page.getByRole('button', { name: 'Import 27 rows' }).click();
    await expect.poll(() => heading().innerText(), patient).toBe('sums');
    expect(await notice().innerText()).toContain('Imported 27 rows as sums, 3 rows left out.');
    await expect.poll(() => grid().getAttribute('aria-rowcount'), patient).toBe('28');
    await row(13).waitFor();
    // Rows keep the numbers that they have in the file.
    expect(await row(4).count()).toBe(0);
    await expectClean();
  });

  it('refuse a file that holds no data, with its reason', async () => {
    await app.show('#/data');
    writeFileSync(at('words.txt'), 'nothing of the kind');
    await app.pick(at('words.txt'), 'Import a file…');
    const refusal = page.getByRole('alert').first();
    await refusal.waitFor();
    expect(await refusal.innerText()).toContain('words.txt');
  });

  it('take a file that is dropped on them, and tell its format', async () => {
    await app.show('#/data');
    await page.getByRole('button', { name: 'Import a file…' }).waitFor();
    await app.drop(writeLines(at('dropped.jsonl'), sums(3)));
    await expect.poll(() => heading().innerText(), patient).toBe('Import dropped.jsonl');
    await page.getByText('3 rows can be used').waitFor();
    expect(await page.getByLabel('How the rows are read').innerText()).toContain('trl (recognised)');
    await page.getByRole('button', { name: 'Leave it' }).click();
    await expect.poll(() => heading().innerText(), patient).toBe('Data');
  });

  it('search, filter and come back to where one was', async () => {
    await app.show('#/data/sums');
    const search = page.getByLabel('Search the texts');
    // Ten is added to every eleventh number from one on; row 12 was left out.
    await search.fill('"plus 10"');
    await expect.poll(() => grid().getAttribute('aria-rowcount'), patient).toBe('3');
    for (const number of [1, 23]) await row(number).waitFor();
    expect((await params()).get('search')).toBe('"plus 10"');
    await page.reload();
    await row(23).waitFor();
    expect(await search.inputValue()).toBe('"plus 10"');
    expect(await grid().getAttribute('aria-rowcount')).toBe('3');
    await page.getByRole('button', { name: 'Clear' }).click();
    await expect.poll(() => grid().getAttribute('aria-rowcount'), patient).toBe('28');
  });

  it('are worked by keyboard: exclude, undo, tag, note, swap', async () => {
    await row(0).waitFor();
    await grid().focus();
    await page.keyboard.press('j');
    await page.keyboard.press('ArrowDown');
    expect(await grid().getAttribute('aria-activedescendant')).toBe(await row(2).getAttribute('id'));
    await page.keyboard.press('Shift+ArrowDown');
    await page.getByText('2 of 27 rows selected').waitFor();
    await page.keyboard.press('x');
    await expect.poll(() => notice().innerText(), patient).toContain('Excluded 2 rows.');
    for (const number of [2, 3]) await row(number).getByText('excluded').waitFor();
    await notice().getByRole('button', { name: 'Undo' }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => notice().innerText(), patient).toContain('Undone: excluded 2 rows.');
    await expect.poll(() => grid().getByText('excluded').count(), patient).toBe(0);

    await grid().focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('t');
    await page.getByLabel('Tag', { exact: true }).last().waitFor();
    await page.keyboard.type('easy');
    await page.keyboard.press('Enter');
    await row(0).getByText('easy').waitFor();
    await page.keyboard.press('n');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.type('known by heart');
    await page.keyboard.press('Control+Enter');
    await row(0).getByLabel('has a note').waitFor();
    await page.keyboard.press('s');
    const { chosen, rejected } = sums(1)[0]!;
    await expect.poll(() => row(0).getByRole('gridcell').nth(3).innerText(), patient).toBe(rejected.trim());
    expect(await row(0).getByRole('gridcell').nth(4).innerText()).toBe(chosen.trim());
    await page.keyboard.press('Control+z');
    await expect.poll(() => row(0).getByRole('gridcell').nth(3).innerText(), patient).toBe(chosen.trim());

    await page.keyboard.press('?');
    const keys = page.getByRole('dialog', { name: 'Keys' });
    await keys.waitFor();
    expect(await keys.innerText()).toContain('swap chosen and rejected');
    await expectClean();
    await page.keyboard.press('Escape');
    await keys.waitFor({ state: 'hidden' });
    await page.keyboard.press('/');
    expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toBe('Search the texts');
    await page.keyboard.press('Escape');
  });

  it('filter by mark and tag', async () => {
    await page.getByLabel('Tag', { exact: true }).fill('easy');
    await expect.poll(() => grid().getAttribute('aria-rowcount'), patient).toBe('2');
    await choose('Marks', 'Excluded');
    await page.getByText('No row is left by these filters.').waitFor();
    await page.getByRole('button', { name: 'Clear' }).click();
    await expect.poll(() => grid().getAttribute('aria-rowcount'), patient).toBe('28');
  });

  it('open a row, mark what differs, and edit it with a history', async () => {
    await grid().focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    const panel = page.getByRole('region', { name: 'Row 1' });
    await panel.waitFor();
    expect((await params()).get('row')).toBe('1');
    const { chosen } = sums(2)[1]!;
    await panel.getByText(chosen.trim().replace('.', '')).first().waitFor();
    expect((await panel.locator('mark').allInnerTexts()).join('')).toContain('11');
    await expectClean();

    await page.keyboard.press('e');
    const answer = panel.getByLabel('Chosen', { exact: true });
    expect(await answer.inputValue()).toBe(chosen);
    await answer.fill('');
    await panel.getByRole('button', { name: 'Keep the changes' }).click();
    await panel.getByRole('alert').waitFor();
    expect(await panel.getByRole('alert').innerText()).toContain('empty completion in "chosen"');
    await expectClean();
    await answer.fill(' It is eleven.');
    await page.keyboard.press('Control+Enter');
    await expect.poll(() => notice().innerText(), patient).toContain('Edited row 1.');
    await expect.poll(() => row(1).getByRole('gridcell').nth(3).innerText(), patient).toBe('It is eleven.');

    await page.getByRole('tab', { name: /^History/ }).click();
    const changes = page.getByRole('region', { name: 'Changes' }).locator('tbody tr');
    await expect.poll(() => changes.first().innerText(), patient).toContain('Edited chosen of row 1');
    await expectClean();
    // The row as it was before: after the change before this one.
    await page.getByRole('button', { name: 'Undo the last change' }).click();
    await expect.poll(() => notice().innerText(), patient).toContain('Undone: edited chosen of row 1.');
    await changes.nth(1).getByRole('link', { name: '1' }).click();
    await panel.getByText('As it was after change').waitFor();
    await panel.getByText('It is eleven.').waitFor();
    await panel.getByRole('link', { name: 'As it is now' }).click();
    await panel.getByText(chosen.trim()).waitFor();
  });

  it('show a row as a model sees it', async () => {
    await plumbline(at('home'), ['models', 'add', writeTinyModel(at('tiny')), '--name', 'tiny']);
    await app.show('#/data/sums?row=1');
    const panel = page.getByRole('region', { name: 'Row 1' });
    await panel.waitFor();
    await choose('Model', 'tiny');
    const tokens = panel.getByRole('listbox', { name: 'Tokens: chosen' });
    await tokens.waitFor();
    const { prompt, chosen } = sums(2)[1]!;
    const text = async (role: string): Promise<string> =>
      (await tokens.locator(`.${role}`).allInnerTexts()).join('').replaceAll('·', ' ');
    expect(await text('context')).toBe(`<|start|>${prompt}`);
    expect(await text('trained')).toMatch(new RegExp(`^${chosen.replace('.', '\\.')}`));
    const read = await tokens.locator('.context').count();
    await panel.getByLabel('Maximum length').fill(String(read + 2));
    await page.keyboard.press('Enter');
    await expect.poll(() => tokens.locator('.trained').count(), patient).toBe(2);
    expect(await tokens.locator('.cut').count()).toBeGreaterThan(0);
    await tokens.focus();
    await page.keyboard.press('End');
    await panel.getByText(/id \d+.*cut off/).waitFor();
    await expectClean();
  });

  it('measure, split, and find duplicates and leaks', async () => {
    await app.show('#/data/sums?tab=lengths&line=40');
    const cut = page.getByRole('table', { name: /longer than a maximum length/ }).locator('tbody tr');
    await cut.first().waitFor();
    const longer = sums(30).filter(
      ({ prompt, rejected }, place) => ![4, 9, 12].includes(place) && prompt.length + rejected.length > 40,
    );
    expect(await cut.first().innerText()).toMatch(new RegExp(`^40\\s+${longer.length}\\s`));
    await expectClean();

    await page.getByRole('tab', { name: 'Split' }).click();
    await page.getByRole('button', { name: 'Split', exact: true }).click();
    await expect
      .poll(() => notice().innerText(), patient)
      .toContain('21 rows to train on, 6 rows to evaluate on.');
    await page.getByRole('link', { name: '6 rows to evaluate on' }).waitFor();
    await expectClean();
    await page.getByRole('link', { name: '6 rows to evaluate on' }).click();
    await expect.poll(() => grid().getAttribute('aria-rowcount'), patient).toBe('7');

    const repeated = [...sums(30).slice(20, 23), ...sums(2, 100), sums(1, 100)[0]];
    await plumbline(at('home'), ['data', 'add', writeLines(at('other.jsonl'), repeated)]);
    await app.show('#/data/other?tab=duplicates');
    await page.getByRole('button', { name: 'Find duplicates' }).click();
    await page.getByText('1 row repeats an earlier one, in 1 group.').waitFor();
    await expectClean();
    await page.getByRole('button', { name: 'Exclude all but the first', exact: true }).first().click();
    await page.getByText('No duplicates.').waitFor();

    await page.getByRole('tab', { name: 'Leaks' }).click();
    await page.getByRole('button', { name: 'Look for leaks' }).click();
    await page.getByText('3 rows with a prompt that stands in sums').waitFor();
    await expectClean();
  });

  it('export what is not excluded, and remove', async () => {
    await app.show('#/data/other');
    await grid().waitFor();
    const { name, text } = await app.saved(() => page.getByRole('button', { name: 'Export JSONL' }).click());
    expect(name).toBe('other.jsonl');
    const lines = text.trimEnd().split('\n');
    expect(lines).toHaveLength(5);
    expect(JSON.parse(lines[0]!)).toMatchObject(sums(30)[20]!);

    await page.getByRole('button', { name: 'More for other' }).click();
    await page.getByRole('menuitem', { name: 'Remove…' }).click();
    await page.getByText('No run was trained on it.').waitFor();
    await expectClean();
    await page.getByRole('button', { name: 'Remove', exact: true }).click();
    await expect.poll(() => heading().innerText(), patient).toBe('Data');
    const names = page.locator('tbody tr th');
    await expect.poll(() => names.allInnerTexts(), patient).toEqual(['sums']);
    await expectClean();
  });

  it('fit a narrow window', async () => {
    await page.setViewportSize({ width: 420, height: 800 });
    for (const hash of ['#/data', '#/data/sums', '#/data/sums?row=1', '#/data/sums?tab=history']) {
      await app.show(hash);
      await page.locator('main h1').waitFor();
      await expect.poll(() => page.evaluate('document.querySelector("main").scrollWidth'), patient).toBe(420);
      await expectClean();
    }
    await page.setViewportSize({ width: 1400, height: 900 });
  });

  it('have complained of nothing', () => {
    expect(app.complaints).toEqual([]);
  });
});
