import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { isAlive, ownIdentity } from './process-identity.ts';

const script = `
import { ownIdentity } from ${JSON.stringify(new URL('./process-identity.ts', import.meta.url).href)};
console.log(JSON.stringify(ownIdentity()));
setInterval(() => {}, 1000);
`;

describe('process identity', () => {
  it('knows this process, and survives JSON', () => {
    expect(ownIdentity().pid).toBe(process.pid);
    expect(isAlive(JSON.parse(JSON.stringify(ownIdentity())))).toBe(true);
  });

  it('knows a process while it runs and no longer once it was killed', async () => {
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const identity = JSON.parse(line.toString());
    expect(identity.pid).toBe(child.pid);
    expect(isAlive(identity)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isAlive(identity)).toBe(false);
  });

  it.skipIf(!existsSync('/proc/self/stat'))('does not take a later process of the same id for it', () => {
    const own = ownIdentity();
    expect(isAlive({ ...own, startedAt: own.startedAt! - 1 })).toBe(false);
  });

  it.skipIf(!existsSync('/proc/self/stat'))('reads the start from the right field', () => {
    // Both count from the boot; ticks are hundredths of a second on every Linux.
    const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
    expect(Math.abs(uptime - process.uptime() - ownIdentity().startedAt! / 100)).toBeLessThan(5);
  });

  it('takes a process of another machine, which nothing here can ask, to be alive', () => {
    expect(isAlive({ pid: 1, startedAt: 1, host: 'another-machine.invalid' })).toBe(true);
  });

  it('takes no group of processes for a process', () => {
    const own = ownIdentity();
    for (const pid of [0, -1, 1.5, Number.NaN]) expect(isAlive({ ...own, pid })).toBe(false);
  });
});
