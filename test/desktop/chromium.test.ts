import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDesktop } from '../../src/main/host/desktop/app.ts';
import { channels } from '../../src/shared/app/desktop.ts';
import { standInElectron, type StandInPort } from './stand-in.ts';

const executable = process.env['PLUMBLINE_CHROMIUM'] ?? '/usr/bin/chromium';
const present = existsSync(executable);
if (!present) console.log(`chromium.test.ts skipped: no Chromium at ${executable} (set PLUMBLINE_CHROMIUM)`);

const repository = fileURLToPath(new URL('../../', import.meta.url));
/** Stands for `app://plumbline`, which only Electron has; secure, as that is. */
const origin = 'https://plumbline.test';
const patient = { timeout: 60_000 };

/**
 * What Electron does around the preload script: its world, and the channel to the main process.
 * `hostConnect` and `hostSend` are the test's, `fromHost` is what it calls.
 */
const withPreload = (script: string): string => `(() => {
  const listeners = {};
  const parts = {
    ipcRenderer: {
      on: (channel, listener) => { listeners[channel] = listener; },
      send: async (channel) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = ({ data }) => void window.hostSend(data);
        window.fromHost = (message) => port1.postMessage(message);
        await window.hostConnect();
        listeners[channel]({ ports: [port2] });
      },
      invoke: () => Promise.resolve(undefined),
    },
    webUtils: { getPathForFile: () => '' },
    contextBridge: { exposeInMainWorld: (name, value) => { window[name] = Object.freeze(value); } },
  };
  const require = (name) => { if (name !== 'electron') throw new Error('the sandbox has no ' + name); return parts; };
  (() => {
${script}
  })();
})();`;

describe.skipIf(!present)('the page of the desktop in Chromium', () => {
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-desktop-page-'));
  const host = standInElectron();
  const complaints: string[] = [];
  const outside: string[] = [];
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    await startDesktop(host.electron, {
      home: join(folder, 'home'),
      page: join(repository, 'dist/renderer'),
      preload: join(repository, 'dist/preload/preload.cjs'),
      log: (text) => complaints.push(text),
    });
    browser = await chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-gpu'] });
    const context = await browser.newContext({ viewport: { width: 1280, height: 840 } });
    const serve = host.session.served.get('app')!;
    await context.route('**/*', async (route) => {
      const url = route.request().url();
      if (!url.startsWith(`${origin}/`)) {
        outside.push(url);
        return route.abort();
      }
      const response = await serve(new Request(url.replace(origin, 'app://plumbline')));
      const body = Buffer.from(await response.arrayBuffer());
      return route.fulfill({ status: response.status, headers: Object.fromEntries(response.headers), body });
    });
    page = await context.newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    let port: StandInPort;
    await page.exposeFunction('hostConnect', () => {
      const { webContents } = host.window();
      host.ipcMain.emit(channels.connect, { sender: webContents, senderFrame: webContents.mainFrame });
      port = webContents.mainFrame.received.at(-1)!.ports[0]!;
      port.on('message', ({ data }: { data: unknown }) => {
        // The page may be gone by then.
        page.evaluate(`window.fromHost(${JSON.stringify(data)})`).catch(() => undefined);
      });
      port.start();
    });
    await page.exposeFunction('hostSend', (message: unknown) => port.postMessage(message));
    await page.addInitScript(withPreload(readFileSync(join(repository, 'dist/preload/preload.cjs'), 'utf8')));
    await page.goto(`${origin}/index.html`);
  }, 120_000);

  afterAll(async () => {
    await browser.close();
    host.app.quit();
    await host.app.over;
    rmSync(folder, { recursive: true, force: true });
  });

  it('connects by the preload’s port and draws what the host says', async () => {
    expect(await page.evaluate('Object.keys(window.plumbline).sort()')).toEqual(['connect', 'grantDropped']);
    await page.goto(`${origin}/index.html#/settings`);
    // A setting's name can only have come through the port.
    await page
      .getByText('runsAtOnce')
      .or(page.getByText(/at once/i))
      .first()
      .waitFor(patient);
  });

  it('shows every screen within its policy, asking nothing of any other place', async () => {
    await page.goto(`${origin}/index.html`);
    const links = page.locator('nav a[href^="#/"]');
    await links.first().waitFor(patient);
    const addresses = await links.evaluateAll((all) => all.map((each) => each.getAttribute('href')));
    expect(addresses.length).toBeGreaterThan(3);
    for (const address of addresses) {
      await page.goto(`${origin}/index.html${address}`);
      await page.locator('main h1').first().waitFor(patient);
    }
    expect(outside).toEqual([]);
    expect(complaints).toEqual([]);
  });

  it('has a policy that holds: no script in the page, no eval, no other host', async () => {
    const before = complaints.length;
    const tries = (await page.evaluate(`(async () => {
      const element = document.createElement('script');
      element.textContent = 'window.ran = 1';
      document.body.append(element);
      const image = document.createElement('div');
      image.innerHTML = '<img src="x:" onerror="window.ran = 2">';
      document.body.append(image);
      // By a timer: what a debugger evaluates at once may evaluate.
      const evaluated = await new Promise((resolve) => setTimeout(() => {
        try { resolve((0, eval)('1')); } catch { resolve('refused'); }
      }));
      const fetched = await fetch('https://example.com/').then(() => 'reached', () => 'refused');
      const frame = document.createElement('iframe');
      frame.src = 'https://example.com/';
      document.body.append(frame);
      await new Promise((resolve) => setTimeout(resolve, 200));
      return { ran: window.ran ?? null, evaluated, fetched };
    })()`)) as object;
    expect(tries).toEqual({ ran: null, evaluated: 'refused', fetched: 'refused' });
    expect(outside).toEqual([]);
    // Chromium says of each what it has refused.
    expect(
      complaints.slice(before).filter((text) => text.includes('Content Security Policy')).length,
    ).toBeGreaterThan(3);
  });
});
