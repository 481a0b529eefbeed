import { z } from 'zod';
import {
  formatNames,
  mappableFields,
  type ColumnMap,
  type FormatName,
  type MappableField,
} from '../../../../../shared/preferences.ts';
import { optional } from '../../option.ts';

const group = 'Format';

const formatText: z.ZodType<FormatName, string> = z.string().transform((text, context) => {
  const found = formatNames.find((name) => name === text && name !== 'columns');
  if (found !== undefined) return found;
  const known = formatNames.filter((name) => name !== 'columns').join(', ');
  context.issues.push({ code: 'custom', message: `must be one of ${known}, not "${text}"`, input: text });
  return z.NEVER;
});

const mapText: z.ZodType<ColumnMap, string> = z.string().transform((text, context) => {
  const refuse = (message: string) => {
    context.issues.push({ code: 'custom', message, input: text });
    return z.NEVER;
  };
  const map: Partial<Record<MappableField, string>> = {};
  for (const entry of text.split(',')) {
    const [name, ...rest] = entry.split('=');
    const column = rest.join('=').trim();
    const field = mappableFields.find((each) => each === name!.trim());
    if (field === undefined)
      return refuse(`has no field "${name!.trim()}"; fields are ${mappableFields.join(', ')}`);
    if (column === '') return refuse(`names no column for ${field}`);
    if (map[field] !== undefined) return refuse(`names ${field} twice`);
    map[field] = column;
  }
  const isPair = map.chosen !== undefined && map.rejected !== undefined;
  if (!isPair && (map.prompt === undefined || map.completion === undefined))
    return refuse('must name chosen and rejected, or prompt and completion');
  return map;
});

/** How a data file is to be read, for every command that reads one. */
export const formatOptions = {
  format: optional({
    flag: 'format',
    placeholder: 'F',
    parse: formatText,
    defaultText: 'recognised from the first rows',
    help: `form of the rows: ${formatNames.filter((name) => name !== 'columns').join(', ')}`,
    group,
  }),
  map: optional({
    flag: 'map',
    placeholder: 'F=COLUMN,…',
    parse: mapText,
    help:
      'columns by name, e.g. prompt=question,chosen=answers.0.text,rejected=answers.1.text; fields are ' +
      mappableFields.join(', '),
    group,
  }),
};
