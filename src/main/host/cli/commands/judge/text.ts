import { wholeNumber } from '../../../../../shared/config.ts';
import type { JudgingItemView, JudgingSummary, JudgingView } from '../../../../../shared/contract.ts';
import { UsageError } from '../../../../../shared/errors.ts';
import { plainText } from '../../../../../shared/row-texts.ts';
import { numberText } from '../../option.ts';
import { renderTable } from '../../table.ts';

export const judgingPositional = { name: 'judging', help: 'its number, as "judge list" shows it' };

const parser = numberText(wholeNumber(1));
const itemParser = numberText(wholeNumber(0));

export function judgingNumber(text = ''): number {
  const parsed = parser.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UsageError(`"${text}" is not the number of a judging`);
}

export function itemNumber(text = ''): number {
  const parsed = itemParser.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UsageError(`"${text}" is not the number of an item`);
}

export function judgingTable(judgings: readonly JudgingSummary[]): string {
  return renderTable(
    [
      { title: 'JUDGING', align: 'right' },
      { title: 'JUDGED', align: 'right' },
      { title: 'READY', align: 'right' },
      { title: 'SIDES' },
      { title: 'NAME' },
      { title: 'SINCE' },
    ],
    judgings.map(({ id, voted, items, ready, revealed, name, createdAt }) => [
      String(id),
      `${voted}/${items}`,
      `${ready}/${items}`,
      revealed ? 'told' : 'hidden',
      name,
      createdAt.slice(0, 10),
    ]),
  );
}

export function itemText({ item, prompt, answers, vote, first }: JudgingItemView): string {
  const told = first === undefined ? '' : ` (the first policy is ${first.toUpperCase()})`;
  return [
    `item ${item}${vote === null ? '' : `, judged: ${vote}`}${told}`,
    '',
    plainText(prompt),
    ...(answers === undefined
      ? ['', 'its answers are not there yet']
      : ['', '--- A ---', answers.a, '', '--- B ---', answers.b]),
  ].join('\n');
}

export function viewText(view: JudgingView): string {
  const { id, voted, items, item } = view;
  return [`judging ${id}: ${voted} of ${items} judged`, '', itemText(item)].join('\n');
}
