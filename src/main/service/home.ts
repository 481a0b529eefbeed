import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The folder that holds the database and the model store: what the person named, else `PLUMBLINE_HOME`, else the
 * system's place for application data.
 */
export function resolveHome(
  named: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
  userFolder: string = homedir(),
): string {
  // An empty variable is what a shell leaves behind when it means "unset".
  const given = named ?? (environment['PLUMBLINE_HOME'] || undefined);
  if (given !== undefined) return given;
  if (platform === 'win32')
    return join(environment['LOCALAPPDATA'] || join(userFolder, 'AppData', 'Local'), 'Plumbline');
  if (platform === 'darwin') return join(userFolder, 'Library', 'Application Support', 'Plumbline');
  return join(environment['XDG_DATA_HOME'] || join(userFolder, '.local', 'share'), 'plumbline');
}
