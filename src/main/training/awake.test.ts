import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { keepAwake } from './awake.ts';

const scratch = mkdtempSync(join(tmpdir(), 'awake-'));
const path = process.env['PATH'];
const told = join(scratch, 'told');
const started: ChildProcess[] = [];

/** Stands for the system's program: notes its id and what it was given, then does as `body` says. */
function standIn(name: string, body: string): void {
  mkdirSync(join(scratch, 'bin'), { recursive: true });
  writeFileSync(join(scratch, 'bin', name), `#!/bin/sh\necho "$$ $*" > '${told}'\n${body}\n`, {
    mode: 0o755,
  });
}

/** A process at work. */
function worker(): ChildProcess {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
  started.push(child);
  return child;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
const hasTold = (): boolean => existsSync(told) && readFileSync(told, 'utf8').endsWith('\n');
const standInPid = (): number => Number(readFileSync(told, 'utf8').split(' ')[0]);

beforeAll(() => {
  // As systemd-inhibit does: options first, then the command that it runs for as long as sleep is held off.
  standIn('systemd-inhibit', 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"');
  standIn('caffeinate', 'while kill -0 "$3" 2>/dev/null; do sleep 0.1; done');
  process.env['PATH'] = `${join(scratch, 'bin')}:${path}`;
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  rmSync(told, { force: true });
});
afterAll(() => {
  process.env['PATH'] = path;
  rmSync(scratch, { recursive: true, force: true });
});

describe.skipIf(process.platform === 'win32')('keepAwake', () => {
  for (const [platform, expected] of [
    ['linux', /--what=idle:sleep .*--mode=block sh -c while kill -0 PID /],
    ['darwin', /-i -w PID\n/],
  ] as const) {
    it(`holds sleep off by ${platform}'s own program until it is let go`, async () => {
      const { pid } = worker();
      const release = keepAwake(pid!, platform);
      await until(hasTold);
      expect(readFileSync(told, 'utf8')).toMatch(new RegExp(expected.source.replace('PID', String(pid))));
      expect(isAlive(standInPid())).toBe(true);
      release();
      await until(() => !isAlive(standInPid()));
      expect(isAlive(pid!)).toBe(true);
    });

    it(`ends on ${platform} with the process, though nobody lets go`, async () => {
      const child = worker();
      keepAwake(child.pid!, platform);
      await until(hasTold);
      child.kill('SIGKILL');
      await until(() => !isAlive(standInPid()));
    });
  }

  it('does without where the program is missing, and where nothing is known', async () => {
    const { pid } = worker();
    process.env['PATH'] = join(scratch, 'nowhere');
    const release = keepAwake(pid!, 'linux');
    await sleep(50);
    expect(release()).toBeUndefined();
    expect(keepAwake(pid!, 'aix')()).toBeUndefined();
    expect(existsSync(told)).toBe(false);
    process.env['PATH'] = `${join(scratch, 'bin')}:${path}`;
  });
});
