import { wholeNumber } from '../../../../../shared/config.ts';
import type { JudgingResult } from '../../../../../shared/contract.ts';
import { formatPercent } from '../../../../../shared/format.ts';
import {
  intervalWords,
  lengthWords,
  positionWords,
  preferenceWords,
  shareWords,
} from '../../../../../shared/judging-words.ts';
import { defineCommand } from '../../command.ts';
import { numberText, optional, textValue, toggle } from '../../option.ts';
import { given } from '../names.ts';
import { judgingNumber, judgingPositional, judgingTable, viewText } from './text.ts';

export const listJudgings = defineCommand({
  name: 'judge list',
  summary: 'show blind judgings with how far they are',
  details: [],
  positionals: [],
  options: {
    project: optional({
      flag: 'project',
      placeholder: 'NAME',
      parse: textValue,
      help: 'only judgings of this project',
      group: 'Options',
    }),
  },
  examples: ['judge list'],
  run: async (context, { options: { project } }) =>
    (await context.services()).listJudgings(given({ project })),
  render: ({ judgings }) =>
    judgings.length === 0 ? 'no judgings yet; begin one with: plumbline judge new' : judgingTable(judgings),
});

export const showJudging = defineCommand({
  name: 'judge show',
  summary: "show an item's prompt with its two answers, without saying whose they are",
  details: [],
  positionals: [judgingPositional],
  options: {
    item: optional({
      flag: 'item',
      placeholder: 'N',
      parse: numberText(wholeNumber(0)),
      defaultText: 'the next without a vote',
      help: 'which one, counted from 0',
      group: 'Options',
    }),
  },
  examples: ['judge show 1', 'judge show 1 --item 4'],
  run: async (context, { positionals: [judging], options: { item } }) =>
    (await context.services()).showJudging({ judging: judgingNumber(judging), ...given({ item }) }),
  render: viewText,
});

function resultText({ policies, statistics, seed }: JudgingResult): string {
  const { firstWins, secondWins, ties, bothBad, skipped, unjudged } = statistics;
  const { winRate, winRateWithTies, position, longer } = statistics;
  const labels = [policies[0].label, policies[1].label] as const;
  return [
    `first:  ${labels[0]}`,
    `second: ${labels[1]}`,
    '',
    `first better ${firstWins}, second better ${secondWins}, ties ${ties}, both bad ${bothBad}, skipped ${skipped}, not judged ${unjudged}`,
    ...(winRate ? [`wins of the first, ties left out: ${shareWords(winRate)}`] : []),
    ...(winRateWithTies
      ? [
          `wins of the first, ties and both bad as half: ${formatPercent(winRateWithTies.estimate)} of ${winRateWithTies.trials} (95% interval ${intervalWords(winRateWithTies)})`,
        ]
      : []),
    `> ${preferenceWords(statistics, labels)}`,
    '',
    ...(position ? [`votes for A: ${shareWords(position)}`] : []),
    `> ${positionWords(statistics)}`,
    ...(longer ? [`votes for the longer answer: ${shareWords(longer)}`] : []),
    `> ${lengthWords(statistics)}`,
    '',
    `seed ${seed}`,
  ].join('\n');
}

export const resultOfJudging = defineCommand({
  name: 'judge result',
  summary: 'tell whose answers were preferred, with intervals and checks of the judge',
  details: [
    'Tells the sides: from then on votes stand. The interval is Clopper and Pearson’s, p that of the exact binomial test.',
  ],
  positionals: [judgingPositional],
  options: {
    early: toggle({
      flag: 'early',
      help: 'end the judging although items have no vote',
      group: 'Options',
    }),
  },
  examples: ['judge result 1', 'judge result 1 --early --json'],
  run: async (context, { positionals: [judging], options: { early } }) =>
    (await context.services()).judgingResult({ judging: judgingNumber(judging), early }),
  render: resultText,
});

export const exportJudging = defineCommand({
  name: 'judge export',
  summary: 'make a dataset of preference pairs of the votes',
  details: [
    'The better answer is the chosen one; ties, both bad and skipped items make no pair. Rows are tagged "judged". Sides stay ' +
      'untold.',
  ],
  positionals: [judgingPositional],
  options: {
    name: optional({
      flag: 'name',
      placeholder: 'NAME',
      parse: textValue,
      defaultText: 'judged-N',
      help: 'name of the dataset',
      group: 'Options',
    }),
  },
  examples: ['judge export 1 --name preferred'],
  run: async (context, { positionals: [judging], options: { name } }) =>
    (await context.services()).judgingToData({ judging: judgingNumber(judging), ...given({ name }) }),
  render: ({ dataset, leftOut, unusable }) =>
    `${dataset.name}: ${dataset.rows} pairs` +
    (leftOut === 0 ? '' : `; ${leftOut} votes say of no answer that it is better`) +
    (unusable === 0 ? '' : `; ${unusable} left out, an answer is empty or both are equal`),
});

export const removeJudging = defineCommand({
  name: 'judge remove',
  summary: 'remove a judging with its answers and votes',
  details: ['Without --yes it only says what would go. Datasets made of it stay.'],
  positionals: [judgingPositional],
  options: { yes: toggle({ flag: 'yes', help: 'do it', group: 'Options' }) },
  examples: ['judge remove 1', 'judge remove 1 --yes'],
  run: async (context, { positionals: [judging], options: { yes } }) =>
    (await context.services()).removeJudging({ judging: judgingNumber(judging), confirmed: yes }),
  render: ({ judging, removed }) =>
    `${judgingTable([judging])}\n\n${removed ? 'removed' : 'would be removed; repeat with --yes'}`,
});
