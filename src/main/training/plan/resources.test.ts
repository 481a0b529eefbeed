import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { availableMemory, freeMemory, peakMemory, volumeOf } from './resources.ts';

const scratch = mkdtempSync(join(tmpdir(), 'plan-resources-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A system's files as Linux shows them. */
function system(name: string, files: Record<string, string>): string {
  const root = join(scratch, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}
const meminfo = 'MemTotal:  16000000 kB\nMemFree:  1000 kB\nMemAvailable:  8000000 kB\n';

describe('freeMemory', () => {
  it('is what the kernel says can be had, where nothing limits it', () => {
    const root = system('plain', { 'proc/meminfo': meminfo, 'proc/self/cgroup': '0::/user.slice\n' });
    expect(freeMemory(root)).toBe(8_000_000 * 1024);
  });

  it('heeds the limit of any control group above the process, version 2', () => {
    const root = system('v2', {
      'proc/meminfo': meminfo,
      'proc/self/cgroup': '0::/outer/inner\n',
      'sys/fs/cgroup/outer/memory.max': '3000000000\n',
      'sys/fs/cgroup/outer/memory.current': '1000000000\n',
      'sys/fs/cgroup/outer/memory.stat': 'anon 5\ninactive_file 500000000\n',
      'sys/fs/cgroup/outer/inner/memory.max': 'max\n',
      'sys/fs/cgroup/outer/inner/memory.current': '900000000\n',
    });
    expect(freeMemory(root)).toBe(2_500_000_000);
  });

  it('finds the limit at the mount itself, as inside a container', () => {
    const root = system('container', {
      'proc/meminfo': meminfo,
      'proc/self/cgroup': '0::/docker/0123\n',
      'sys/fs/cgroup/memory.max': '1000000000\n',
      'sys/fs/cgroup/memory.current': '400000000\n',
    });
    expect(freeMemory(root)).toBe(600_000_000);
  });

  it('heeds version 1, whose "no limit" is a number', () => {
    const group = 'sys/fs/cgroup/memory';
    const root = system('v1', {
      'proc/meminfo': meminfo,
      'proc/self/cgroup': '5:cpu,cpuacct:/job\n4:memory:/job\n0::/\n',
      [`${group}/memory.limit_in_bytes`]: '9223372036854771712\n',
      [`${group}/memory.usage_in_bytes`]: '700000000\n',
      [`${group}/job/memory.limit_in_bytes`]: '2000000000\n',
      [`${group}/job/memory.usage_in_bytes`]: '500000000\n',
      [`${group}/job/memory.stat`]: 'total_inactive_file 100000000\n',
    });
    expect(freeMemory(root)).toBe(1_600_000_000);
  });

  it('is never below 0', () => {
    const root = system('over', {
      'proc/meminfo': meminfo,
      'proc/self/cgroup': '0::/\n',
      'sys/fs/cgroup/memory.max': '100\n',
      'sys/fs/cgroup/memory.current': '200\n',
    });
    expect(freeMemory(root)).toBe(0);
  });
});

describe('this process', () => {
  it('has a peak at least as large as what it has now, and counts that as its own', () => {
    const held = Buffer.alloc(50_000_000, 1);
    const now = process.memoryUsage.rss();
    expect(peakMemory()).toBeGreaterThan(0.9 * now);
    expect(availableMemory()).toBeGreaterThan(0.9 * now);
    expect(held[7]).toBe(1);
  });
});

describe('volumeOf', () => {
  it('looks at the folder above where one is still to be made', () => {
    expect(volumeOf(join(scratch, 'not', 'yet', 'there'))?.id).toBe(volumeOf(scratch)?.id);
    expect(volumeOf(scratch)!.free).toBeGreaterThan(0);
  });
});
