import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packTarGz } from './tar.ts';

it('is read by tar, with every byte, name and time', (context) => {
  try {
    execFileSync('tar', ['--version'], { stdio: 'ignore' });
  } catch {
    context.skip('there is no tar program here');
  }
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-tar-'));
  try {
    const exact = new Uint8Array(512).map((_, place) => place);
    const changedAt = Date.UTC(2026, 0, 2, 3, 4, 5);
    const entries = [
      { name: 'a/empty.txt', content: '', changedAt },
      { name: 'a/ü.txt', content: 'line\nä\n', changedAt },
      { name: 'exact.bin', content: exact, changedAt },
      { name: 'n'.repeat(100), content: new Uint8Array(513).fill(7), changedAt },
    ];
    writeFileSync(join(folder, 'x.tar.gz'), packTarGz(entries));
    execFileSync('tar', ['-xzf', 'x.tar.gz'], { cwd: folder });
    for (const { name, content } of entries) {
      expect(readFileSync(join(folder, name)).equals(Buffer.from(content as Uint8Array))).toBe(true);
      expect(statSync(join(folder, name)).mtimeMs).toBe(changedAt);
    }
    expect(() => packTarGz([{ name: 'n'.repeat(101), content: '', changedAt }])).toThrow(/too long/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
