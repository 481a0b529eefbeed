import { createHash } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isAlive, ownIdentity, type ProcessIdentity } from '../store/process-identity.ts';
import { namesIn } from './doctor/files.ts';

/** Folders in the home folder in which every process that hosts the app has one of its own. */
export const ownFolderKinds = ['uploads', 'downloads'] as const;
export type OwnFolderKind = (typeof ownFolderKinds)[number];

const pattern = /^(\d+)-(\d+|x)-([0-9a-f]{8})$/;
const machine = (host: string): string => createHash('sha256').update(host).digest('hex').slice(0, 8);

function nameOf({ pid, startedAt, host }: ProcessIdentity): string {
  return `${pid}-${startedAt ?? 'x'}-${machine(host)}`;
}

/** Whether the process that a folder is named for may still be running; undefined for a folder of another kind. */
export function isInUse(name: string): boolean | undefined {
  const found = pattern.exec(name);
  if (!found) return undefined;
  const [, pid, startedAt, of] = found;
  if (of !== machine(hostname())) return true;
  return isAlive({
    pid: Number(pid),
    startedAt: startedAt === 'x' ? null : Number(startedAt),
    host: hostname(),
  });
}

/** Makes this process's folder, empty, and removes those that ended processes have left. @returns its path */
export function openOwnFolder(home: string, kind: OwnFolderKind): string {
  const all = join(home, kind);
  const own = join(all, nameOf(ownIdentity()));
  for (const name of namesIn(all))
    if (isInUse(name) === false) rmSync(join(all, name), { recursive: true, force: true });
  rmSync(own, { recursive: true, force: true });
  // Only the person's own, as the home folder is.
  mkdirSync(own, { recursive: true, mode: 0o700 });
  return own;
}
