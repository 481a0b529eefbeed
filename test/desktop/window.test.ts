import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { menuTemplate } from '../../src/main/host/desktop/menu.ts';
import { fitToDisplays } from '../../src/main/host/desktop/window-state.ts';
import { openWindow } from '../../src/main/host/desktop/window.ts';
import { standInElectron } from './stand-in.ts';

let home: string;
beforeEach(() => (home = mkdtempSync(join(tmpdir(), 'plumbline-window-'))));
afterEach(() => rmSync(home, { recursive: true, force: true }));

const open = () => {
  const host = standInElectron();
  openWindow(host.electron, { home, preload: '/preload.cjs' });
  return host.window();
};

describe('the window', () => {
  it('stands where it stood when it was closed', () => {
    const first = open();
    first.bounds = { x: 300, y: 120, width: 1000, height: 700 };
    first.maximized = true;
    first.close();
    const second = open();
    expect(second.bounds).toEqual({ x: 300, y: 120, width: 1000, height: 700 });
    expect(second.maximized).toBe(true);
    expect(second.shown).toBe(true);
  });

  it.each([
    '',
    '{',
    '[]',
    '{"bounds":{"x":"1"}}',
    '{"bounds":{"x":0,"y":0,"width":1e9,"height":5},"maximized":1}',
  ])('opens all the same where its place reads %s', (text) => {
    writeFileSync(join(home, 'window.json'), text);
    const window = open();
    expect(window.bounds).toMatchObject({ width: 1280, height: 840 });
    window.close();
    expect(JSON.parse(readFileSync(join(home, 'window.json'), 'utf8'))).toMatchObject({ maximized: false });
  });

  it('comes back from a display that is gone', () => {
    const left = { x: 0, y: 0, width: 1920, height: 1080 };
    const right = { x: 1920, y: 0, width: 1920, height: 1080 };
    const there = { x: 2000, y: 100, width: 1000, height: 700 };
    expect(fitToDisplays(there, [left, right])).toEqual(there);
    expect(fitToDisplays(there, [left])).toBeUndefined();
    // Only a sliver of it would be seen, or its title bar would not.
    expect(fitToDisplays({ ...there, x: 1900 }, [left])).toEqual({ ...there, x: 0, y: 0 });
    expect(fitToDisplays({ ...there, x: 100, y: -50 }, [left])).toEqual({ ...there, x: 0, y: 0 });
    // A smaller display than before.
    expect(fitToDisplays({ x: 10, y: 10, width: 3000, height: 2000 }, [left])).toEqual({
      x: 10,
      y: 10,
      width: 1920,
      height: 1080,
    });
  });
});

describe('menus', () => {
  const roles = (platform: NodeJS.Platform, developing: boolean): string =>
    JSON.stringify(menuTemplate(platform, developing));
  it('are the platform’s own', () => {
    expect(menuTemplate('darwin', false)[0]).toEqual({ role: 'appMenu' });
    expect(menuTemplate('linux', false).map(({ role }) => role)).toEqual([
      'fileMenu',
      'editMenu',
      undefined,
      'windowMenu',
      'help',
    ]);
    expect(roles('win32', false)).not.toMatch(/toggleDevTools|reload/);
    expect(roles('win32', true)).toMatch(/toggleDevTools/);
  });
});
