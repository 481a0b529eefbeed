import { z } from 'zod';
import { UsageError } from '../../../shared/errors.ts';

/** One `--flag` of a command: how its text becomes a value, and what help says of it. */
export interface Option<Value> {
  readonly flag: string;
  /** What stands for the value in help; absent for a switch, whose value is true where it is given. */
  readonly placeholder?: string;
  readonly parse: (text: string) => Value;
  /** Taken where the flag is absent. */
  readonly absent: Value;
  readonly required: boolean;
  /** May be given several times: `parse` gives a list each time, and they are joined. */
  readonly repeats?: boolean;
  readonly defaultText?: string;
  readonly help: string;
  readonly group: string;
}

/** Options by the name that code uses; `flag` is what people type. */
export type OptionTable = Readonly<Record<string, Option<unknown>>>;
export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Option<infer Value> ? Value : never;
};

interface Described {
  readonly flag: string;
  readonly help: string;
  readonly group: string;
}
interface Valued<Value> extends Described {
  readonly placeholder: string;
  readonly parse: z.ZodType<Value, string>;
}

function parser<Value>(flag: string, schema: z.ZodType<Value, string>): (text: string) => Value {
  return (text) => {
    const result = schema.safeParse(text);
    if (result.success) return result.data;
    throw new UsageError(`--${flag} ${result.error.issues[0]?.message ?? 'is not valid'}`);
  };
}

export function required<Value>(option: Valued<Value>): Option<Value> {
  // Never read: a required option that is absent is refused before.
  const absent = undefined as Value;
  return { ...option, parse: parser(option.flag, option.parse), absent, required: true };
}

/** `defaultText` tells of a default that is decided elsewhere (by the loss, by the run config). */
export function optional<Value>(
  option: Valued<Value> & { readonly defaultText?: string },
): Option<Value | undefined> {
  return { ...option, parse: parser(option.flag, option.parse), absent: undefined, required: false };
}

export function withDefault<Value>(
  option: Valued<Value> & { readonly absent: Value; readonly defaultText?: string },
): Option<Value> {
  const parse = parser(option.flag, option.parse);
  return { ...option, parse, required: false, defaultText: option.defaultText ?? String(option.absent) };
}

/** One that may be given several times, each time with one value. */
export function repeated<Value>(option: Valued<Value>): Option<readonly Value[]> {
  const parse = parser(option.flag, option.parse);
  return { ...option, parse: (text) => [parse(text)], absent: [], required: false, repeats: true };
}

/** A flag without a value. */
export function toggle(option: Described): Option<boolean> {
  return { ...option, parse: () => true, absent: false, required: false };
}

/** Decimal numbers with an optional exponent, checked further by `schema`; `0x10`, `Infinity` and blanks are refused. */
export function numberText(schema: z.ZodType<number, number>): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, {
      error: (issue) => `must be a number, not "${String(issue.input)}"`,
    })
    .transform(Number)
    .pipe(schema);
}

/** Values parted by commas, each checked by `item`; empty entries and entries given twice are refused. */
export function listText<Value extends string | number>(
  item: z.ZodType<Value, string>,
): z.ZodType<Value[], string> {
  return z.string().transform((text, context) => {
    const values: Value[] = [];
    const refuse = (message: string) => {
      context.issues.push({ code: 'custom', message, input: text });
      return z.NEVER;
    };
    for (const entry of text.split(',').map((part) => part.trim())) {
      if (entry === '') return refuse(`has an empty entry: "${text}"`);
      const result = item.safeParse(entry);
      if (!result.success) return refuse(result.error.issues[0]?.message ?? 'is not valid');
      if (values.includes(result.data)) return refuse(`names ${entry} twice`);
      values.push(result.data);
    }
    return values;
  });
}

export const textValue: z.ZodType<string, string> = z.string().min(1, { error: 'must not be empty' });
