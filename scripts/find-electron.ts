import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Electron's program as its package notes it, without asking the package itself: that would download. */
export function findElectron(): { readonly program: string } | { readonly why: string } {
  const folder = dirname(fileURLToPath(import.meta.resolve('electron/package.json')));
  const elsewhere = process.env['ELECTRON_OVERRIDE_DIST_PATH'];
  const note = join(folder, 'path.txt');
  const name = existsSync(note) ? readFileSync(note, 'utf8').trim() : undefined;
  if (elsewhere === undefined && name === undefined) return { why: '"npx install-electron" fetches it' };
  const program = join(elsewhere ?? join(folder, 'dist'), name ?? 'electron');
  return existsSync(program) ? { program } : { why: `${program} is missing` };
}
