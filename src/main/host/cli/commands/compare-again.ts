import type { CompareAgainResult, CompareRequest } from '../../../../shared/contract.ts';
import { InputError, UsageError } from '../../../../shared/errors.ts';
import { formatElapsed } from '../../../../shared/format.ts';
import type { RepeatDifference } from '../../../../shared/report/repeat.ts';
import { parseArguments } from '../arguments.ts';
import type { Option, OptionTable } from '../option.ts';

/** Words of a command line as a shell takes them apart: single quotes, and backslashes outside them. */
function shellWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (const [part] of line.matchAll(/'[^']*'|\\[^]|\s+|[^\s'\\]+/g)) {
    if (/^\s/.test(part)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (part.startsWith("'")) word = (word ?? '') + part.slice(1, -1);
    else word = (word ?? '') + part.replace(/^\\/, '');
  }
  return word === undefined ? words : [...words, word];
}

/**
 * The options that a report's command gives.
 * @param table of the command `compare`
 * @throws InputError where the command is no comparison that this version knows
 */
export function optionsOfCommand(
  command: string,
  table: OptionTable,
  file: string,
): { readonly options: Readonly<Record<string, unknown>>; readonly threads: number | undefined } {
  const words = shellWords(command);
  const start = words.indexOf('compare');
  if (start < 0) throw new InputError(`its command is no comparison: ${command}`, { file });
  const plain = {
    ...{ name: 'compare', summary: '', details: [], positionals: [], examples: [] },
    options: table,
  };
  try {
    const { parsed, globals } = parseArguments(words.slice(start), [
      { ...plain, run: () => Promise.reject(new Error('it is only read')) },
    ]);
    return { options: parsed.options, threads: globals.threads };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new InputError(`its command cannot be carried out by this version: ${error.message}`, { file });
  }
}

/** What may be given with --from: where things are now, and what becomes of the results. */
const besideFrom: readonly string[] = [
  ...['from', 'model', 'data', 'evalData', 'taskData', 'initAdapter'],
  ...['report', 'out', 'project', 'force', 'checkpointEvery'],
];

/** @throws UsageError naming an option that the report decides */
export function refuseBesideFrom(table: OptionTable, values: Readonly<Record<string, unknown>>): void {
  const decided = Object.entries(table).find(
    ([name, option]: [string, Option<unknown>]) =>
      !besideFrom.includes(name) && JSON.stringify(values[name]) !== JSON.stringify(option.absent),
  );
  if (decided)
    throw new UsageError(`--${decided[1].flag} cannot be given with --from: the report decides it`);
}

/** The report's comparison with what is now elsewhere, and what is to become of it. */
export function withPlaces(
  request: CompareRequest,
  {
    evalData,
    initAdapter,
    ...rest
  }: Partial<CompareRequest> & {
    readonly evalData?: string;
    readonly initAdapter?: string;
  },
): CompareRequest {
  const shared = {
    ...(evalData === undefined ? {} : { evalData }),
    ...(initAdapter === undefined ? {} : { initAdapter }),
  };
  return { ...request, ...rest, shared: { ...request.shared, ...shared } };
}

const shown = 20;

function differenceLine({ where, before, after, difference }: RepeatDifference): string {
  const by = difference === undefined ? '' : ` (${difference > 0 ? '+' : ''}${difference})`;
  const text = (value: RepeatDifference['before']): string =>
    value === null ? 'none' : typeof value === 'string' ? JSON.stringify(value) : String(value);
  return `  ${where}: ${text(before)} before, ${text(after)} now${by}`;
}

export function describeRepetition(result: CompareAgainResult): string {
  const { same, compared, differing, differences, conditions } = result;
  const rest = differing - Math.min(shown, differences.length);
  return [
    `comparison ${result.comparison} repeats ${result.from}, ${formatElapsed(result.seconds)}`,
    same
      ? `the same to the last digit: ${compared} values`
      : `not the same: ${differing} of ${compared} values differ`,
    ...differences.slice(0, shown).map(differenceLine),
    ...(rest > 0 ? [`  and ${rest} more`] : []),
    ...(conditions.length === 0
      ? []
      : ['other than when the report was made:', ...conditions.map((line) => `  ${line}`)]),
    ...(result.out === undefined ? [] : [`adapters and metrics: ${result.out}`]),
    ...(result.report === undefined ? [] : [`report: ${result.report}`]),
  ].join('\n');
}
