/** The desktop program's entry: runs inside Electron only. */
import * as electron from 'electron';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resolveHome } from '../../service/home.ts';
import { openHostLog } from '../../service/host-log.ts';
import { startDesktop } from './app.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** What nobody has foreseen ends the program with a message: going on could harm what is kept. */
function fail(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`plumbline: ${text}\n`);
  electron.dialog.showErrorBox('Plumbline has to end', error instanceof Error ? error.message : text);
  // Its workers end with it.
  electron.app.exit(1);
}
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

// Not awaited: Electron gets ready only when its entry has been read to the end.
start().catch(fail);

async function start(): Promise<void> {
  // What ships has the example beside its archive, where the runtime can map it.
  const shipped = join(process.resourcesPath, 'example');
  const home = resolveHome();
  await startDesktop(electron, {
    home,
    page: at('../../../renderer'),
    preload: at('../../../preload/preload.cjs'),
    ...(existsSync(shipped) ? { example: shipped } : {}),
    log: openHostLog(home),
  });
}
