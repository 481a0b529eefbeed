import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/**
 * npm 10, which Node 20 brings along, compiles every package with a binding.gyp unless its lock entry says
 * `"gypfile": false`, and `npm install` forgets that line: a machine without Python and a compiler could then not
 * install. better-sqlite3 ships its binaries. After changing dependencies, put the line back.
 */
test('the lock file keeps npm 10 from compiling better-sqlite3', () => {
  const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
    packages: Record<string, { gypfile?: boolean }>;
  };
  expect(lock.packages['node_modules/better-sqlite3']?.gypfile).toBe(false);
});
