import { formatBytes, formatCount } from '../../../../shared/format.ts';
import type { DatasetSummary } from '../../../../shared/contract.ts';
import { defineCommand } from '../command.ts';
import { optional, textValue } from '../option.ts';
import { renderTable } from '../table.ts';

function dataTable(datasets: readonly DatasetSummary[]): string {
  return renderTable(
    [
      { title: 'NAME' },
      { title: 'KIND' },
      { title: 'TEXT' },
      { title: 'ROWS', align: 'right' },
      { title: 'ANSWERS', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'PATH' },
    ],
    datasets.map((dataset) => [
      dataset.name,
      dataset.kind,
      dataset.text,
      formatCount(dataset.rows),
      formatCount(dataset.answers),
      formatBytes(dataset.bytes),
      dataset.path,
    ]),
  );
}

export const addData = defineCommand({
  name: 'data add',
  summary: 'import preference pairs or completions from a JSONL file',
  details: [
    'One JSON object per line: prompt, chosen and rejected, each a string or a list of chat messages with role and ' +
      'content; chosen and rejected may carry the prompt themselves. For sft also prompt and completion. An answer ' +
      'field holds the right answer for exact match. Every row is checked; an error names file, row and cause.',
  ],
  positionals: [{ name: 'file', help: 'JSONL file' }],
  options: {
    name: optional({
      flag: 'name',
      placeholder: 'N',
      parse: textValue,
      defaultText: "the file's own name",
      help: 'name for --data',
      group: 'Options',
    }),
  },
  examples: ['data add pairs.jsonl', 'data add pairs.jsonl --name gsm8k'],
  run: async (context, { positionals, options }) => {
    const services = await context.services();
    const name = options.name === undefined ? {} : { name: options.name };
    return services.addData({ path: positionals[0]!, ...name }, context.call);
  },
  render: ({ dataset, added }) =>
    `${added ? 'added' : `known already as ${dataset.name}`}\n${dataTable([dataset])}\nuse it with --data ${dataset.name}`,
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
