import { z } from 'zod';
import { lossParametersOf } from './config.ts';
import { UsageError } from './errors.ts';
import { lossNames, type LossName } from './losses.ts';

/** What is compared: a loss with values of its own parameters. */
export interface Arm {
  readonly loss: LossName;
  /** All that the loss has; absent where it has none. */
  readonly lossParameters?: Readonly<Record<string, number>>;
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * Reads an arm as people write it: `dpo`, `kappa-dpo`, `kappa-dpo:kappa=0.25`; more parameters follow after colons. What is
 * not said is at the loss's default.
 * @throws UsageError naming what is wrong
 */
export function parseArm(text: string): Arm {
  const [name = '', ...parts] = text.split(':');
  const loss = lossNames.find((each) => each === name);
  if (loss === undefined) throw new UsageError(`must be one of ${lossNames.join(', ')}, not "${name}"`);
  const given = parseParameters(parts);
  const result = lossParametersOf(loss).safeParse(given);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new UsageError(`${[...issue!.path, ''].join(' ')}${issue!.message} ("${text}")`);
  }
  return Object.keys(result.data).length === 0 ? { loss } : { loss, lossParameters: result.data };
}

/**
 * Reads parameters as people write them, `kappa=0.25` each; whether a loss has them is not looked at.
 * @throws UsageError for what is no name and number, or a name given twice
 */
export function parseParameters(parts: readonly string[]): Record<string, number> {
  const parameters: Record<string, number> = {};
  for (const part of parts) {
    const [, name, value] = /^([a-z]+)=(.+)$/.exec(part) ?? [];
    if (name === undefined || value === undefined || !decimal.test(value))
      throw new UsageError(`must be a parameter and a number, as kappa=0.25, not "${part}"`);
    if (Object.hasOwn(parameters, name)) throw new UsageError(`names ${name} twice`);
    parameters[name] = Number(value);
  }
  return parameters;
}

/** The one name of an arm, with all parameters of its loss: `dpo`, `kappa-dpo:kappa=0.25`. `parseArm` reads it. */
export function armName({
  loss,
  lossParameters = {},
}: {
  readonly loss: string;
  readonly lossParameters?: Readonly<Record<string, number>> | undefined;
}): string {
  return [loss, ...Object.entries(lossParameters).map(([name, value]) => `${name}=${value}`)].join(':');
}

/** An arm as people write it. */
export const writtenArm = z.string().superRefine((text, context) => {
  try {
    parseArm(text);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
});

/** The same, made its one name: `kappa-dpo` and `kappa-dpo:kappa=.5` are one arm. */
export const armText: z.ZodType<string, string> = writtenArm.transform((text) => armName(parseArm(text)));

/** An arm's name for a folder, which on some systems can hold no colon: `kappa-dpo-kappa0.25`. */
export function armFolder(name: string): string {
  return name.replaceAll(':', '-').replaceAll('=', '');
}
