import { parseArgs } from 'node:util';
import { UsageError } from '../../../shared/errors.ts';
import type { Command, ParsedArguments } from './command.ts';
import { globalOptions, versionOption } from './global-options.ts';
import type { Option, OptionTable, OptionValues } from './option.ts';
import { nearest } from './suggest.ts';

export interface Invocation {
  /** Absent where only the program's or a group's help or the version is asked for. */
  readonly command: Command | undefined;
  /** The words before the options, e.g. `models add`; a group's word where it has no command. */
  readonly words: string;
  readonly globals: OptionValues<typeof globalOptions> & { readonly version: boolean };
  readonly parsed: ParsedArguments;
}

const anywhere: OptionTable = { ...globalOptions, version: versionOption };

function hint(given: string, known: readonly string[], prefix = ''): string {
  const name = nearest(given, known);
  return name === undefined ? '' : `; did you mean ${prefix}${name}?`;
}

/** The command's words, and every argument that is not one of them. */
function splitCommand(
  args: readonly string[],
  commands: readonly Command[],
): { readonly command: Command | undefined; readonly words: string; readonly rest: readonly string[] } {
  const valued = Object.values(anywhere).filter((option) => option.placeholder !== undefined);
  const words: string[] = [];
  const before: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const argument = args[at]!;
    if (argument.startsWith('-')) {
      before.push(argument);
      const value = args[at + 1];
      if (value !== undefined && valued.some((option) => argument === `--${option.flag}`)) {
        before.push(value);
        at += 1;
      }
      continue;
    }
    words.push(argument);
    const name = words.join(' ');
    const command = commands.find((candidate) => candidate.name === name);
    if (command !== undefined) return { command, words: name, rest: [...before, ...args.slice(at + 1)] };
    if (!commands.some((candidate) => candidate.name.startsWith(`${name} `))) {
      const known = commands.map((candidate) => candidate.name);
      const group = words.slice(0, -1).join(' ');
      const near = nearest(name, [...known, ...known.map((candidate) => candidate.split(' ')[0]!)]);
      const listed = known
        .filter((candidate) => candidate.startsWith(group === '' ? '' : `${group} `))
        .join(', ');
      throw new UsageError(
        `unknown command "${name}"; ${near === undefined ? `known are ${listed}` : `did you mean ${near}?`}`,
      );
    }
  }
  return { command: undefined, words: words.join(' '), rest: before };
}

/** The command that the arguments name, as far as that can be told where they cannot be parsed. */
export function commandNameOf(args: readonly string[], commands: readonly Command[]): string | null {
  try {
    return splitCommand(args, commands).command?.name ?? null;
  } catch {
    return null;
  }
}

/**
 * Reads a command line. Global options may stand before the command's words or after them.
 * @throws UsageError naming what is wrong: an unknown command or option (with the nearest known one), a missing or
 *   superfluous value, an option given twice, a required option or positional that is absent.
 */
export function parseArguments(args: readonly string[], commands: readonly Command[]): Invocation {
  const { command, words, rest } = splitCommand(args, commands);
  const table: OptionTable = { ...command?.options, ...anywhere };
  const byFlag = new Map<string, readonly [string, Option<unknown>]>();
  for (const [name, option] of Object.entries(table)) byFlag.set(option.flag, [name, option]);

  const { tokens } = parseArgs({
    args: [...rest],
    // Not strict, so that messages are ours: strict mode knows neither suggestions nor "--beta -1".
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      [...byFlag].map(([flag, [, option]]) => [
        flag,
        {
          type: option.placeholder === undefined ? ('boolean' as const) : ('string' as const),
          ...(flag === 'help' ? { short: 'h' } : {}),
        },
      ]),
    ),
  });

  const values: Record<string, unknown> = {};
  const given = new Set<string>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const found = byFlag.get(token.name);
    if (found === undefined) {
      const where = command === undefined ? '' : ` for ${command.name}`;
      throw new UsageError(
        `unknown option ${token.rawName}${where}${hint(token.name, [...byFlag.keys()], '--')}`,
      );
    }
    const [name, option] = found;
    const flag = `--${option.flag}`;
    if (given.has(name) && option.repeats !== true) throw new UsageError(`${flag} is given twice`);
    given.add(name);
    if (option.placeholder === undefined) {
      if (token.value !== undefined) throw new UsageError(`${flag} takes no value`);
      values[name] = true;
      continue;
    }
    // "--beta --lr 1" is a forgotten value; "--prompt=--lr" says that it is meant.
    const forgotten =
      token.value === undefined || (token.inlineValue === false && token.value.startsWith('--'));
    if (forgotten) throw new UsageError(`${flag} needs a value: ${flag} ${option.placeholder}`);
    const value = option.parse(token.value!);
    // Safe: an option that repeats parses to lists.
    values[name] = option.repeats ? [...((values[name] ?? []) as unknown[]), ...(value as unknown[])] : value;
  }
  for (const [name, option] of Object.entries(table)) if (!given.has(name)) values[name] = option.absent;

  const pick = (names: OptionTable) =>
    Object.fromEntries(Object.keys(names).map((name) => [name, values[name]] as const));
  const invocation: Invocation = {
    command,
    words,
    // Safe: every name of the table was filled above by its own option's parse or absent value.
    globals: pick(anywhere) as Invocation['globals'],
    parsed: { positionals, options: pick(command?.options ?? {}) },
  };
  if (command !== undefined && !invocation.globals.help && !invocation.globals.version)
    requireEverything(command, given, positionals);
  return invocation;
}

function requireEverything(
  command: Command,
  given: ReadonlySet<string>,
  positionals: readonly string[],
): void {
  const absent = command.positionals[positionals.length];
  if (absent !== undefined) throw new UsageError(`${command.name} needs <${absent.name}>: ${absent.help}`);
  const extra = positionals[command.positionals.length];
  if (extra !== undefined) throw new UsageError(`${command.name} does not know what to do with "${extra}"`);
  const missing = Object.entries(command.options).filter(
    ([name, option]) => option.required && !given.has(name),
  );
  if (missing.length > 0) {
    const named = missing.map(([, option]) => `--${option.flag} ${option.placeholder ?? ''}`.trim());
    throw new UsageError(`${command.name} needs ${named.join(', ')}`);
  }
}
