import type { PlanResult } from '../../../../shared/contract.ts';
import { describePlan } from '../../../../shared/plan.ts';
import { defineCommand } from '../command.ts';
import type { Option } from '../option.ts';
import { comparisonOf, compareOptions } from './compare.ts';
import { jobOptions } from './job-options.ts';
import { given } from './names.ts';
import { trainingOf, trainOptions } from './train.ts';

/** Taken, so that a whole command can be planned, and not needed. */
const unwritten = (option: Option<string>): Option<string | undefined> => ({
  ...option,
  required: false,
  help: `${option.help}; not written here`,
});

const details = [
  'Opens the model and the data as the work itself would, measures a few passes over the longest and over usual pairs, ' +
    'and works out from them what the whole will take. Trains nothing and records nothing. Takes the options of the ' +
    'command that it plans.',
];

const render = ({ plan, fits }: PlanResult): string =>
  [...describePlan(plan), ...(fits ? ['fits'] : [])].join('\n');

export const planTrain = defineCommand({
  name: 'plan train',
  summary: 'estimate memory, disk and time of a training',
  details,
  positionals: [],
  options: {
    ...trainOptions,
    metrics: unwritten(trainOptions.metrics),
    adapterOut: unwritten(trainOptions.adapterOut),
    checkpointEvery: jobOptions.checkpointEvery,
  },
  examples: ['plan train --model small --data gsm8k --loss minor-dpo'],
  run: async (context, { options }) => {
    const {
      data,
      metrics = 'metrics.jsonl',
      adapterOut = 'adapter',
      pairs,
      checkpointEvery,
      ...rest
    } = options;
    const request = {
      ...trainingOf(rest, context.threads),
      ...{ data, metrics, adapterOut },
      ...given({ pairs, checkpointEvery }),
    };
    const services = await context.services();
    return services.plan({ kind: 'train', request }, context.call);
  },
  render,
});

export const planCompare = defineCommand({
  name: 'plan compare',
  summary: 'estimate memory, disk and time of a comparison',
  details,
  positionals: [],
  options: { ...compareOptions, checkpointEvery: jobOptions.checkpointEvery },
  examples: ['plan compare --model small --data gsm8k --lr 5e-6,5e-5 --seeds 0,1,2'],
  run: async (context, { options: { checkpointEvery, ...values } }) => {
    const request = { ...comparisonOf(values, context.threads), ...given({ checkpointEvery }) };
    const services = await context.services();
    return services.plan({ kind: 'compare', request }, context.call);
  },
  render,
});
