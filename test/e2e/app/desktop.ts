/** The program in Electron, for the same tests that otherwise drive its page in a browser: see support.ts. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { _electron, type Page } from 'playwright-core';
import { findElectron } from '../../../scripts/find-electron.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Why it cannot be opened here; undefined where it can. */
export function whyNoDesktop(): string | undefined {
  const found = findElectron();
  if ('why' in found) return `Electron's program is not here (${found.why})`;
  const entry = join(root, 'dist/main/host/desktop/main.js');
  return existsSync(entry) ? undefined : `${entry} is missing: "npm run build" makes it`;
}

export interface Desktop {
  readonly page: Page;
  /** What the dialog that `press` opens is to answer. */
  pick(file: string, press: () => Promise<void>): Promise<void>;
  /** What `press` saves, with the name that the dialog proposed. */
  saved(press: () => Promise<void>): Promise<{ name: string; bytes: Buffer }>;
  close(): Promise<void>;
}

/** Starts the built program on a home folder. */
export async function openDesktop(
  home: string,
  { width, height }: { readonly width: number; readonly height: number },
): Promise<Desktop> {
  const found = findElectron();
  if ('why' in found) throw new Error(found.why);
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-saved-'));
  const app = await _electron.launch({
    executablePath: found.program,
    // Chromium refuses its sandbox to the superuser, as tests in containers are.
    args: [root, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
    cwd: root,
    env: { ...process.env, PLUMBLINE_HOME: home } as Record<string, string>,
    colorScheme: 'light',
  });
  const page = await app.firstWindow();
  const window = await app.browserWindow(page);
  await window.evaluate((self, size) => self.setContentSize(size.width, size.height), { width, height });
  let count = 0;
  return {
    page,
    async pick(file, press) {
      await app.evaluate(({ dialog }, path) => {
        dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths: [path] });
      }, file);
      await press();
    },
    async saved(press) {
      const path = join(folder, String(++count));
      // Files of the host's go through the program's dialog; what the page makes itself is a download of the browser's.
      const name = app.evaluate(
        ({ dialog, session }, to) =>
          new Promise<string>((resolve) => {
            dialog.showSaveDialog = (...values: unknown[]) => {
              resolve((values.at(-1) as { defaultPath: string }).defaultPath);
              return Promise.resolve({ canceled: false, filePath: to });
            };
            session.defaultSession.once('will-download', (_event, item) => {
              item.setSavePath(to);
              item.once('done', () => resolve(item.getFilename()));
            });
          }),
        path,
      );
      await press();
      const proposed = await name;
      let bytes = Buffer.alloc(0);
      // A copy is there before it is whole; it is whole when it grows no more.
      for (let before = -1; bytes.length === 0 || bytes.length !== before; await page.waitForTimeout(200)) {
        before = bytes.length;
        if (existsSync(path)) bytes = readFileSync(path);
      }
      return { name: proposed, bytes };
    },
    async close() {
      await app.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
