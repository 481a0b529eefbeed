import { formatBytes, formatCount } from '../../../../../shared/format.ts';
import type { DatasetSummary } from '../../../../../shared/contract.ts';
import { defineCommand } from '../../command.ts';
import { optional, required, textValue, toggle } from '../../option.ts';
import { renderTable } from '../../table.ts';
import { given } from '../names.ts';
import { renderIssues } from './check.ts';
import { formatOptions } from './format-options.ts';
import { datasetName, rowsText } from './rows-options.ts';

export function dataTable(datasets: readonly DatasetSummary[]): string {
  return renderTable(
    [
      { title: 'NAME' },
      { title: 'KIND' },
      { title: 'TEXT' },
      { title: 'ROWS', align: 'right' },
      { title: 'EXCLUDED', align: 'right' },
      { title: 'ANSWERS', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'PATH' },
    ],
    datasets.map((dataset) => [
      dataset.name,
      dataset.kind,
      dataset.text,
      formatCount(dataset.rows),
      formatCount(dataset.excluded),
      formatCount(dataset.answers),
      formatBytes(dataset.bytes),
      dataset.path,
    ]),
  );
}

export const addData = defineCommand({
  name: 'data add',
  summary: 'import preference pairs or completions from a file',
  details: [
    'Reads JSONL, JSON, CSV, TSV or Parquet, each but Parquet also gzipped, and recognises the form of the rows ("data check" ' +
      'tells which). An answer field holds the right answer for exact match. Every row is checked; the first bad one ends ' +
      'the import, unless --skip-bad leaves such rows out. Stopped or killed, an import leaves nothing behind.',
  ],
  positionals: [{ name: 'file', help: 'data file' }],
  options: {
    name: optional({
      flag: 'name',
      placeholder: 'N',
      parse: textValue,
      defaultText: "the file's own name",
      help: 'name for --data',
      group: 'Options',
    }),
    skipBad: toggle({ flag: 'skip-bad', help: 'leave out rows that cannot be used', group: 'Options' }),
    splitColumn: optional({
      flag: 'split-column',
      placeholder: 'COLUMN',
      parse: textValue,
      defaultText: 'split, where there is one',
      help: 'column that says whether a row is for training or evaluation, kept for "data split --column"',
      group: 'Options',
    }),
    ...formatOptions,
  },
  examples: ['data add pairs.jsonl', 'data add pairs.parquet --name gsm8k --skip-bad'],
  run: async (context, { positionals, options }) => {
    const { name, skipBad, splitColumn, format, map } = options;
    const services = await context.services();
    return services.addData(
      {
        path: positionals[0]!,
        ...given({ name, splitColumn, format, map }),
        ...(skipBad ? { skipBad } : {}),
      },
      context.call,
    );
  },
  render: ({ dataset, added, skipped, issues }) => {
    const counts: Partial<Record<(typeof issues)[number]['kind'], number>> = {};
    for (const { kind } of issues) counts[kind] = (counts[kind] ?? 0) + 1;
    return [
      added ? 'added' : `known already as ${dataset.name}`,
      dataTable([dataset]),
      ...(skipped === 0 ? [] : [`left out ${rowsText(skipped)}:`, ...renderIssues(issues, counts), '']),
      ...(dataset.splitColumn === undefined || !added
        ? []
        : [
            `split it by its column with: plumbline data split ${dataset.name} --column ${dataset.splitColumn}`,
          ]),
      `use it with --data ${dataset.name}`,
    ].join('\n');
  },
});

export const listData = defineCommand({
  name: 'data list',
  summary: 'show imported datasets',
  details: [],
  positionals: [],
  options: {},
  examples: ['data list --json'],
  run: async (context) => (await context.services()).listData(),
  render: ({ datasets }) =>
    datasets.length === 0 ? 'no datasets yet; add one with: plumbline data add <file>' : dataTable(datasets),
});

export const removeData = defineCommand({
  name: 'data remove',
  summary: 'remove an imported dataset',
  details: [
    'Says what would go, and removes it with --yes. The file it was imported from stays. Runs that were trained on it keep ' +
      'their metrics and adapters, but can neither be resumed nor repeated.',
  ],
  positionals: [datasetName],
  options: { yes: toggle({ flag: 'yes', help: 'remove it', group: 'Options' }) },
  examples: ['data remove pairs', 'data remove pairs --yes'],
  run: async (context, { positionals, options }) =>
    (await context.services()).removeData({ data: positionals[0]!, yes: options.yes }),
  render: ({ dataset: { name, rows, bytes, revision }, runs, removed }) => {
    const changes = revision === 0 ? '' : `, with the history of ${formatCount(revision)} changes`;
    const what = `${name}: ${rowsText(rows)}, ${formatBytes(bytes)}${changes}`;
    const used =
      runs.length === 0
        ? 'no run was trained on it'
        : `trained on by ${runs.length === 1 ? 'run' : 'runs'} ${runs.join(', ')}`;
    return [
      `${removed ? 'removed' : 'would remove'} ${what}`,
      used,
      ...(removed ? [] : [`nothing was removed; add --yes to do it`]),
    ].join('\n');
  },
});

export const exportData = defineCommand({
  name: 'data export',
  summary: "write a dataset's rows, as they are now, as JSONL in TRL's form",
  details: ['Excluded rows are left out. The file appears whole or not at all.'],
  positionals: [datasetName],
  options: {
    out: required({
      flag: 'out',
      placeholder: 'F.jsonl',
      parse: textValue,
      help: 'file to write',
      group: 'Options',
    }),
  },
  examples: ['data export pairs --out mended.jsonl'],
  run: async (context, { positionals, options: { out } }) =>
    (await context.services()).exportData({ data: positionals[0]!, out }, context.call),
  render: ({ out, rows, revision }) => `${formatCount(rows)} rows of revision ${revision} written to ${out}`,
});
