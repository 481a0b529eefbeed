import { wholeNumber } from '../../../../shared/config.ts';
import type { QueueResult } from '../../../../shared/contract.ts';
import { UsageError } from '../../../../shared/errors.ts';
import { defineCommand } from '../command.ts';
import { numberText, optional, toggle } from '../option.ts';
import { renderTable } from '../table.ts';
import { runNumber, runPositional } from './runs/names.ts';

function queueTable({ jobs }: QueueResult): string {
  if (jobs.length === 0) return 'the queue is empty; add to it with: plumbline train … --queue';
  return renderTable(
    [
      { title: 'JOB', align: 'right' },
      { title: 'STATUS' },
      { title: 'KIND' },
      { title: 'RUNS' },
      { title: 'LOSSES' },
      { title: 'MODEL' },
      { title: 'DATA' },
    ],
    jobs.map(({ job, status, kind, runs }) => [
      String(job),
      status,
      kind,
      runs.length === 1 ? String(runs[0]!.id) : `${runs[0]?.id}-${runs.at(-1)?.id}`,
      [...new Set(runs.map(({ loss }) => loss))].join(', '),
      runs[0]?.model ?? '',
      runs[0]?.data ?? '',
    ]),
  );
}

export const listQueue = defineCommand({
  name: 'queue list',
  summary: 'show what is at work and what waits, in its order',
  details: [],
  positionals: [],
  options: {},
  examples: ['queue list'],
  run: async (context) => (await context.services()).listQueue(),
  render: queueTable,
});

export const moveQueue = defineCommand({
  name: 'queue move',
  summary: 'change the order of what waits',
  details: [],
  positionals: [runPositional],
  options: {
    first: toggle({ flag: 'first', help: 'next', group: 'Options' }),
    last: toggle({ flag: 'last', help: 'at the end', group: 'Options' }),
    before: optional({
      flag: 'before',
      placeholder: 'RUN',
      parse: numberText(wholeNumber(1)),
      help: 'before the job of another run',
      group: 'Options',
    }),
  },
  examples: ['queue move 7 --first', 'queue move 7 --before 5'],
  run: async (context, { positionals, options: { first, last, before } }) => {
    if (Number(first) + Number(last) + Number(before !== undefined) !== 1)
      throw new UsageError('give one of --first, --last and --before RUN');
    const to = before !== undefined ? { beforeRun: before } : first ? 'first' : 'last';
    return (await context.services()).moveJob({ run: runNumber(positionals[0]!), to });
  },
  render: queueTable,
});

export const runQueue = defineCommand({
  name: 'queue run',
  summary: 'carry out what waits, until the queue is empty',
  details: [
    'Stopped by Ctrl-C, the job at work keeps its checkpoint ("runs resume" takes it up again) and the rest waits on. ' +
      'Several may be at work at once where the setting says so.',
  ],
  positionals: [],
  options: {},
  examples: ['queue run'],
  run: async (context) => (await context.services()).runQueue(context.call),
  failed: ({ failed }) => failed.length > 0,
  render: ({ finished, failed }) =>
    [
      `${finished.length} finished, ${failed.length} failed`,
      ...failed.map(({ job, error }) => `job ${job}: ${error}`),
    ].join('\n'),
});
