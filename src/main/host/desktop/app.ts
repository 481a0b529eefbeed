import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserWindow } from 'electron';
import { createServices } from '../../service/index.ts';
import { createBridge } from '../app/bridge.ts';
import { attractAttention } from './attention.ts';
import { nativeDialogs } from './dialogs.ts';
import type { ElectronParts } from './electron.ts';
import { answerPage } from './ipc.ts';
import { menuTemplate } from './menu.ts';
import { declareScheme, pageServer, scheme } from './protocol.ts';
import { closeBeforeQuit, until } from './quit.ts';
import { guardContents, guardSession, outsideOpener } from './security.ts';
import { openWindow } from './window.ts';
import { utilityWorkers } from './workers.ts';

/** Where everything lies. */
export interface DesktopPlaces {
  /** Database, models, and the browser's own profile. */
  readonly home: string;
  /** The built page. */
  readonly page: string;
  readonly preload: string;
  /** The bundled example; absent: where the program's own files say. */
  readonly example?: string;
}

export interface DesktopOptions extends DesktopPlaces {
  readonly log: (text: string) => void;
  /** How long work may take to end when the program quits. */
  readonly patience?: number;
}

/**
 * Starts the desktop program: its services, one window, and what stands between. Returns when the window is open, or at once
 * where the program runs already; its window then comes to the front.
 */
export async function startDesktop(electron: ElectronParts, options: DesktopOptions): Promise<void> {
  const { app, Menu, protocol, session } = electron;
  const { home, log } = options;
  let window: BrowserWindow | undefined;
  const current = (): BrowserWindow | undefined => (window?.isDestroyed() ? undefined : window);

  // The browser's profile lies in the home, and the lock with it: one program for each home.
  const profile = join(home, 'browser');
  mkdirSync(profile, { recursive: true, mode: 0o700 });
  app.setPath('userData', profile);
  // By this name Windows knows whose notifications they are; the installer uses it too (electron-builder.yml).
  if (process.platform === 'win32') app.setAppUserModelId('org.plumbline.app');
  if (!app.requestSingleInstanceLock()) {
    app.quit();
    return;
  }
  declareScheme(protocol);
  const openOutside = outsideOpener(electron, current);
  guardContents(app, (url) => void openOutside(url));
  await app.whenReady();

  guardSession(session.defaultSession);
  Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(process.platform, !app.isPackaged)));

  const workers = utilityWorkers(electron);
  const services = await createServices({
    home,
    startProcess: workers.start,
    ...(options.example === undefined ? {} : { example: options.example }),
  });
  const dialogs = nativeDialogs(electron, current);
  const bridge = await createBridge({ services, home, host: 'desktop', log, dialogs });
  const reportFile = (download: string): string | undefined => bridge.downloads.find(download)?.path;
  session.defaultSession.protocol.handle(scheme, pageServer(options.page, reportFile));
  const stopAnswering = answerPage(electron, current, bridge);
  const unwatch = services.watch(attractAttention(electron, current));

  closeBeforeQuit(
    app,
    async (impatient) => {
      try {
        stopAnswering();
        unwatch();
        // Whoever quits sees the program gone; what is left to do needs no window.
        current()?.hide();
        await until(bridge.close(), impatient);
        await workers.killAll();
        await services.close();
      } catch (error) {
        log(`while quitting: ${error instanceof Error ? error.stack : String(error)}`);
      }
    },
    options.patience,
  );
  const open = (): void => {
    window = openWindow(electron, { home, preload: options.preload });
  };
  app.on('second-instance', () => {
    const there = current();
    if (!there) return open();
    if (there.isMinimized()) there.restore();
    there.focus();
  });
  // On a Mac a program without a window goes on, and opens one when its icon is pressed.
  app.on('activate', () => {
    if (!current()) open();
  });
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit();
  });
  open();
}
