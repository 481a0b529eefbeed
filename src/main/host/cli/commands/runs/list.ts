import { wholeNumber } from '../../../../../shared/config.ts';
import {
  formatBytes,
  formatElapsed,
  formatLearningRate,
  formatNumber,
} from '../../../../../shared/format.ts';
import type { RunDetails, RunStatus } from '../../../../../shared/contract.ts';
import { z } from 'zod';
import { describeOutcome } from '../../../../../shared/plan.ts';
import { defineCommand } from '../../command.ts';
import { numberText, optional, textValue, withDefault } from '../../option.ts';
import { given } from '../names.ts';
import { describeEvaluation } from '../train.ts';
import { runNumber, runPositional, runTable } from './names.ts';

const statuses = [
  ...['queued', 'running', 'pausing', 'paused', 'stopping', 'finished', 'failed', 'interrupted'],
] as [RunStatus, ...RunStatus[]];

export const listRuns = defineCommand({
  name: 'runs list',
  summary: 'show runs: waiting, at work and ended',
  details: [
    'A run whose process was killed is "interrupted" from the next start on; "runs resume" takes it up again from its ' +
      'last checkpoint and gives the same numbers as one that was never interrupted.',
  ],
  positionals: [],
  options: {
    status: optional({
      flag: 'status',
      placeholder: 'S',
      parse: z.enum(statuses, {
        error: (issue) => `must be one of ${statuses.join(', ')}, not "${String(issue.input)}"`,
      }),
      help: 'only runs that stand so',
      group: 'Options',
    }),
    project: optional({
      flag: 'project',
      placeholder: 'NAME',
      parse: textValue,
      help: 'only runs of this project',
      group: 'Options',
    }),
    limit: withDefault({
      flag: 'limit',
      placeholder: 'N',
      parse: numberText(wholeNumber(1)),
      absent: 50,
      help: 'the newest so many',
      group: 'Options',
    }),
  },
  examples: ['runs list', 'runs list --status interrupted --json'],
  run: async (context, { options: { status, project, limit } }) =>
    (await context.services()).listRuns({ limit, ...given({ status, project }) }),
  render: ({ runs }) =>
    runs.length === 0 ? 'no runs yet; start one with: plumbline train or plumbline compare' : runTable(runs),
});

/** All that is known of a run, for a person. */
export function describeRun(run: RunDetails): string {
  const { config, hashes, last, parent } = run;
  const lines: (readonly [string, string])[] = [
    ['learning rate', formatLearningRate(config.learningRate)],
    ['beta', formatNumber(config.beta)],
    ...Object.entries(config.lossParameters ?? {}).map(([name, value]) => [name, String(value)] as const),
    ['steps', `${run.step} of ${run.totalSteps ?? '?'}`],
    ['time', formatElapsed(run.seconds)],
    ...(last?.loss === undefined ? [] : [['last loss', formatNumber(last.loss)] as const]),
    ...(parent === undefined ? [] : [['forked off', `run ${parent.run} at step ${parent.step}`] as const]),
    ['base', hashes.base.slice(0, 16)],
    ['data', hashes.data.slice(0, 16)],
    ...(hashes.order === undefined ? [] : [['order of batches', hashes.order.slice(0, 16)] as const]),
    ...(run.adapter === undefined ? [] : [['adapter', run.adapter] as const]),
    ['log', run.log],
    ...(run.error === undefined ? [] : [['why', run.error] as const]),
  ];
  const checkpoints = run.checkpoints.map(
    ({ step, bytes, createdAt }) => `  step ${step}  ${formatBytes(bytes)}  ${createdAt}`,
  );
  const resumable = ['paused', 'interrupted', 'failed'].includes(run.status);
  return [
    runTable([run]),
    '',
    ...lines.map(([name, text]) => `${name.padEnd(18)}${text}`),
    ...(checkpoints.length === 0 ? [] : ['checkpoints', ...checkpoints]),
    ...(run.evaluation === undefined ? [] : ['', describeEvaluation(run.evaluation)]),
    ...(run.plan === undefined || run.outcome === undefined
      ? []
      : ['', ...describeOutcome(run.plan, run.outcome)]),
    ...(resumable && run.divergedAt === undefined ? ['', `go on with: plumbline runs resume ${run.id}`] : []),
  ].join('\n');
}

export const showRun = defineCommand({
  name: 'runs show',
  summary: 'show all that is known of a run',
  details: [],
  positionals: [runPositional],
  options: {},
  examples: ['runs show 3', 'runs show 3 --json'],
  run: async (context, { positionals }) =>
    (await context.services()).showRun({ run: runNumber(positionals[0]!) }),
  render: describeRun,
});

export const watchRun = defineCommand({
  name: 'runs watch',
  summary: 'follow a run that another process is at work on',
  details: ['Shows its steps as they come, until its job ends. Ctrl-C ends the watching, not the run.'],
  positionals: [runPositional],
  options: {},
  examples: ['runs watch 3'],
  run: async (context, { positionals }) =>
    (await context.services()).watchRun({ run: runNumber(positionals[0]!) }, context.call),
  render: describeRun,
});
