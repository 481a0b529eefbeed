import { InputError } from '../../../../shared/errors.ts';
import type { ColumnMap } from '../../../../shared/preferences.ts';
import { isPresent, type Fields } from '../record.ts';
import { isText, type PreferenceFormat } from './format.ts';

/**
 * Columns that a person has named: each field of TRL's form is taken from where the map says, a path parted by dots
 * through objects and lists (`choices.0.text`). A column whose name itself holds a dot is found as it stands. With a
 * system column, text becomes chat messages.
 *
 * @throws InputError for a map without chosen and rejected, or prompt and completion
 */
export function columnsFormat(map: ColumnMap): PreferenceFormat {
  const pairs = map.chosen !== undefined && map.rejected !== undefined;
  if (!pairs && (map.prompt === undefined || map.completion === undefined))
    throw new InputError('the map must name chosen and rejected, or prompt and completion');
  const entries = Object.entries(map);
  return {
    name: 'columns',
    columns: entries.flatMap(([, path]) => [path, path.split('.', 1)[0]!]),
    matches: () => true,
    convert(record) {
      const fields = Object.fromEntries(entries.map(([field, path]) => [field, valueAt(record, path)]));
      const { system, ...rest } = fields;
      return isText(system) && system.trim() !== '' ? withSystem(rest, system) : rest;
    },
  };
}

function valueAt(record: Fields, path: string): unknown {
  if (Object.hasOwn(record, path)) return record[path];
  let value: unknown = record;
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Fields)[part];
  }
  return value;
}

/** Texts as the messages they stand for, after the system message. */
function withSystem(fields: Fields, content: string): Fields {
  const asMessages = (value: unknown, role: string): unknown =>
    isText(value) ? [{ role, content: value }] : value;
  const { prompt, chosen, rejected, completion, ...rest } = fields;
  const opening = asMessages(prompt, 'user');
  return {
    ...rest,
    prompt: Array.isArray(opening) ? [{ role: 'system', content }, ...(opening as unknown[])] : opening,
    ...(isPresent(chosen) ? { chosen: asMessages(chosen, 'assistant') } : {}),
    ...(isPresent(rejected) ? { rejected: asMessages(rejected, 'assistant') } : {}),
    ...(isPresent(completion) ? { completion: asMessages(completion, 'assistant') } : {}),
  };
}
