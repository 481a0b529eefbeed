import { z } from 'zod';
import { settings, wholeNumber } from '../../../../../shared/config.ts';
import { formatBytes } from '../../../../../shared/format.ts';
import { lossNames } from '../../../../../shared/losses.ts';
import { reportFormats } from '../../../../../shared/report/format.ts';
import { defineCommand } from '../../command.ts';
import { numberText, optional, required, textValue, toggle } from '../../option.ts';
import { jobOptions } from '../job-options.ts';
import { given } from '../names.ts';
import { lossParameter, lossParametersOf } from '../training-options.ts';
import { runNumber, runPositional, runTable } from './names.ts';

export const pauseRun = defineCommand({
  name: 'runs pause',
  summary: 'let a run end after the step under way, to be resumed later',
  details: [
    'Its process writes a checkpoint and ends, which frees its memory. The runs of a comparison share one process and ' +
      'pause together.',
  ],
  positionals: [runPositional],
  options: {},
  examples: ['runs pause 3'],
  run: async (context, { positionals }) =>
    (await context.services()).pauseRun({ run: runNumber(positionals[0]!) }, context.call),
  render: ({ runs }) => runTable(runs),
});

export const stopRun = defineCommand({
  name: 'runs stop',
  summary: 'end a run after the step under way',
  details: ['It keeps its last checkpoint and can be resumed all the same; its record says interrupted.'],
  positionals: [runPositional],
  options: {},
  examples: ['runs stop 3'],
  run: async (context, { positionals }) =>
    (await context.services()).stopRun({ run: runNumber(positionals[0]!) }, context.call),
  render: ({ runs }) => runTable(runs),
});

export const resumeRun = defineCommand({
  name: 'runs resume',
  summary: 'go on with a run that was paused, stopped, killed or failed',
  details: [
    'It goes on from its last checkpoint: every later metric and the final adapter have the same bytes as if it had ' +
      'never been interrupted, on the same processor with the same number of threads. What has changed since (model, ' +
      'data, adapters) is refused.',
  ],
  positionals: [runPositional],
  options: { queue: jobOptions.queue },
  examples: ['runs resume 3', 'runs resume 3 --queue'],
  run: async (context, { positionals, options: { queue } }) =>
    (await context.services()).resumeRun({ run: runNumber(positionals[0]!), queue }, context.call),
  render: ({ runs }) => runTable(runs),
});

const step = optional({
  flag: 'step',
  placeholder: 'N',
  parse: numberText(wholeNumber(0)),
  defaultText: 'the last checkpoint',
  help: 'one of the checkpoints that "runs show" lists',
  group: 'Options',
});

export const forkRun = defineCommand({
  name: 'runs fork',
  summary: "start a new run from another's checkpoint, with other settings",
  details: ['Weights, optimizer and step are taken over; the settings given here differ, all others stay.'],
  positionals: [runPositional],
  options: {
    step,
    loss: optional({
      flag: 'loss',
      placeholder: lossNames.join('|'),
      parse: settings.loss,
      help: 'another loss',
      group: 'Changes',
    }),
    lossParameter: { ...lossParameter, group: 'Changes' },
    learningRate: optional({
      flag: 'lr',
      placeholder: 'X',
      parse: numberText(settings.learningRate),
      help: 'another learning rate',
      group: 'Changes',
    }),
    beta: optional({
      flag: 'beta',
      placeholder: 'B',
      parse: numberText(settings.beta),
      help: 'another beta',
      group: 'Changes',
    }),
    steps: optional({
      flag: 'steps',
      placeholder: 'N',
      parse: numberText(settings.steps),
      help: 'optimizer steps in all, those before the fork counted',
      group: 'Changes',
    }),
    metrics: required({
      flag: 'metrics',
      placeholder: 'F.jsonl',
      parse: textValue,
      help: 'one line of metrics per optimizer step, those before the fork included',
      group: 'Output',
    }),
    adapterOut: required({
      flag: 'adapter-out',
      placeholder: 'DIR',
      parse: textValue,
      help: "folder for the adapter in PEFT's format",
      group: 'Output',
    }),
    queue: jobOptions.queue,
  },
  examples: ['runs fork 3 --step 100 --lr 1e-6 --metrics fork.jsonl --adapter-out fork'],
  run: async (context, { positionals, options }) => {
    const { step: at, loss, lossParameter: parts, learningRate, beta, steps, ...rest } = options;
    const changes = given({ loss, lossParameters: lossParametersOf(parts), learningRate, beta, steps });
    const run = runNumber(positionals[0]!);
    return (await context.services()).forkRun(
      { run, changes, ...rest, ...given({ step: at }) },
      context.call,
    );
  },
  render: ({ runs }) => runTable(runs),
});

export const removeRun = defineCommand({
  name: 'runs remove',
  summary: 'remove a run with its metrics and checkpoints',
  details: [
    'The runs of a comparison are removed together. Adapters, metrics files and reports that were written stay. ' +
      'Without --yes it only says what would go.',
  ],
  positionals: [runPositional],
  options: { yes: toggle({ flag: 'yes', help: 'remove it', group: 'Options' }) },
  examples: ['runs remove 3', 'runs remove 3 --yes'],
  run: async (context, { positionals, options: { yes } }) =>
    (await context.services()).removeRun({ run: runNumber(positionals[0]!), confirmed: yes }),
  render: ({ removed, runs, bytes }) =>
    `${runTable(runs)}\n${removed ? 'removed' : 'would be removed with --yes'}, with ${formatBytes(bytes)} of checkpoints`,
});

export const exportRun = defineCommand({
  name: 'runs export',
  summary: "write the adapter of a run's checkpoint",
  details: ['Also of a run that failed or was stopped: its last good numbers.'],
  positionals: [runPositional],
  options: {
    step,
    out: required({
      flag: 'out',
      placeholder: 'DIR',
      parse: textValue,
      help: "folder for the adapter in PEFT's format, or the whole model where every weight was trained",
      group: 'Options',
    }),
  },
  examples: ['runs export 3 --step 100 --out adapter'],
  run: async (context, { positionals, options: { step: at, out } }) =>
    (await context.services()).exportRun(
      { run: runNumber(positionals[0]!), out, ...given({ step: at }) },
      context.call,
    ),
  render: ({ run, step: at, out }) => `run ${run} at step ${at} written to ${out}`,
});

export const reportRun = defineCommand({
  name: 'runs report',
  summary: "write a comparison's report again, also of one that is not finished",
  details: [],
  positionals: [{ name: 'run', help: 'number of any of its runs' }],
  options: {
    report: required({
      flag: 'report',
      placeholder: 'F.html',
      parse: textValue,
      help: 'where to write it',
      group: 'Options',
    }),
    format: optional({
      flag: 'format',
      placeholder: reportFormats.join('|'),
      parse: z.enum(reportFormats, {
        error: (issue) => `must be one of ${reportFormats.join(', ')}, not "${String(issue.input)}"`,
      }),
      defaultText: "as the path's ending says, else html",
      help: 'a page with plots, Markdown, a table of all numbers, or the whole result',
      group: 'Options',
    }),
  },
  examples: ['runs report 3 --report partial.html', 'runs report 3 --report numbers.csv'],
  run: async (context, { positionals, options: { report, format } }) =>
    (await context.services()).report({ run: runNumber(positionals[0]!), report, ...given({ format }) }),
  render: ({ report, runs, missing }) =>
    `report of ${runs} runs: ${report}${missing === 0 ? '' : ` (${missing} more have not come to an end)`}`,
});
