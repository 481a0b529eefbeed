import { defaults, settings } from '../../../../../shared/config.ts';
import type { CheckDataResult, DataIssue, LengthSummary } from '../../../../../shared/contract.ts';
import { formatCount, formatPercent, wrapText } from '../../../../../shared/format.ts';
import { problemKinds, type ProblemKind } from '../../../../../shared/preferences.ts';
import { defineCommand } from '../../command.ts';
import { numberText, withDefault } from '../../option.ts';
import { renderTable } from '../../table.ts';
import { given, optionalModel } from '../names.ts';
import { formatOptions } from './format-options.ts';

/** Rows shown of each kind; --json has them all. */
const shown = 3;
const width = 100;

/** Issues by kind: how many, the first ones, and what to do. */
export function renderIssues(
  issues: readonly DataIssue[],
  counts: Readonly<Partial<Record<ProblemKind, number>>>,
): string[] {
  return (Object.keys(problemKinds) as ProblemKind[]).flatMap((kind) => {
    const count = counts[kind];
    if (count === undefined) return [];
    const first = issues.filter((issue) => issue.kind === kind).slice(0, shown);
    const more = count - first.length;
    return [
      '',
      `${kind}  ${formatCount(count)} ${count === 1 ? 'row' : 'rows'}`,
      ...first.flatMap(({ row, message }) => wrapText(message, width, `  row ${row}: `, '    ')),
      ...(more > 0 ? [`  and ${formatCount(more)} more`] : []),
      ...wrapText(problemKinds[kind], width, '  → ', '    '),
    ];
  });
}

export function lengthTable(unit: string, lengths: Readonly<Record<string, LengthSummary>>): string {
  const number = (value: number): string => formatCount(Math.round(value));
  return renderTable(
    [
      { title: unit.toUpperCase() },
      ...['MEAN', 'MIN', '25 %', 'MEDIAN', '75 %', '95 %', 'MAX'].map((title) => ({
        title,
        align: 'right' as const,
      })),
    ],
    Object.entries(lengths).map(([field, { mean, min, q25, median, q75, q95, max }]) => [
      field,
      ...[mean, min, q25, median, q75, q95, max].map(number),
    ]),
  );
}

function render({ format, kind, conversational, pairs, issues, counts, stats }: CheckDataResult): string {
  const what = kind === 'preference' ? 'pairs' : 'completions';
  const facts = [
    `${formatCount(stats.distinctPrompts)} different prompts`,
    ...(stats.chosenLongerShare === undefined
      ? []
      : [`chosen is the longer answer in ${formatPercent(stats.chosenLongerShare)}`]),
    ...(stats.answers === 0 ? [] : [`${formatCount(stats.answers)} rows with the task's answer`]),
  ];
  return [
    `${format}, ${conversational ? 'chat messages' : 'plain text'}: ${formatCount(pairs)} of ${formatCount(stats.rows)} rows are usable ${what}`,
    ...wrapText(facts.join(', '), width),
    ...(pairs === 0 ? [] : ['', lengthTable('characters', stats.characters)]),
    ...(stats.tokens === undefined || Object.keys(stats.tokens).length === 0
      ? []
      : ['', lengthTable('tokens', stats.tokens)]),
    ...(issues.length === 0 ? ['', 'no issues found'] : renderIssues(issues, counts)),
  ].join('\n');
}

export const checkData = defineCommand({
  name: 'data check',
  summary: 'look for problems in a data file, without importing it',
  details: [
    'Reads JSONL, JSON, CSV, TSV or Parquet, each but Parquet also gzipped, and tells the format, usable rows, lengths and ' +
      'issues by row: malformed, missing-field, empty, identical, tie, duplicate, prompt-differs, role-order, ' +
      'truncated-completion and swapped-suspect; with --model also too-long and boundary-shift.',
  ],
  positionals: [{ name: 'file', help: 'data file' }],
  options: {
    ...formatOptions,
    model: optionalModel,
    maxLength: withDefault({
      flag: 'max-length',
      placeholder: 'N',
      parse: numberText(settings.maxLength),
      absent: defaults.maxLength,
      help: 'tokens of prompt and answer together that --model is to be trained with',
      group: 'Input',
    }),
  },
  examples: [
    'data check pairs.jsonl',
    'data check pairs.parquet --model small --max-length 512 --json',
    'data check table.csv --map prompt=question,chosen=good,rejected=bad',
  ],
  run: async (context, { positionals, options }) => {
    const { format, map, model, maxLength } = options;
    const services = await context.services();
    return services.checkData(
      {
        path: positionals[0]!,
        ...given({ format, map, model }),
        ...(model === undefined ? {} : { maxLength }),
      },
      context.call,
    );
  },
  render,
});
