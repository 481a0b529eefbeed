import { renderTable as comparisonTable } from '../../../../shared/comparison-table.ts';
import { wholeNumber } from '../../../../shared/config.ts';
import type { ComparisonSummary } from '../../../../shared/contract.ts';
import { UsageError } from '../../../../shared/errors.ts';
import { formatLearningRate } from '../../../../shared/format.ts';
import { defineCommand } from '../command.ts';
import { numberText, optional, textValue } from '../option.ts';
import { renderTable } from '../table.ts';
import { given } from './names.ts';
import { runTable } from './runs/names.ts';

function summaryTable(comparisons: readonly ComparisonSummary[]): string {
  return renderTable(
    [
      { title: 'COMPARISON', align: 'right' },
      { title: 'STATUS' },
      { title: 'RUNS', align: 'right' },
      { title: 'ARMS' },
      { title: 'LR' },
      { title: 'SEEDS' },
      { title: 'MODEL' },
      { title: 'DATA' },
      { title: 'SINCE' },
    ],
    comparisons.map((each) => [
      String(each.id),
      each.status,
      `${each.runs.done}/${each.runs.total}`,
      each.arms.join(','),
      each.learningRates.map(formatLearningRate).join(','),
      each.seeds.join(','),
      each.model,
      each.data,
      each.createdAt.slice(0, 10),
    ]),
  );
}

export const listComparisons = defineCommand({
  name: 'comparisons list',
  summary: 'show comparisons: waiting, at work and ended',
  details: [],
  positionals: [],
  options: {
    project: optional({
      flag: 'project',
      placeholder: 'NAME',
      parse: textValue,
      help: 'only comparisons of this project',
      group: 'Options',
    }),
  },
  examples: ['comparisons list', 'comparisons list --json'],
  run: async (context, { options: { project } }) =>
    (await context.services()).listComparisons(given({ project })),
  render: ({ comparisons }) =>
    comparisons.length === 0
      ? 'no comparisons yet; start one with: plumbline compare'
      : summaryTable(comparisons),
});

const parser = numberText(wholeNumber(1));

export const showComparison = defineCommand({
  name: 'comparisons show',
  summary: "show a comparison's runs, measures and verdicts, also while it is at work",
  details: ['Measures and verdicts are over the runs that have come to an end.'],
  positionals: [{ name: 'comparison', help: 'its number, as "comparisons list" shows it' }],
  options: {},
  examples: ['comparisons show 2', 'comparisons show 2 --json'],
  run: async (context, { positionals: [text = ''] }) => {
    const parsed = parser.safeParse(text);
    if (!parsed.success) throw new UsageError(`"${text}" is not the number of a comparison`);
    return (await context.services()).showComparison({ comparison: parsed.data }, context.call);
  },
  render: ({ members, result, ...summary }) =>
    [
      summaryTable([summary]),
      ...(summary.error === undefined ? [] : [`why: ${summary.error}`]),
      '',
      runTable(members),
      ...(result === undefined || result.runs.length === 0 ? [] : ['', comparisonTable(result)]),
    ].join('\n'),
});
