/** A setting of several runs, side by side. */
export interface SettingRow {
  readonly name: string;
  /** One for each run, `–` where it has none. */
  readonly values: readonly string[];
  readonly differs: boolean;
}

/**
 * Settings of several runs as rows of a table: nested ones by paths (`lora.rank`), in the order in which they are first
 * met.
 */
export function settingRows(configs: readonly object[]): SettingRow[] {
  const flat = configs.map((config) => new Map(entriesOf(config, '')));
  const names = [...new Set(flat.flatMap((config) => [...config.keys()]))];
  return names.map((name) => {
    const values = flat.map((config) => config.get(name) ?? '–');
    return { name, values, differs: new Set(values).size > 1 };
  });
}

function entriesOf(value: object, path: string): [name: string, value: string][] {
  return Object.entries(value).flatMap(([key, part]: [string, unknown]) => {
    const name = path === '' ? key : `${path}.${key}`;
    if (part === undefined) return [];
    if (typeof part === 'object' && part !== null && !Array.isArray(part)) return entriesOf(part, name);
    return [[name, Array.isArray(part) ? part.join(', ') : String(part)] as [string, string]];
  });
}
