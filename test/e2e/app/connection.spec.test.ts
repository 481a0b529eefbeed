import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../support.ts';
import { canOpenApp, isDesktop, openApp, type App } from './support.ts';

const scratch = scratchFolder();
const home = join(scratch.path, 'home');

describe.skipIf(!canOpenApp || isDesktop)('a page whose program has gone', () => {
  let app: App | undefined;
  let page: Page;
  const heading = (name: string): Promise<void> => page.getByRole('heading', { level: 1, name }).waitFor();
  const note = (text: string | RegExp): Promise<void> =>
    page.getByRole('alert').filter({ hasText: text }).first().waitFor();

  beforeAll(async () => {
    mkdirSync(home);
    app = await openApp(home);
    ({ page } = app);
  }, 120_000);
  afterAll(async () => {
    await app?.close();
    scratch.remove();
  });

  it('says so, also on a screen that was never loaded', { timeout: 120_000 }, async () => {
    await heading('Projects');
    await app!.crash();
    await note('The program is not there any more');
    await note('open the address that it prints');
    await app!.show('#/judge');
    await note('This screen could not be loaded');
    expect(await app!.findings()).toEqual([]);
  });

  it('tells that another program is there, which does not know it', { timeout: 120_000 }, async () => {
    const address = await app!.startAnew();
    await note('Plumbline was started anew');
    await note('Open the address that it printed');
    expect(await app!.findings()).toEqual([]);
    // Whoever opens it in another tab is let in in this one as well, on the screen that was asked for.
    const other = await page.context().newPage();
    await other.goto(address);
    await other.waitForSelector('main h1');
    await other.close();
    await heading('Judge');
    await page.getByRole('alert').waitFor({ state: 'detached' });
  });

  it(
    'leaves a program that closes at Ctrl-C and says no more than it does',
    { timeout: 120_000 },
    async () => {
      const said = await app!.close();
      app = undefined;
      expect(said).toMatch(/^closing$/m);
      expect(said).not.toContain('after this step');
      expect(said).not.toContain('at work');
    },
  );
});
