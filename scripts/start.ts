/**
 * `npm start`: builds what is missing or older than its sources and opens the program. Where Electron's own program was
 * not fetched, the same page is opened over loopback instead.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.ts';
import { findElectron } from './find-electron.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

const given = process.argv.slice(2);
await build({ stale: true });
const electron = findElectron();
if ('why' in electron)
  console.error(`Electron's program is not here (${electron.why}): opening the page on this machine instead`);
const [program, args] =
  'program' in electron
    ? [electron.program, [root, ...given]]
    : [process.execPath, [join(root, 'bin/plumbline.mjs'), 'serve', ...given]];
const child = spawn(program, args, { stdio: 'inherit' });
// Ctrl-C reaches the whole group; a kill of this process alone is passed on.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => void child.kill('SIGTERM'));
child.once('error', (error) => {
  console.error(`start: ${error.message}`);
  process.exitCode = 1;
});
child.once('exit', (code, signal) => {
  process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
});
