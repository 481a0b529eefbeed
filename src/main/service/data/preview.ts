import type { CallOptions, PreviewDataRequest, PreviewDataResult } from '../../../shared/contract.ts';
import { firstRecords } from '../../formats/preferences.ts';

const recordsShown = 20;
const longest = 300;
/** How deep, how far into lists and how many columns are offered for mapping. */
const deepest = 4;
const itemsShown = 8;
const mostColumns = 200;

/**
 * The first records of a file with every column, before anything is made of them.
 * @throws InputError where the file cannot be read
 */
export async function previewData(
  { path, format: asked, map }: PreviewDataRequest,
  { signal }: CallOptions,
): Promise<PreviewDataResult> {
  const found = await firstRecords(path, recordsShown, {
    ...(asked === undefined ? {} : { format: asked }),
    ...(map === undefined ? {} : { map }),
    signal,
  });
  const columns = new Set<string>();
  const records = found.records.map((fields) => {
    const flat = new Map<string, string>();
    flatten(fields, '', 1, (path, text) => {
      if (!columns.has(path) && columns.size === mostColumns) return;
      columns.add(path);
      flat.set(path, text);
    });
    return Object.fromEntries(flat);
  });
  const { format, problem } = found;
  return {
    ...(format === undefined ? {} : { format }),
    columns: [...columns],
    records,
    ...(problem === undefined ? {} : { problem }),
  };
}

/** Tells of every value below, the lists and objects on the way included: those too can be mapped. */
function flatten(
  value: object,
  path: string,
  depth: number,
  tell: (path: string, text: string) => void,
): void {
  for (const [name, part] of Object.entries(value) as [string, unknown][]) {
    if (Array.isArray(value) && Number(name) >= itemsShown) return;
    const place = path === '' ? name : `${path}.${name}`;
    tell(place, textOf(part));
    if (typeof part === 'object' && part !== null && depth < deepest) flatten(part, place, depth + 1, tell);
  }
}

function textOf(value: unknown): string {
  const text =
    value === null || value === undefined
      ? ''
      : typeof value === 'object'
        ? JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? String(part) : part))
        : String(value as string | number | boolean | bigint);
  return text.slice(0, longest).toWellFormed();
}
