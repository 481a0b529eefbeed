import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import process from 'node:process';

/** What tells one process from every other, also after its id was given to a later one. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in clock ticks after the boot of its machine (Linux); null where the system doesn't say. */
  readonly startedAt: number | null;
  readonly host: string;
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startedAt: readStart(process.pid), host: hostname() };
}

/**
 * Whether a process may still be running. One of another machine is taken to be alive, for nothing here can tell;
 * where the system doesn't say when a process started, a process of the same id is taken to be the one meant.
 */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.host !== hostname()) return true;
  if (!exists(identity.pid)) return false;
  const state = readState(identity.pid);
  if (state === null) return true;
  // A zombie has ended; only its parent hasn't asked how.
  if (state.status === 'Z' || state.status === 'X') return false;
  return identity.startedAt === null || state.startedAt === identity.startedAt;
}

function exists(pid: number): boolean {
  // Ids below 1 name groups of processes.
  if (!Number.isInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user may not be signalled, but is there.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function readStart(pid: number): number | null {
  return readState(pid)?.startedAt ?? null;
}

/** Status letter and start time, fields 3 and 22 of `/proc/<pid>/stat` (proc_pid_stat(5)). */
function readState(pid: number): { status: string; startedAt: number } | null {
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The second field, the program's name in brackets, may itself hold spaces and brackets.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const startedAt = Number(fields[19]);
  return fields[0] === undefined || !Number.isSafeInteger(startedAt)
    ? null
    : { status: fields[0], startedAt };
}
