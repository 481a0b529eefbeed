import type { Statement } from 'better-sqlite3';
import {
  checkSetting,
  defaultSettings,
  programSettings,
  settingNames,
  type ProgramSettings,
  type SettingName,
} from '../../shared/settings.ts';
import type { Connection } from './connection.ts';
import { decodeJson, encodeJson } from './json.ts';

/** How the program behaves: only what differs from the defaults is kept, so that a better default reaches everyone. */
export class Settings {
  readonly #connection: Connection;
  readonly #rows: Statement<[], { name: string; json: string }>;
  readonly #put: Statement<[string, string]>;
  readonly #delete: Statement<[string]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#rows = connection.prepare('SELECT name, value_json AS json FROM settings');
    this.#put = connection.prepare(
      `INSERT INTO settings (name, value_json) VALUES (?, ?)
       ON CONFLICT (name) DO UPDATE SET value_json = excluded.value_json`,
    );
    this.#delete = connection.prepare('DELETE FROM settings WHERE name = ?');
  }

  /** Every setting as it stands now; a value that this version does not take counts as not set. */
  all(): ProgramSettings {
    return { ...defaultSettings, ...this.given() };
  }

  /** Those that were set. */
  given(): Partial<ProgramSettings> {
    const rows = new Map(this.#rows.all().map(({ name, json }) => [name, json]));
    const entries = settingNames.flatMap((name) => {
      const json = rows.get(name);
      if (json === undefined) return [];
      const result = programSettings[name].schema.safeParse(decodeJson(json));
      return result.success ? [[name, result.data] as const] : [];
    });
    return Object.fromEntries(entries) as Partial<ProgramSettings>;
  }

  /** @throws UsageError where the setting cannot have this value */
  set<Name extends SettingName>(name: Name, value: ProgramSettings[Name]): void {
    const json = encodeJson(checkSetting(name, value));
    this.#connection.write(() => this.#put.run(name, json));
  }

  /** Back to the default. */
  reset(name: SettingName): void {
    this.#connection.write(() => this.#delete.run(name));
  }
}
