import { wholeNumber } from '../../../../../shared/config.ts';
import { UsageError } from '../../../../../shared/errors.ts';
import { votes, type Vote } from '../../../../../shared/judging.ts';
import { defineCommand } from '../../command.ts';
import { numberText, optional } from '../../option.ts';
import { given } from '../names.ts';
import { itemNumber, judgingNumber, judgingPositional, judgingTable, viewText } from './text.ts';

function voteOf(text = ''): Vote | null {
  if (text === 'none') return null;
  const found = votes.find((vote) => vote === text.toLowerCase());
  if (found !== undefined) return found;
  throw new UsageError(`"${text}" is no vote; it is one of ${votes.join(', ')} and none`);
}

export const judgeVote = defineCommand({
  name: 'judge vote',
  summary: 'say which answer to a prompt is better',
  details: [
    'Votes are a, b, tie, both-bad and skip; none takes a vote away. A later vote replaces an earlier one, until "judge ' +
      'result" has told the sides. Shows the next item without a vote.',
  ],
  positionals: [
    judgingPositional,
    { name: 'item', help: 'its number, as "judge show" tells it' },
    { name: 'vote', help: 'a, b, tie, both-bad, skip or none' },
  ],
  options: {},
  examples: ['judge vote 1 0 a', 'judge vote 1 1 both-bad'],
  run: async (context, { positionals: [judging, item, vote] }) => {
    const request = { judging: judgingNumber(judging), item: itemNumber(item), vote: voteOf(vote) };
    return (await context.services()).vote(request);
  },
  render: (view) =>
    view.voted === view.items
      ? `all ${view.items} items are judged; see: judge result ${view.id}`
      : viewText(view),
});

export const undoJudging = defineCommand({
  name: 'judge undo',
  summary: 'take the last vote back and show its item',
  details: ['Again, the one before. Not after "judge result" has told the sides.'],
  positionals: [judgingPositional],
  options: {},
  examples: ['judge undo 1'],
  run: async (context, { positionals: [judging] }) =>
    (await context.services()).undoVote({ judging: judgingNumber(judging) }),
  render: viewText,
});

export const prepareJudging = defineCommand({
  name: 'judge prepare',
  summary: 'generate answers of a judging that are missing',
  details: ['Answers that are there stay. It can be interrupted and called again.'],
  positionals: [judgingPositional],
  options: {
    ahead: optional({
      flag: 'ahead',
      placeholder: 'N',
      parse: numberText(wholeNumber(1)),
      defaultText: 'all',
      help: 'only the next N items without a vote',
      group: 'Options',
    }),
  },
  examples: ['judge prepare 1', 'judge prepare 1 --ahead 5'],
  run: async (context, { positionals: [judging], options: { ahead } }) =>
    (await context.services()).prepareJudging(
      { judging: judgingNumber(judging), ...given({ ahead }) },
      context.call,
    ),
  render: (judging) => judgingTable([judging]),
});
