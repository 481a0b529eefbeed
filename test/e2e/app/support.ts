import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { openDesktop, whyNoDesktop } from './desktop.ts';

const executable = process.env['PLUMBLINE_CHROMIUM'] ?? '/usr/bin/chromium';
const root = fileURLToPath(new URL('../../../', import.meta.url));
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Set by `npm run test:electron`: the program itself is driven, in place of its page in a browser. */
export const isDesktop = process.env['PLUMBLINE_TEST_ELECTRON'] !== undefined;
const why = isDesktop
  ? whyNoDesktop()
  : existsSync(executable)
    ? undefined
    : `no Chromium at ${executable} (set PLUMBLINE_CHROMIUM)`;

/** Whether these tests can run here; says so where they cannot. */
export const canOpenApp = why === undefined;
if (why !== undefined) console.log(`tests of the app skipped: ${why}`);

/** A busy machine draws late; how long it takes is not what is tested. */
export const patient = { timeout: 30_000 };

export interface App {
  readonly page: Page;
  /** What the console and uncaught errors have said. */
  readonly complaints: string[];
  /** Shows an address within the app, such as `#/data`. */
  show(hash: string): Promise<void>;
  /** What axe-core finds on the page as it is now, in light and in dark: empty where nothing is wrong. */
  findings(): Promise<string[]>;
  /** Chooses a file where the page asks for one: in its dialog, which `button` opens on the desktop, or as an upload. */
  pick(file: string, button: string): Promise<void>;
  /** Drops a file on the page's content. */
  drop(file: string): Promise<void>;
  /** What `press` saves: its proposed name, and what it holds. */
  saved(
    press: () => Promise<void>,
  ): Promise<{ readonly name: string; readonly text: string; readonly bytes: Buffer }>;
  /** Over loopback: ends the server at once, as a power cut does. */
  crash(): Promise<void>;
  /** Over loopback: starts a server anew where the last one was; its address, which has another token. */
  startAnew(): Promise<string>;
  /** Ends the server as Ctrl-C does, and the browser. What the server said on stderr; empty on the desktop. */
  close(): Promise<string>;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

interface OpenOptions extends Partial<Size> {
  /** A folder in the bundled example's place. Electron's program has its own. */
  readonly example?: string;
}

/** Opens the app on a home folder: over loopback in a browser, or in Electron. It must have been built. */
export async function openApp(
  home: string,
  { width = 1400, height = 900, example }: OpenOptions = {},
): Promise<App> {
  if (!isDesktop) return openInBrowser(home, { width, height }, example);
  const desktop = await openDesktop(home, { width, height });
  const { page } = desktop;
  const app = appOf(page);
  await page.waitForSelector('main h1');
  return {
    ...app,
    pick: (file, button) =>
      desktop.pick(file, () => page.getByRole('button', { name: button, exact: true }).click()),
    async saved(press) {
      const { name, bytes } = await desktop.saved(press);
      return { name, bytes, text: bytes.toString() };
    },
    crash: () => Promise.reject(new Error('the desktop has no server')),
    startAnew: () => Promise.reject(new Error('the desktop has no server')),
    close: async () => {
      await desktop.close();
      return '';
    },
  };
}

/** What is the same in every host. */
function appOf(page: Page): Pick<App, 'page' | 'complaints' | 'show' | 'drop' | 'findings'> {
  page.setDefaultTimeout(patient.timeout);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.stack ?? error.message));
  return {
    page,
    complaints,
    async show(hash) {
      await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
    },
    async drop(file) {
      // Only a file that was chosen has a place on the disk, which the desktop asks for.
      await page.evaluate(
        `document.body.append(Object.assign(document.createElement('input'), { type: 'file', id: 'to-drop', hidden: true }))`,
      );
      await page.setInputFiles('#to-drop', file);
      await page.evaluate(`(() => {
        const input = document.getElementById('to-drop');
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(input.files[0]);
        input.remove();
        for (const type of ['dragenter', 'dragover', 'drop'])
          document.querySelector('main').dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
      })()`);
    },
    findings: () => axeFindings(page),
  };
}

async function openInBrowser(home: string, { width, height }: Size, example?: string): Promise<App> {
  let running = await startServer(home, { example });
  const { address } = running;
  let browser: Browser | undefined;
  try {
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
    // Of a context of its own, which further tabs can share.
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: 'light' });
    const page = await context.newPage();
    const app = appOf(page);
    await page.goto(address);
    await page.waitForSelector('main h1');
    const opened = browser;
    return {
      ...app,
      pick: (file) => page.setInputFiles('input[type=file]', file),
      async saved(press) {
        const [download] = await Promise.all([page.waitForEvent('download'), press()]);
        const bytes = readFileSync(await download.path());
        return { name: download.suggestedFilename(), bytes, text: bytes.toString() };
      },
      async crash() {
        const ended = once(running.server, 'exit');
        running.server.kill('SIGKILL');
        await ended;
      },
      async startAnew() {
        running = await startServer(home, { example, more: ['--port', new URL(address).port] });
        return running.address;
      },
      async close() {
        await opened.close();
        await stop(running.server);
        return running.said();
      },
    };
  } catch (error) {
    await browser?.close();
    await stop(running.server);
    throw error;
  }
}

interface RunningServer {
  readonly server: ChildProcess;
  readonly address: string;
  /** What it has said on stderr. */
  readonly said: () => string;
}

async function startServer(
  home: string,
  { example, more = [] }: { readonly example: string | undefined; readonly more?: readonly string[] },
): Promise<RunningServer> {
  const program = example === undefined ? ['bin/plumbline.mjs'] : ['test/e2e/app/serve-example.ts', example];
  const server = spawn(process.execPath, [...program, 'serve', '--json', '--no-open', ...more], {
    cwd: root,
    env: { ...process.env, PLUMBLINE_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  server.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  server.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const address = (): string | undefined => /"address":\s*"([^"]+)"/.exec(out)?.[1];
  while (address() === undefined && server.exitCode === null)
    await Promise.race([once(server.stdout, 'data'), once(server, 'exit')]);
  const found = address();
  if (found === undefined) throw new Error(`serve ended before it served: ${out}${err}`);
  return { server, address: found, said: () => err };
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return;
  const ended = once(server, 'exit');
  server.kill('SIGINT');
  await ended;
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly help: string;
    readonly nodes: readonly { readonly target: readonly unknown[]; readonly failureSummary?: string }[];
  }[];
}

async function axeFindings(page: Page): Promise<string[]> {
  // By the debugger: the page's policy lets no other script in.
  await page.evaluate(`globalThis.axe ?? (() => { ${axeSource} })()`);
  const findings: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.waitForSelector(`html[data-theme=${colorScheme}]`);
    const { violations } = await page.evaluate<AxeResults>(
      'axe.run(document, { resultTypes: ["violations"] })',
    );
    for (const { id, help, nodes } of violations)
      findings.push(
        `${colorScheme}: ${id} (${help}) at ${nodes
          .slice(0, 4)
          .map(
            ({ target, failureSummary }) =>
              `${target.join(' ')} [${failureSummary?.split('\n')[1]?.trim() ?? ''}]`,
          )
          .join('; ')}`,
      );
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: null });
  return findings;
}
