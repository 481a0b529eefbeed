import type { Statement } from 'better-sqlite3';
import {
  settingDefaults,
  settingNames,
  settingSchemas,
  type SettingName,
  type Settings as Values,
} from '../../shared/settings.ts';
import type { Connection } from './connection.ts';
import { decodeJson, encodeJson } from './json.ts';

/** What a person has set; the rest is at its default. */
export class Settings {
  readonly #connection: Connection;
  readonly #all: Statement<[], { name: string; json: string }>;
  readonly #put: Statement<[string, string]>;
  readonly #delete: Statement<[string]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#all = connection.prepare('SELECT name, value_json AS json FROM settings');
    this.#put = connection.prepare(
      `INSERT INTO settings (name, value_json) VALUES (?, ?)
       ON CONFLICT (name) DO UPDATE SET value_json = excluded.value_json`,
    );
    this.#delete = connection.prepare('DELETE FROM settings WHERE name = ?');
  }

  /** Every setting. A stored value that is no longer allowed counts as not set. */
  all(): Values {
    return { ...settingDefaults, ...this.chosen() };
  }

  /** Only what was set. */
  chosen(): Partial<Values> {
    const stored = new Map(this.#all.all().map(({ name, json }) => [name, json]));
    return Object.fromEntries(
      settingNames.flatMap((name) => {
        const json = stored.get(name);
        const parsed = json === undefined ? undefined : settingSchemas[name].safeParse(decodeJson(json));
        return parsed?.success === true ? [[name, parsed.data]] : [];
      }),
    );
  }

  get<Name extends SettingName>(name: Name): Values[Name] {
    return this.all()[name];
  }

  /** @throws ZodError for a value that is not allowed */
  set<Name extends SettingName>(name: Name, value: Values[Name]): void {
    const json = encodeJson(settingSchemas[name].parse(value));
    this.#connection.write(() => this.#put.run(name, json));
  }

  /** Back to its default. */
  reset(name: SettingName): void {
    this.#connection.write(() => this.#delete.run(name));
  }
}
