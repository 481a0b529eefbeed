import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, posix, resolve, win32 } from 'node:path';
import { InputError } from '../../shared/errors.ts';

/**
 * The folder of database and models: the option, else PLUMBLINE_HOME, else the OS's app-data folder. Creates it.
 * @returns an absolute path
 * @throws InputError where it cannot be created or written
 */
export function resolveHome(
  option?: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const home = resolve(
    option || environment['PLUMBLINE_HOME'] || defaultHome(process.platform, environment, homedir()),
  );
  try {
    // Only the person's own: what they align on is often private.
    mkdirSync(home, { recursive: true, mode: 0o700 });
    // Permissions alone don't tell (read-only mounts, Windows): try it.
    rmdirSync(mkdtempSync(join(home, '.writable-')));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isFile = code === 'EEXIST' || code === 'ENOTDIR';
    const cause = isFile
      ? 'it is a file, or lies below one'
      : code === 'ENOSPC'
        ? 'the disk is full'
        : `not a writable folder (${code})`;
    throw new InputError(`cannot be used as Plumbline's home: ${cause}`, {
      file: home,
    });
  }
  return home;
}

/**
 * Where app data belongs by the OS's own rules (on Linux the XDG base directory specification, by which a relative
 * XDG_DATA_HOME is ignored).
 * @param userFolder the person's home folder
 */
export function defaultHome(
  platform: NodeJS.Platform,
  environment: Readonly<Record<string, string | undefined>>,
  userFolder: string,
): string {
  if (platform === 'win32') {
    return win32.join(environment['APPDATA'] || win32.join(userFolder, 'AppData', 'Roaming'), 'Plumbline');
  }
  if (platform === 'darwin') {
    return posix.join(userFolder, 'Library', 'Application Support', 'Plumbline');
  }
  const given = environment['XDG_DATA_HOME'];
  const data = given && posix.isAbsolute(given) ? given : posix.join(userFolder, '.local', 'share');
  return posix.join(data, 'plumbline');
}
