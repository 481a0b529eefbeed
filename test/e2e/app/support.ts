import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';

const executable = process.env['PLUMBLINE_CHROMIUM'] ?? '/usr/bin/chromium';
const root = fileURLToPath(new URL('../../../', import.meta.url));
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Whether these tests can run here; says so where they cannot. */
export const hasChromium = existsSync(executable);
if (!hasChromium)
  console.log(`tests of the app skipped: no Chromium at ${executable} (set PLUMBLINE_CHROMIUM)`);

/** A busy machine draws late; how long it takes is not what is tested. */
export const patient = { timeout: 30_000 };

export interface App {
  readonly page: Page;
  /** What the console and uncaught errors have said. */
  readonly complaints: string[];
  readonly address: string;
  /** Shows an address within the app, such as `#/data`. */
  show(hash: string): Promise<void>;
  /** What axe-core finds on the page as it is now, in light and in dark: empty where nothing is wrong. */
  findings(): Promise<string[]>;
  /** Ends the server as Ctrl-C does, and the browser. */
  close(): Promise<void>;
}

/** Starts `plumbline serve` on a home folder and opens its page. The page must have been built. */
export async function openApp(
  home: string,
  { width = 1400, height = 900 }: { readonly width?: number; readonly height?: number } = {},
): Promise<App> {
  const { server, address } = await startServer(home);
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
    const page = await browser.newPage({ viewport: { width, height }, colorScheme: 'light' });
    page.setDefaultTimeout(patient.timeout);
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.stack ?? error.message));
    await page.goto(address);
    await page.waitForSelector('main h1');
    const opened = browser;
    return {
      page,
      complaints,
      address,
      async show(hash) {
        await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
      },
      findings: () => axeFindings(page),
      async close() {
        await opened.close();
        await stop(server);
      },
    };
  } catch (error) {
    await browser?.close();
    await stop(server);
    throw error;
  }
}

async function startServer(home: string): Promise<{ server: ChildProcess; address: string }> {
  const server = spawn(process.execPath, ['bin/plumbline.mjs', 'serve', '--json', '--no-open'], {
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
  return { server, address: found };
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
