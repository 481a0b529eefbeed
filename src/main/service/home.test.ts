import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveHome } from './home.ts';

describe('home folder', () => {
  it('prefers the named one, then PLUMBLINE_HOME', () => {
    expect(resolveHome('a', { PLUMBLINE_HOME: 'b' }, 'linux', '/u')).toBe('a');
    expect(resolveHome(undefined, { PLUMBLINE_HOME: 'b' }, 'linux', '/u')).toBe('b');
  });

  it('else takes the system’s place for application data', () => {
    const at = (platform: NodeJS.Platform, environment: Record<string, string>) =>
      resolveHome(undefined, environment, platform, 'u');
    expect(at('linux', { PLUMBLINE_HOME: '' })).toBe(join('u', '.local', 'share', 'plumbline'));
    expect(at('linux', { XDG_DATA_HOME: 'x' })).toBe(join('x', 'plumbline'));
    expect(at('darwin', {})).toBe(join('u', 'Library', 'Application Support', 'Plumbline'));
    expect(at('win32', { LOCALAPPDATA: 'l' })).toBe(join('l', 'Plumbline'));
    expect(at('win32', {})).toBe(join('u', 'AppData', 'Local', 'Plumbline'));
  });
});
