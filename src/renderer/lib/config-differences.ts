import { parseRunConfig, type RunConfig } from '../../shared/config.ts';

/** One setting of a run beside what it would have been had nothing been said. */
export interface SettingLine {
  readonly name: string;
  readonly value: string;
  readonly usual: string;
  readonly differs: boolean;
}

/** The settings of a run, those that differ from the defaults of its loss first; nested ones by paths. */
export function settingLines(config: RunConfig): SettingLine[] {
  const usual = flat(parseRunConfig({ loss: config.loss }));
  const given = flat(config);
  const names = [...new Set([...given.keys(), ...usual.keys()])];
  const lines = names.map((name) => {
    const [value, other] = [given.get(name) ?? '–', usual.get(name) ?? '–'];
    return { name, value, usual: other, differs: value !== other };
  });
  return [...lines.filter(({ differs }) => differs), ...lines.filter(({ differs }) => !differs)];
}

function flat(value: object, path = ''): Map<string, string> {
  return new Map(
    Object.entries(value).flatMap(([name, part]: [string, unknown]): [string, string][] => {
      const place = path === '' ? name : `${path}.${name}`;
      if (part === undefined) return [];
      if (typeof part === 'object' && part !== null && !Array.isArray(part)) return [...flat(part, place)];
      return [[place, Array.isArray(part) ? part.join(', ') : String(part)]];
    }),
  );
}
