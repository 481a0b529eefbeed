import { spawn } from 'node:child_process';
import { constants, getPriority } from 'node:os';
import { expect, it } from 'vitest';
import { careForWorker, givePriority } from './priority.ts';

it('steps a process back as the setting says', () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
  const { pid } = child;
  try {
    const before = getPriority(pid);
    expect(givePriority(pid!, 'normal')).toBe(true);
    expect(getPriority(pid)).toBe(before);
    const release = careForWorker({ priority: 'low', keepAwake: false })(pid!);
    expect(getPriority(pid)).toBe(constants.priority.PRIORITY_BELOW_NORMAL);
    expect(givePriority(pid!, 'lowest')).toBe(true);
    expect(getPriority(pid)).toBe(constants.priority.PRIORITY_LOW);
    release();
  } finally {
    child.kill('SIGKILL');
  }
});

it('does without where the process is gone', () => {
  expect(givePriority(2 ** 22 + 1, 'low')).toBe(false);
});
