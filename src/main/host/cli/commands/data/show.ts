import { z } from 'zod';
import { defaults, settings } from '../../../../../shared/config.ts';
import type { RowView, SplitRule, TokenSequence, TokenView } from '../../../../../shared/contract.ts';
import { UsageError } from '../../../../../shared/errors.ts';
import { formatCount, wrapText } from '../../../../../shared/format.ts';
import type { Text } from '../../../../../shared/preferences.ts';
import { defineCommand } from '../../command.ts';
import { numberText, optional, toggle, withDefault } from '../../option.ts';
import { given, optionalModel } from '../names.ts';
import { dataTable } from './datasets.ts';
import { datasetName, optionalRow, rowsText, wholeNumber } from './rows-options.ts';

const width = 100;

export function ruleText(rule: SplitRule): string {
  return rule.by === 'share'
    ? `share ${rule.share}, seed ${rule.seed}`
    : `column ${rule.column}, for evaluation: ${rule.evalValues.join(', ')}`;
}

function renderText(text: Text): string[] {
  if (typeof text === 'string') return text.split('\n').map((line) => `  ${line}`);
  return text.flatMap(({ role, content }) => [
    `  [${role}]`,
    ...content.split('\n').map((line) => `  ${line}`),
  ]);
}

/** A token on one line: spaces as ·, line breaks as ↵, tabs as ⇥. */
function visible(text: string): string {
  return text.replaceAll(' ', '·').replaceAll('\n', '↵').replaceAll('\t', '⇥').replaceAll('\r', '␍');
}

function renderSequence({ name, tokens }: TokenSequence, maxLength: number): string[] {
  const texts = { context: [] as string[], trained: [] as string[], cut: [] as string[] };
  for (const { text, role } of tokens) texts[role].push(visible(text));
  const part = (label: string, role: keyof typeof texts): string[] =>
    texts[role].length === 0
      ? []
      : [
          `  ${label} (${formatCount(texts[role].length)} tokens)`,
          ...wrapText(texts[role].join(' │ '), width, '    ', '    '),
        ];
  return [
    '',
    `${name}: ${formatCount(tokens.length)} tokens`,
    ...part('read only', 'context'),
    ...part('trained on', 'trained'),
    ...part(`✂ cut at ${formatCount(maxLength)}`, 'cut'),
  ];
}

function renderTokens(view: TokenView): string[] {
  return [
    ...view.sequences.flatMap((sequence) => renderSequence(sequence, view.maxLength)),
    ...(view.skipped === undefined ? [] : ['', `this row is not trained on: ${view.skipped}`]),
    ...(view.shifted === undefined
      ? []
      : ['', `the prompt's end merges with the answer and is trained on: "${visible(view.shifted)}"`]),
  ];
}

function renderRow(view: RowView): string[] {
  const { row, excluded, side, tags, note, prompt, answers, answer, tokens } = view;
  const facts = [
    ...(excluded ? ['excluded'] : []),
    ...(side === undefined ? [] : [side === 'eval' ? 'for evaluation' : 'for training']),
    ...(tags.length === 0 ? [] : [`tags ${tags.join(', ')}`]),
  ];
  return [
    `row ${row}${facts.length === 0 ? '' : `: ${facts.join('; ')}`}`,
    ...(note === undefined ? [] : wrapText(note, width, 'note: ', '  ')),
    ...(tokens === undefined
      ? [
          'prompt:',
          ...renderText(prompt),
          ...Object.entries(answers).flatMap(([name, text]) => [`${name}:`, ...renderText(text)]),
        ]
      : renderTokens(tokens)),
    ...(answer === undefined ? [] : [`answer: ${answer}`]),
  ];
}

export const showData = defineCommand({
  name: 'data show',
  summary: 'show a dataset, or one row as a model sees it',
  details: [
    'With --tokens and --model, prompt and answers are shown token by token as training makes them: what is only read, what ' +
      'is trained on, and what --max-length cuts off. Spaces are shown as ·, line breaks as ↵.',
  ],
  positionals: [datasetName],
  options: {
    row: optionalRow,
    tokens: toggle({ flag: 'tokens', help: "show the row's tokens; needs --model", group: 'Rows' }),
    model: optionalModel,
    maxLength: withDefault({
      flag: 'max-length',
      placeholder: 'N',
      parse: numberText(settings.maxLength),
      absent: defaults.maxLength,
      help: 'tokens of prompt and answer together',
      group: 'Input',
    }),
    revision: optional({
      flag: 'revision',
      placeholder: 'R',
      parse: numberText(wholeNumber),
      defaultText: 'the last',
      help: 'as the row was after this change; 0: as imported',
      group: 'Rows',
    }),
  },
  examples: ['data show pairs', 'data show pairs --row 3', 'data show pairs --row 3 --tokens --model small'],
  run: async (context, { positionals, options }) => {
    const { row, tokens, model, maxLength, revision } = options;
    if (tokens && model === undefined) throw new UsageError('--tokens needs --model');
    if (model !== undefined && row === undefined) throw new UsageError('--model needs --row');
    const services = await context.services();
    return services.showData(
      {
        data: positionals[0]!,
        ...given({ row, revision, model }),
        ...(model === undefined ? {} : { maxLength }),
      },
      context.call,
    );
  },
  render: ({ dataset, split, row }) =>
    row === undefined
      ? [
          dataTable([dataset]),
          `revision ${dataset.revision}`,
          split === undefined
            ? 'no split'
            : `split by ${ruleText(split.rule)}: ${rowsText(split.train)} to train on, ${formatCount(split.eval)} to evaluate on`,
        ].join('\n')
      : renderRow(row).join('\n'),
});

export const searchData = defineCommand({
  name: 'data search',
  summary: "find words in a dataset's rows",
  details: [
    'Finds rows that hold every word, "phrase in quotes" and beginning of a word*, best first; case and accents make no ' +
      'difference. The first search of a dataset makes its index, which takes a while for a large one.',
  ],
  positionals: [datasetName, { name: 'words', help: 'what to look for, quoted for the shell' }],
  options: {
    field: optional({
      flag: 'in',
      placeholder: 'FIELD',
      parse: z.enum(['prompt', 'chosen', 'rejected'], { error: 'must be prompt, chosen or rejected' }),
      defaultText: 'all',
      help: 'only in prompt, chosen or rejected (a completion is chosen)',
      group: 'Options',
    }),
    limit: withDefault({
      flag: 'limit',
      placeholder: 'N',
      parse: numberText(wholeNumber),
      absent: 20,
      help: 'most rows to show',
      group: 'Options',
    }),
  },
  examples: ['data search pairs "capital france"', `data search pairs '"on the other hand"' --in rejected`],
  run: async (context, { positionals, options }) => {
    const services = await context.services();
    const [data, query] = [positionals[0]!, positionals[1]!];
    const { limit, field } = options;
    return services.searchData({ data, query, limit, ...given({ field }) }, context.call);
  },
  render: ({ total, hits }) =>
    [
      ...hits.map(
        ({ row, excluded, field, snippet }) =>
          `row ${row}${excluded ? ' (excluded)' : ''}  ${field}: ${snippet}`,
      ),
      `${rowsText(total)} found${hits.length < total ? `, ${formatCount(hits.length)} shown` : ''}`,
    ].join('\n'),
});
