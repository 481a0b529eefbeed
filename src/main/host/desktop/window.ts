import { join } from 'node:path';
import type { BrowserWindow } from 'electron';
import type { ElectronParts } from './electron.ts';
import { pageAddress } from './protocol.ts';
import { fitToDisplays, initial, readWindowState, smallest, writeWindowState } from './window-state.ts';

/** Moves and sizes are kept when they have rested so long. */
const restMilliseconds = 500;

/**
 * Opens the program's window where it stood last.
 * @param home where its place is kept
 * @param preload file of the preload script
 */
export function openWindow(
  { BrowserWindow, screen }: Pick<ElectronParts, 'BrowserWindow' | 'screen'>,
  { home, preload }: { readonly home: string; readonly preload: string },
): BrowserWindow {
  const file = join(home, 'window.json');
  const kept = readWindowState(file);
  const areas = screen.getAllDisplays().map(({ workArea }) => workArea);
  const bounds = kept && fitToDisplays(kept.bounds, areas);
  const window = new BrowserWindow({
    ...(bounds ?? initial),
    minWidth: smallest.width,
    minHeight: smallest.height,
    title: 'Plumbline',
    show: false,
    webPreferences: {
      preload,
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      allowRunningInsecureContent: false,
      webviewTag: false,
      navigateOnDragDrop: false,
      spellcheck: false,
    },
  });
  if (kept?.maximized) window.maximize();
  window.once('ready-to-show', () => window.show());
  keepState(window, file);
  void window.loadURL(pageAddress);
  return window;
}

function keepState(window: BrowserWindow, file: string): void {
  let timer: NodeJS.Timeout | undefined;
  const keep = (): void => {
    clearTimeout(timer);
    if (window.isDestroyed()) return;
    writeWindowState(file, { bounds: window.getNormalBounds(), maximized: window.isMaximized() });
  };
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(keep, restMilliseconds);
    timer.unref();
  };
  window.on('resize', later);
  window.on('move', later);
  window.on('maximize', later);
  window.on('unmaximize', later);
  window.on('close', keep);
}
