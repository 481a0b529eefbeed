import { InputError } from '../../../../shared/errors.ts';
import type { FormatName } from '../../../../shared/preferences.ts';
import { isRecord, type PreferenceFormat } from './format.ts';
import { alpaca, alpacaRanking } from './alpaca.ts';
import { columnsFormat } from './columns.ts';
import { hhRlhf } from './hh-rlhf.ts';
import { orca } from './orca.ts';
import { argilla, distilabel } from './rated-lists.ts';
import { sharegpt } from './sharegpt.ts';
import { trl } from './trl.ts';
import { ultrafeedback } from './ultrafeedback.ts';
import type { DataReadOptions } from '../types.ts';

/** In the order in which they are tried: what is more special comes first. A further format is its file and a line here. */
export const formats: readonly PreferenceFormat[] = [
  hhRlhf,
  ultrafeedback,
  sharegpt,
  alpacaRanking,
  alpaca,
  orca,
  distilabel,
  argilla,
  trl,
];

/** Columns that any format looks at: while the format is not known, these are read. */
export const knownColumns: ReadonlySet<string> = new Set(formats.flatMap(({ columns }) => columns));

/** The format that a person asked for; undefined where it is to be recognised. @throws InputError for an unknown name */
export function askedFormat({ format, map }: DataReadOptions, file: string): PreferenceFormat | undefined {
  if (map !== undefined) {
    if (format !== undefined && format !== 'columns')
      throw new InputError(`a map of columns goes without the format ${format}`, { file });
    return columnsFormat(map);
  }
  if (format === undefined) return undefined;
  const found = formats.find(({ name }) => name === format);
  if (found) return found;
  if ((format as FormatName) === 'columns')
    throw new InputError('the format columns needs a map of columns', { file });
  throw new InputError(
    `unknown format ${String(format)}; known are ${formats.map(({ name }) => name).join(', ')}`,
    {
      file,
    },
  );
}

/** Share of the first records that must be of a format: a few may be broken. */
const requiredShare = 0.9;

/** The first format that (nearly) all of these records are of; TRL's where there is none, to tell what is missing. */
export function recognise(records: readonly unknown[]): PreferenceFormat {
  return matchingFormat(records) ?? trl;
}

/** As `recognise`; undefined where there is none. */
export function matchingFormat(records: readonly unknown[]): PreferenceFormat | undefined {
  const fields = records.filter(isRecord);
  return formats.find(
    (format) =>
      fields.length > 0 &&
      fields.filter((record) => format.matches(record)).length >= requiredShare * fields.length,
  );
}
