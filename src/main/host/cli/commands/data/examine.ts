import { z } from 'zod';
import type { LengthBin, SplitDataRequest } from '../../../../../shared/contract.ts';
import { UsageError } from '../../../../../shared/errors.ts';
import { formatCount, formatPercent } from '../../../../../shared/format.ts';
import { defineCommand } from '../../command.ts';
import { listText, numberText, optional, textValue, toggle, withDefault } from '../../option.ts';
import { given, optionalModel } from '../names.ts';
import { lengthTable } from './check.ts';
import { datasetName, rowsText, wholeNumber } from './rows-options.ts';
import { ruleText } from './show.ts';

const group = 'Options';

export const splitData = defineCommand({
  name: 'data split',
  summary: 'divide a dataset into rows to train on and rows to evaluate on',
  details: [
    'By a share of the prompts, drawn by a seed, or by a column of the file that the import has kept. Rows that share a prompt ' +
      'are never on both sides, also after they are edited; a prompt that the column puts on both is trained on.',
  ],
  positionals: [datasetName],
  options: {
    share: optional({
      flag: 'share',
      placeholder: 'S',
      parse: numberText(z.number().gt(0, { error: 'must be above 0' }).lt(1, { error: 'must be below 1' })),
      help: 'share of the prompts to evaluate on, such as 0.1',
      group,
    }),
    seed: withDefault({
      flag: 'seed',
      placeholder: 'N',
      parse: numberText(wholeNumber),
      absent: 0,
      help: 'draws another share',
      group,
    }),
    column: optional({
      flag: 'column',
      placeholder: 'COLUMN',
      parse: textValue,
      help: "the file's column",
      group,
    }),
    evalValues: optional({
      flag: 'eval-values',
      placeholder: 'V,…',
      parse: listText(textValue),
      defaultText: 'eval, validation, valid, val, dev, test, …',
      help: "the column's values that stand for evaluation",
      group,
    }),
  },
  examples: ['data split pairs --share 0.1 --seed 1', 'data split pairs --column split --eval-values test'],
  run: async (context, { positionals, options }) => {
    const { share, seed, column, evalValues } = options;
    if ((share === undefined) === (column === undefined))
      throw new UsageError('data split needs either --share or --column');
    const by: SplitDataRequest['by'] =
      share === undefined ? { column: column!, ...given({ evalValues }) } : { share, seed };
    return (await context.services()).splitData({ data: positionals[0]!, by }, context.call);
  },
  render: ({ data, revision, rule, train, eval: held, moved }) =>
    [
      `split by ${ruleText(rule)}: ${rowsText(train)} to train on, ${formatCount(held)} to evaluate on`,
      ...(moved === 0 ? [] : [`${rowsText(moved)} moved to train: their prompts are trained on`]),
      `${data} is at revision ${revision}`,
    ].join('\n'),
});

const threshold = withDefault({
  flag: 'threshold',
  placeholder: 'S',
  parse: numberText(z.number().gt(0, { error: 'must be above 0' }).max(1, { error: 'must be at most 1' })),
  absent: 0.8,
  help: 'least share of common runs of three words (Jaccard similarity) that counts as near',
  group,
});

export const dataDuplicates = defineCommand({
  name: 'data duplicates',
  summary: 'find rows that repeat others',
  details: [
    'Equal rows, and with --near also those that share most of their words in order. "data exclude --repeats" leaves equal ' +
      'ones out. Near ones are found by MinHash, with a chance to be missed of about 0.003 % at similarity 0.8 and 1 % at 0.67.',
  ],
  positionals: [datasetName],
  options: {
    near: toggle({ flag: 'near', help: 'also rows that are nearly equal', group }),
    threshold,
    prompts: toggle({ flag: 'prompts', help: 'compare prompts alone', group }),
  },
  examples: ['data duplicates pairs', 'data duplicates pairs --near --prompts'],
  run: async (context, { positionals, options }) => {
    const { near, threshold, prompts } = options;
    const services = await context.services();
    const request = {
      data: positionals[0]!,
      near,
      threshold,
      of: prompts ? ('prompts' as const) : ('rows' as const),
    };
    return services.dataDuplicates(request, context.call);
  },
  render: ({ repeats, groupCount, groups }) =>
    repeats === 0
      ? 'no duplicates'
      : [
          ...groups.slice(0, 20).map(({ rows, similarity }) => {
            const shown = rows.slice(0, 10).join(', ');
            const more = rows.length > 10 ? `, … (${formatCount(rows.length)} in all)` : '';
            return `rows ${shown}${more}  ${similarity === 1 ? 'equal' : `similarity ${similarity.toFixed(2)}`}`;
          }),
          ...(groupCount > 20 ? [`and ${formatCount(groupCount - 20)} more groups`] : []),
          `${rowsText(repeats)} repeat an earlier one`,
        ].join('\n'),
});

const barLength = 40;

function renderHistogram(field: string, bins: readonly LengthBin[]): string[] {
  const most = Math.max(...bins.map(({ count }) => count));
  const label = ({ from, to }: LengthBin): string =>
    to === from + 1 ? formatCount(from) : `${formatCount(from)}–${formatCount(to - 1)}`;
  const widest = Math.max(...bins.map((bin) => label(bin).length));
  return [
    '',
    field,
    ...bins.map((bin) => {
      const bar = '█'.repeat(Math.ceil((barLength * bin.count) / most));
      return `  ${label(bin).padStart(widest)}  ${bar}${bar === '' ? '' : ' '}${formatCount(bin.count)}`;
    }),
  ];
}

export const dataLengths = defineCommand({
  name: 'data lengths',
  summary: 'show how long prompts and answers are',
  details: [
    'In characters, or with --model in its tokens. "longest" is a prompt with its longer answer: what --max-length must hold.',
  ],
  positionals: [datasetName],
  options: { model: optionalModel },
  examples: ['data lengths pairs', 'data lengths pairs --model small'],
  run: async (context, { positionals, options }) =>
    (await context.services()).dataLengths(
      { data: positionals[0]!, ...given({ model: options.model }) },
      context.call,
    ),
  render: ({ unit, fields }) =>
    [
      lengthTable(unit, fields),
      ...Object.entries(fields).flatMap(([field, { histogram }]) => renderHistogram(field, histogram)),
    ].join('\n'),
});

export const dataLeaks = defineCommand({
  name: 'data leaks',
  summary: 'find prompts of a dataset that stand in another one',
  details: [
    'A prompt that is both evaluated on and trained on measures memory. Found are equal prompts, and near ones by their words ' +
      'in order.',
  ],
  positionals: [datasetName, { name: 'other', help: 'the dataset to look in' }],
  options: { threshold },
  examples: ['data leaks test-pairs train-pairs'],
  run: async (context, { positionals, options }) => {
    const services = await context.services();
    const request = { data: positionals[0]!, against: positionals[1]!, threshold: options.threshold };
    return services.dataLeaks(request, context.call);
  },
  render: ({ data, against, exact, near, leaks }) =>
    leaks.length === 0
      ? `no prompt of ${data} stands in ${against}`
      : [
          ...leaks
            .slice(0, 20)
            .map(
              ({ row, other, similarity }) =>
                `row ${row} of ${data} = row ${other} of ${against}${similarity === 1 ? '' : ` to ${formatPercent(similarity)}`}`,
            ),
          ...(leaks.length > 20 ? ['…'] : []),
          `${rowsText(exact)} with a prompt of ${against}, ${formatCount(near)} with one like it`,
        ].join('\n'),
});
