import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../shared/errors.ts';
import { defaultSettings, formatSetting, parseSetting, settingNames } from '../../shared/settings.ts';
import { openStore, type Store } from './database.ts';
import { temporaryFolder } from './samples.ts';

let folder: ReturnType<typeof temporaryFolder>;
let store: Store;

beforeEach(() => {
  folder = temporaryFolder();
  store = openStore(join(folder.path, 'plumbline.db'));
});
afterEach(() => {
  store.close();
  folder.remove();
});

describe('settings', () => {
  it('are at their defaults until they are set, and again when reset', () => {
    expect(store.settings.all()).toEqual({
      runsAtOnce: 1,
      keepCheckpoints: 2,
      keepBestBy: null,
      keepPairs: 64,
      keepEvaluations: 64,
      checkpointSeconds: 60,
      priority: 'low',
      keepAwake: true,
    });
    store.settings.set('runsAtOnce', 3);
    store.settings.set('keepBestBy', 'rewards/margins');
    store.settings.set('keepAwake', false);
    const { file } = store;
    store.close();
    store = openStore(file);
    expect(store.settings.given()).toEqual({
      runsAtOnce: 3,
      keepBestBy: 'rewards/margins',
      keepAwake: false,
    });
    expect(store.settings.all()).toEqual({ ...defaultSettings, ...store.settings.given() });
    store.settings.reset('keepBestBy');
    expect(store.settings.given()).toEqual({ runsAtOnce: 3, keepAwake: false });
  });

  it('refuse what they cannot be', () => {
    for (const value of [0, 1.5, 65, NaN, '2', null]) {
      expect(() => store.settings.set('runsAtOnce', value as number)).toThrow(UsageError);
    }
    expect(() => store.settings.set('keepBestBy', 'nonsense' as 'loss')).toThrow(
      /^keepBestBy must be none or/,
    );
    expect(store.settings.given()).toEqual({});
  });

  it('pass over what another version has written', () => {
    store.settings.set('keepCheckpoints', 5);
    const other = new Sqlite(store.file);
    other.exec(`INSERT INTO settings VALUES ('runsAtOnce', '"many"'), ('later', '1')`);
    other.close();
    expect(store.settings.given()).toEqual({ keepCheckpoints: 5 });
  });

  it('are seen by every process at once', () => {
    const second = openStore(store.file);
    second.settings.set('priority', 'normal');
    expect(store.settings.all().priority).toBe('normal');
    second.close();
  });

  it('are read as people type them, and printed so', () => {
    expect(parseSetting('runsAtOnce', '4')).toBe(4);
    expect(parseSetting('keepAwake', 'off')).toBe(false);
    expect(parseSetting('keepBestBy', 'none')).toBe(null);
    expect(parseSetting('keepBestBy', 'rewards/accuracies')).toBe('rewards/accuracies');
    for (const [name, text] of [
      ['runsAtOnce', 'two'],
      ['runsAtOnce', ''],
      ['keepAwake', '1'],
      ['priority', 'none'],
    ] as const)
      expect(() => parseSetting(name, text), `${name} ${text}`).toThrow(UsageError);
    for (const name of settingNames)
      expect(parseSetting(name, formatSetting(defaultSettings[name]))).toBe(defaultSettings[name]);
  });
});
