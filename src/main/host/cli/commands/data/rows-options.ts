import { z } from 'zod';
import type { RowSelection } from '../../../../../shared/contract.ts';
import { UsageError } from '../../../../../shared/errors.ts';
import { formatCount } from '../../../../../shared/format.ts';
import { numberText, optional, required, textValue, toggle } from '../../option.ts';

export const datasetName = { name: 'dataset', help: "an imported dataset's name" };

export const wholeNumber = z
  .number()
  .int({ error: 'must be a whole number' })
  .min(0, { error: 'must not be negative' });
const row = { flag: 'row', placeholder: 'N', parse: numberText(wholeNumber), group: 'Rows' };
export const requiredRow = required({ ...row, help: "the row's place in its file, counted from 0" });
export const optionalRow = optional({ ...row, help: 'one row, by its place in its file, counted from 0' });

const ranges: z.ZodType<(readonly [number, number])[], string> = z.string().transform((text, context) => {
  const found: (readonly [number, number])[] = [];
  for (const part of text.split(',')) {
    const match = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part);
    const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (match === null || from > to) {
      context.issues.push({
        code: 'custom',
        message: `must be rows such as 3 or 0-9,12, not "${text}"`,
        input: text,
      });
      return z.NEVER;
    }
    found.push([from, to]);
  }
  return found;
});

/** Which rows a command is about; all that is given must hold. */
export const selectionOptions = {
  rows: optional({
    flag: 'row',
    placeholder: 'N,FROM-TO',
    parse: ranges,
    help: 'rows by their place in their file, counted from 0',
    group: 'Rows',
  }),
  search: optional({
    flag: 'where',
    placeholder: 'WORDS',
    parse: textValue,
    help: 'rows that "data search" finds with these words',
    group: 'Rows',
  }),
  tagged: optional({
    flag: 'tagged',
    placeholder: 'TAG',
    parse: textValue,
    help: 'rows that carry this tag',
    group: 'Rows',
  }),
  repeats: toggle({ flag: 'repeats', help: 'rows that repeat an earlier one word for word', group: 'Rows' }),
};

/** @throws UsageError where no option says which rows are meant */
export function selectionOf(options: {
  readonly rows: (readonly [number, number])[] | undefined;
  readonly search: string | undefined;
  readonly tagged: string | undefined;
  readonly repeats: boolean;
}): RowSelection {
  const { rows, search, tagged, repeats } = options;
  if (rows === undefined && search === undefined && tagged === undefined && !repeats)
    throw new UsageError('say which rows are meant: --row, --where, --tagged or --repeats');
  return {
    ...(rows === undefined ? {} : { rows }),
    ...(search === undefined ? {} : { search }),
    ...(tagged === undefined ? {} : { tagged }),
    ...(repeats ? { repeats } : {}),
  };
}

export function rowsText(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'row' : 'rows'}`;
}
