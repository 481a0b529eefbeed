import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { extractAll, listPackage } from '@electron/asar';
import { build as pack, Platform } from 'electron-builder';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../../scripts/build.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'plumbline-package-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const project = join(folder, 'project');
const program = join(folder, 'packages/linux-unpacked');
const resources = join(program, 'resources');
const archive = join(resources, 'app.asar');

/** A tree of links to the same bytes, or copies where the disk cannot. */
function linkTree(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) linkTree(source, target);
    else
      try {
        linkSync(source, target);
      } catch {
        copyFileSync(source, target);
      }
  }
}

/** The project as `npm ci --omit=dev` would leave it, with what was built. */
function stageProject(): void {
  mkdirSync(project, { recursive: true });
  for (const name of ['package.json', 'package-lock.json', 'electron-builder.yml'])
    copyFileSync(join(root, name), join(project, name));
  for (const name of ['dist/main', 'dist/shared', 'dist/preload', 'dist/renderer', 'resources/example'])
    cpSync(join(root, name), join(project, name), { recursive: true });
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: true; optional?: true; devOptional?: true }>;
  };
  for (const [path, { dev, devOptional }] of Object.entries(packages))
    if (path !== '' && !dev && !devOptional && existsSync(join(root, path)))
      linkTree(realpathSync(join(root, path)), join(project, path));
}

/** Something in the form of Electron's distribution, whose program is Node: its own cannot be fetched everywhere. */
function standInDistribution(): string {
  const distribution = join(folder, 'electron');
  mkdirSync(join(distribution, 'resources'), { recursive: true });
  mkdirSync(join(distribution, 'locales'));
  copyFileSync(process.execPath, join(distribution, 'electron'));
  const { version } = createRequire(import.meta.url)('electron/package.json') as { version: string };
  writeFileSync(join(distribution, 'version'), version);
  for (const name of ['LICENSE.electron.txt', 'LICENSES.chromium.html', 'locales/en-US.pak'])
    writeFileSync(join(distribution, name), '');
  return distribution;
}

describe.runIf(process.platform === 'linux')('the packed program', () => {
  beforeAll(async () => {
    await build({ stale: true });
    stageProject();
    await pack({
      projectDir: project,
      targets: Platform.LINUX.createTarget('dir'),
      config: {
        electronDist: standInDistribution(),
        // They are burnt into Electron's own program.
        electronFuses: null,
        directories: { output: join(folder, 'packages') },
      },
    });
  }, 180_000);

  it('holds what it needs to run, and nothing of tests, sources or other systems', () => {
    const files = listPackage(archive, { isPack: false }).map((file) => file.replaceAll('\\', '/'));
    const has = (file: string): boolean => files.includes(file);
    const { main } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { main: string };
    expect(has(`/${main}`)).toBe(true);
    for (const file of [
      '/dist/preload/preload.cjs',
      '/dist/renderer/index.html',
      '/dist/main/training/worker.js',
    ])
      expect(has(file)).toBe(true);
    const ours = files.filter((file) => !file.startsWith('/node_modules/'));
    expect(ours.filter((file) => /\.ts$|\.map$|\.test\.|testing|\/test-/.test(file))).toEqual([]);
    const other = process.arch === 'x64' ? 'arm64' : 'x64';
    const native = files.filter((file) => /\.(node|so|dylib|dll)(\.|$)/.test(file));
    expect(native.filter((file) => new RegExp(`darwin|win32|${other}`).test(file))).toEqual([]);
    // Development packages stay at home.
    expect(
      files.filter((file) => /^\/node_modules\/(electron|vite|svelte|typescript)(\/|$)/.test(file)),
    ).toEqual([]);
  });

  it('has what the system loads as files outside the archive', () => {
    const unpacked = globSync('**/*.{node,so,so.*}', { cwd: `${archive}.unpacked` });
    const packed = listPackage(archive, { isPack: false }).filter((file) => /\.(node|so)(\.|$)/.test(file));
    expect(unpacked.map((file) => `/${file}`).sort()).toEqual(packed.sort());
    expect(unpacked.some((file) => file.includes('onnxruntime_binding'))).toBe(true);
    expect(unpacked.some((file) => file.includes('better-sqlite3'))).toBe(true);
    expect(existsSync(join(resources, 'example/model/config.json'))).toBe(true);
  });

  it('opens its database and trains a step, out of its own tree alone', () => {
    // Node reads no archives: it is laid out as Electron shows it.
    const laidOut = join(folder, 'app');
    extractAll(archive, laidOut);
    const home = join(folder, 'home');
    mkdirSync(home);
    const script = join(dirname(fileURLToPath(import.meta.url)), 'packed-step.mjs');
    copyFileSync(script, join(folder, 'packed-step.mjs'));
    const said = execFileSync(
      join(program, 'plumbline'),
      ['--disable-warning=ExperimentalWarning', join(folder, 'packed-step.mjs'), laidOut, resources, home],
      { encoding: 'utf8', cwd: folder, env: { PATH: '' }, timeout: 100_000 },
    );
    const step = JSON.parse(said.trim().split('\n').at(-1)!) as {
      empty: boolean;
      available: boolean;
      loss: number;
      steps: number;
      native: string[];
    };
    // With an adapter that is still 0, policy and reference agree, and the loss is ln 2.
    expect(step).toMatchObject({ empty: true, available: true, steps: 1 });
    expect(step.loss).toBeCloseTo(Math.LN2, 5);
    expect(step.native.length).toBeGreaterThan(0);
    expect(step.native.filter((file) => !file.startsWith(laidOut))).toEqual([]);
    expect(existsSync(join(home, 'adapter/adapter_model.safetensors'))).toBe(true);
  });
});

describe('the fuses', () => {
  it('close what a shipped program does not need', () => {
    const text = readFileSync(join(root, 'electron-builder.yml'), 'utf8');
    const fuses = Object.fromEntries(
      [...text.matchAll(/^ {2}(\w+): (true|false)$/gm)].map(([, name, value]) => [name, value === 'true']),
    );
    expect(fuses).toMatchObject({
      runAsNode: false,
      enableNodeOptionsEnvironmentVariable: false,
      enableNodeCliInspectArguments: false,
      enableEmbeddedAsarIntegrityValidation: true,
      onlyLoadAppFromAsar: true,
      enableCookieEncryption: true,
    });
  });
});
