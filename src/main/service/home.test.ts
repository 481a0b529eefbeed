import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { InputError } from '../../shared/errors.ts';
import { defaultHome, resolveHome } from './home.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'plumbline-home-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

describe('resolveHome', () => {
  it('takes the option, then PLUMBLINE_HOME, and creates the folder empty', () => {
    const byOption = join(folder, 'by', 'option');
    const byEnvironment = join(folder, 'by-environment');
    vi.stubEnv('PLUMBLINE_HOME', byEnvironment);
    expect(resolveHome(byOption)).toBe(byOption);
    expect(existsSync(byEnvironment)).toBe(false);
    expect(resolveHome()).toBe(byEnvironment);
    expect(resolveHome()).toBe(byEnvironment);
    expect([readdirSync(byOption), readdirSync(byEnvironment)]).toEqual([[], []]);
  });

  it('makes a relative one absolute', () => {
    expect(resolveHome(relative(process.cwd(), folder))).toBe(folder);
  });

  it.runIf(process.platform === 'linux')("falls back to the OS's folder", () => {
    vi.stubEnv('PLUMBLINE_HOME', '');
    vi.stubEnv('XDG_DATA_HOME', folder);
    expect(resolveHome()).toBe(join(folder, 'plumbline'));
  });

  it('refuses what is no writable folder', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const home of [file, join(file, 'below')]) {
      expect(() => resolveHome(home)).toThrow(InputError);
      expect(() => resolveHome(home)).toThrow(`${home}: cannot be used as Plumbline's home`);
    }
  });

  // A folder that even the superuser cannot write to.
  it.runIf(process.platform === 'linux')('refuses a folder that exists and cannot be written', () => {
    expect(() => resolveHome('/proc/self')).toThrow(InputError);
  });
});

describe('defaultHome', () => {
  it("follows each OS's rules", () => {
    expect(defaultHome('linux', { XDG_DATA_HOME: '/data' }, '/home/ada')).toBe('/data/plumbline');
    expect(defaultHome('linux', { XDG_DATA_HOME: 'relative' }, '/home/ada')).toBe(
      '/home/ada/.local/share/plumbline',
    );
    expect(defaultHome('linux', {}, '/home/ada')).toBe('/home/ada/.local/share/plumbline');
    expect(defaultHome('darwin', {}, '/Users/ada')).toBe('/Users/ada/Library/Application Support/Plumbline');
    expect(defaultHome('win32', { APPDATA: 'C:\\Users\\ada\\AppData\\Roaming' }, 'C:\\Users\\ada')).toBe(
      'C:\\Users\\ada\\AppData\\Roaming\\Plumbline',
    );
    expect(defaultHome('win32', {}, 'C:\\Users\\ada')).toBe('C:\\Users\\ada\\AppData\\Roaming\\Plumbline');
  });
});
