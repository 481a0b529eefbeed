import type { Command } from './command.ts';
import { globalOptions, versionOption } from './global-options.ts';
import type { Option } from './option.ts';

/** Columns of help texts. */
export const helpWidth = 100;

/** Breaks text between words so that no line is longer than `width`, longer words excepted. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') lines.push(line);
  return lines;
}

/** Two columns: what stands left on its own line where it is too long, explanations wrapped on the right. */
function columns(rows: readonly (readonly [string, string])[], left: number): string[] {
  return rows.flatMap(([name, text]) => {
    const lines = wrap(text, helpWidth - left);
    const start = `  ${name}`;
    const [first = '', ...more] = start.length + 2 > left ? ['', ...lines] : lines;
    const head = first === '' ? start : start.padEnd(left) + first;
    return [head, ...more.map((line) => ' '.repeat(left) + line)];
  });
}

function usageOf(option: Option<unknown>): string {
  return option.placeholder === undefined ? `--${option.flag}` : `--${option.flag} ${option.placeholder}`;
}

function explain(option: Option<unknown>): string {
  const after = option.required
    ? ' (required)'
    : option.defaultText === undefined
      ? ''
      : ` (default: ${option.defaultText})`;
  return option.help + after;
}

function optionGroups(options: readonly Option<unknown>[]): string[] {
  const groups = new Map<string, Option<unknown>[]>();
  for (const option of options) groups.set(option.group, [...(groups.get(option.group) ?? []), option]);
  return [...groups].flatMap(([group, members]) => [
    '',
    `${group}:`,
    ...columns(
      members.map((option) => [usageOf(option), explain(option)] as const),
      31,
    ),
  ]);
}

/** Everything about one command: usage, what it does, positionals, options by group with defaults, examples. */
export function commandHelp(command: Command): string {
  const options = Object.values(command.options);
  const usage = [
    `plumbline ${command.name}`,
    ...command.positionals.map((positional) => `<${positional.name}>`),
    ...options.filter((option) => option.required).map(usageOf),
    '[options]',
  ].join(' ');
  const [first = '', ...more] = wrap(usage, helpWidth - 11);
  return [
    ...wrap(`plumbline ${command.name}: ${command.summary}`, helpWidth),
    '',
    `Usage: ${first}`,
    ...more.map((line) => ' '.repeat(11) + line),
    ...command.details.flatMap((paragraph) => ['', ...wrap(paragraph, helpWidth)]),
    ...(command.positionals.length === 0
      ? []
      : [
          '',
          ...columns(
            command.positionals.map((positional) => [`<${positional.name}>`, positional.help] as const),
            31,
          ),
        ]),
    ...optionGroups([...options, ...Object.values(globalOptions)]),
    ...(command.examples.length === 0
      ? []
      : ['', 'Examples:', ...command.examples.map((example) => `  plumbline ${example}`)]),
    '',
  ].join('\n');
}

/** All commands, or those of one group (`models`), with one line each. */
export function programHelp(commands: readonly Command[], group = ''): string {
  const shown = commands.filter((command) => group === '' || command.name.startsWith(`${group} `));
  return [
    ...wrap(
      'Plumbline trains DPO, MinorDPO and other preference losses on a local model under identical conditions and says whether the ' +
        'difference is real. No network, no Python.',
      helpWidth,
    ),
    '',
    `Usage: plumbline ${group === '' ? '' : `${group} `}<command> [options]`,
    '',
    'Commands:',
    ...columns(
      shown.map((command) => [command.name, command.summary] as const),
      20,
    ),
    ...optionGroups([...Object.values(globalOptions), versionOption]),
    '',
    '"plumbline <command> --help" explains a command and all its options.',
    'From a checkout, write "npm run -s plumbline -- <command>".',
    '',
    'Exit codes: 0 done, 1 failed or bad input file, 2 wrong arguments, 130 stopped by Ctrl-C.',
    '',
  ].join('\n');
}
