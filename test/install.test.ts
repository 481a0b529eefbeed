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

test('every package with an install script is named, and only node may run its own', () => {
  const read = (name: string): unknown =>
    JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));
  const { packages } = read('package-lock.json') as { packages: Record<string, { hasInstallScript?: true }> };
  const { allowScripts } = read('package.json') as { allowScripts: Record<string, boolean> };
  const scripted = Object.entries(packages)
    .filter(([, { hasInstallScript }]) => hasInstallScript)
    .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length));
  expect(scripted).toContain('node');
  expect(scripted.filter((name) => !(name in allowScripts))).toEqual([]);
  expect(Object.keys(allowScripts).filter((name) => allowScripts[name])).toEqual(['node']);
});
