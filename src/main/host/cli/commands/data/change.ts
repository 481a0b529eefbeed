import { z } from 'zod';
import type { ChangeDataResult, ChangeView, MarkDataRequest } from '../../../../../shared/contract.ts';
import { UsageError } from '../../../../../shared/errors.ts';
import { defineCommand } from '../../command.ts';
import { optional, textValue, toggle } from '../../option.ts';
import { datasetName, requiredRow, rowsText, selectionOf, selectionOptions } from './rows-options.ts';
import { ruleText } from './show.ts';

function changedText({ data, revision, rows }: ChangeDataResult): string {
  return rows === 0
    ? `nothing to change; ${data} stays at revision ${revision}`
    : `changed ${rowsText(rows)}; ${data} is at revision ${revision}`;
}

/** `FIELD=TEXT`, or JSON after `:=` for messages and for null, which takes a field away. */
const assignment: z.ZodType<Record<string, unknown>, string> = z.string().transform((text, context) => {
  const match = /^([a-z]+)(:?=)(.*)$/s.exec(text);
  const refuse = (message: string) => {
    context.issues.push({ code: 'custom', message, input: text });
    return z.NEVER;
  };
  if (match === null) return refuse(`must be FIELD=TEXT or FIELD:=JSON, not "${text}"`);
  const [, field, sign, value] = match;
  if (sign === '=') return { [field!]: value };
  try {
    return { [field!]: JSON.parse(value!) as unknown };
  } catch {
    return refuse(`has broken JSON behind ${field}:=`);
  }
});

const set = (flag: string, more: string) =>
  optional({ flag, placeholder: 'FIELD=TEXT', parse: assignment, help: more, group: 'Options' });

export const editData = defineCommand({
  name: 'data edit',
  summary: "change a row's texts",
  details: [
    'Fields are prompt, chosen, rejected (or prompt, completion) and answer. Chat messages are given as JSON behind FIELD:=, ' +
      'where null takes the field away. The row is checked as at the import. What it was stays in the history.',
  ],
  positionals: [datasetName],
  options: {
    row: requiredRow,
    set: set('set', 'the new text of a field, or FIELD:=JSON'),
    and: set('and-set', 'a second field in the same change'),
    swap: toggle({ flag: 'swap', help: 'chosen and rejected change places', group: 'Options' }),
  },
  examples: [
    'data edit pairs --row 3 --set "chosen=It is 5."',
    `data edit chats --row 3 --set 'chosen:=[{"role": "assistant", "content": "5"}]'`,
    'data edit pairs --row 3 --swap',
  ],
  run: async (context, { positionals, options }) => {
    const { row, swap } = options;
    if (options.set === undefined && !swap) throw new UsageError('data edit needs --set or --swap');
    const services = await context.services();
    const fields = { ...options.set, ...options.and };
    return services.editData({ data: positionals[0]!, row, set: fields, ...(swap ? { swap } : {}) });
  },
  render: changedText,
});

function markCommand(kind: 'exclude' | 'include', summary: string, details: string) {
  return defineCommand({
    name: `data ${kind}`,
    summary,
    details: [details],
    positionals: [datasetName],
    options: selectionOptions,
    examples: [`data ${kind} pairs --row 3,10-19`, `data ${kind} pairs --where "as an AI"`],
    run: async (context, { positionals, options }) => {
      const select = selectionOf(options);
      const services = await context.services();
      return services.markData({ data: positionals[0]!, select, mark: { kind } }, context.call);
    },
    render: changedText,
  });
}

export const excludeData = markCommand(
  'exclude',
  'leave rows out of training and evaluation',
  'Excluded rows stay in the dataset and can be included again.',
);
export const includeData = markCommand(
  'include',
  'take excluded rows in again',
  'The opposite of "data exclude".',
);

export const tagData = defineCommand({
  name: 'data tag',
  summary: 'put a tag on rows, or take it off',
  details: [
    'Tags mark rows for a person; "--tagged" of other commands selects by them. Training does not see them.',
  ],
  positionals: [datasetName, { name: 'tag', help: 'any word' }],
  options: {
    ...selectionOptions,
    remove: toggle({ flag: 'remove', help: 'take the tag off', group: 'Options' }),
  },
  examples: ['data tag pairs unsure --row 3', 'data tag pairs unsure --tagged unsure --remove'],
  run: async (context, { positionals, options }) => {
    const select = selectionOf(options);
    const mark = { kind: options.remove ? ('untag' as const) : ('tag' as const), tag: positionals[1]! };
    const services = await context.services();
    return services.markData({ data: positionals[0]!, select, mark }, context.call);
  },
  render: changedText,
});

export const noteData = defineCommand({
  name: 'data note',
  summary: 'write a note on a row',
  details: ['A note is for a person; training does not see it. It replaces the note before.'],
  positionals: [datasetName],
  options: {
    row: requiredRow,
    text: optional({
      flag: 'text',
      placeholder: 'TEXT',
      parse: textValue,
      help: 'what to note',
      group: 'Options',
    }),
    remove: toggle({ flag: 'remove', help: 'take the note away', group: 'Options' }),
  },
  examples: ['data note pairs --row 3 --text "both answers are poor"', 'data note pairs --row 3 --remove'],
  run: async (context, { positionals, options }) => {
    const { row, text, remove } = options;
    if ((text === undefined) !== remove) throw new UsageError('data note needs --text or --remove');
    const mark: MarkDataRequest['mark'] = { kind: 'note', note: text ?? null };
    const services = await context.services();
    return services.markData({ data: positionals[0]!, select: { rows: [[row, row]] }, mark }, context.call);
  },
  render: changedText,
});

function describeChange({ change, rows, some }: ChangeView): string {
  const which =
    rows === 0
      ? ''
      : rows <= some.length
        ? ` in ${rows === 1 ? 'row' : 'rows'} ${some.join(', ')}`
        : ` in ${rowsText(rows)}`;
  switch (change.kind) {
    case 'edit':
      return `edit ${change.fields.join(', ')}${which}`;
    case 'tag':
    case 'untag':
      return `${change.kind} ${change.tag}${which}`;
    case 'note':
      return change.note === null ? `take the note away${which}` : `note "${change.note}"${which}`;
    case 'split':
      return `split by ${ruleText(change.rule)}`;
    case 'undo':
      return `undo revision ${change.revision}${which}`;
    default:
      return `${change.kind}${which.replace(' in', '')}`;
  }
}

export const dataHistory = defineCommand({
  name: 'data history',
  summary: 'show what was changed in a dataset',
  details: ['Every change is a revision; "data show --revision" reads a row as it was after one.'],
  positionals: [datasetName],
  options: {},
  examples: ['data history pairs'],
  run: async (context, { positionals }) => (await context.services()).dataHistory({ data: positionals[0]! }),
  render: ({ data, changes }) =>
    changes.length === 0
      ? `${data} is as it was imported`
      : changes
          .map((view) => {
            const undone = view.undone ? ' (undone)' : '';
            return `revision ${view.revision}  ${view.at.slice(0, 19).replace('T', ' ')}  ${describeChange(view)}${undone}`;
          })
          .join('\n'),
});

export const undoData = defineCommand({
  name: 'data undo',
  summary: 'take back the last change of a dataset',
  details: [
    'Takes back the last change that still stands; again, the one before. The undo is a revision of its own.',
  ],
  positionals: [datasetName],
  options: {},
  examples: ['data undo pairs'],
  run: async (context, { positionals }) => (await context.services()).undoData({ data: positionals[0]! }),
  render: ({ data, revision, undone }) =>
    `took back: ${describeChange(undone)}; ${data} is at revision ${revision}`,
});
