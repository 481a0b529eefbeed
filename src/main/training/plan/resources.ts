import { existsSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { freemem } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** Peak resident bytes of this process. The kernel's own mark on Linux: maxRSS can hold what the parent had. */
export function peakMemory(): number {
  return statusBytes('VmHWM') ?? process.resourceUsage().maxRSS * 1024;
}

function statusBytes(key: string): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const line = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(readText('/proc/self/status') ?? '');
  return line ? Number(line[1]) * 1024 : undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/**
 * Bytes that a process may still take: what the system can give without swapping, and no more than any control group
 * above the process allows.
 * @param root where the system's files lie; another for tests
 */
export function freeMemory(root = '/'): number {
  const free = systemMemory(root) ?? freemem();
  return Math.max(0, Math.min(free, ...groupMemory(root)));
}

/** The largest resident size that this process can have: what it has and what it may still take. */
export function availableMemory(): number {
  return process.memoryUsage.rss() + freeMemory();
}

function systemMemory(root: string): number | undefined {
  const line = /^MemAvailable:\s+(\d+) kB/m.exec(readText(join(root, 'proc/meminfo')) ?? '');
  return line ? Number(line[1]) * 1024 : undefined;
}

/** Room under each limit of the process's control groups, versions 2 and 1. Cached file pages count as room. */
function groupMemory(root: string): number[] {
  const rooms: number[] = [];
  for (const line of (readText(join(root, 'proc/self/cgroup')) ?? '').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    const version2 = controllers === '';
    if (!version2 && !controllers.split(',').includes('memory')) continue;
    const mount = join(root, version2 ? 'sys/fs/cgroup' : 'sys/fs/cgroup/memory');
    const [limit, usage, cached] = version2
      ? ['memory.max', 'memory.current', 'inactive_file']
      : ['memory.limit_in_bytes', 'memory.usage_in_bytes', 'total_inactive_file'];
    // In a container the path may be the host's, of which only the mount's own folder is seen: up to that one.
    for (let folder = join(mount, path); folder.startsWith(mount); folder = dirname(folder)) {
      const most = Number(readText(join(folder, limit)) ?? NaN);
      const used = Number(readText(join(folder, usage)) ?? NaN);
      // "max" is no number; version 1 says "no limit" by one near 2^63.
      if (!Number.isFinite(most) || !Number.isFinite(used) || most > 2 ** 60) continue;
      const file = new RegExp(`^${cached} (\\d+)`, 'm').exec(readText(join(folder, 'memory.stat')) ?? '');
      rooms.push(most - used + Number(file?.[1] ?? 0));
    }
  }
  return rooms;
}

export interface Volume {
  /** Tells volumes apart. */
  readonly id: number;
  /** Bytes that a person without special rights may write. */
  readonly free: number;
}

/** The volume that a folder lies on, or would lie on once made. Undefined where the system does not say. */
export function volumeOf(folder: string): Volume | undefined {
  let existing = resolve(folder);
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  try {
    const { bavail, bsize } = statfsSync(existing);
    return { id: statSync(existing).dev, free: bavail * bsize };
  } catch {
    return undefined;
  }
}
