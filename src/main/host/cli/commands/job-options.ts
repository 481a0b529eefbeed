import { wholeNumber } from '../../../../shared/config.ts';
import type { QueuedResult } from '../../../../shared/contract.ts';
import { numberText, optional, textValue, toggle } from '../option.ts';

const group = 'Process';

export const project = optional({
  flag: 'project',
  placeholder: 'NAME',
  parse: textValue,
  defaultText: 'the first one',
  help: 'the project that its runs belong to',
  group,
});

/** How a training is carried out; none of it changes a number. */
export const jobOptions = {
  queue: toggle({
    flag: 'queue',
    help: 'only put it into the queue; "plumbline queue run" carries the queue out',
    group,
  }),
  force: toggle({
    flag: 'force',
    help: 'start even where the plan says that memory or disk will not suffice',
    group,
  }),
  checkpointEvery: optional({
    flag: 'checkpoint-every',
    placeholder: 'N',
    parse: numberText(wholeNumber(1)),
    defaultText: 'by time: about one a minute',
    help: 'optimizer steps between two checkpoints, from which a killed run goes on to the same bits',
    group,
  }),
  project,
};

export function describeQueued({ job, runs }: QueuedResult): string {
  const named = runs.length === 1 ? `run ${runs[0]}` : `runs ${runs[0]} to ${runs.at(-1)}`;
  return `queued as job ${job} (${named}); carry the queue out with: plumbline queue run`;
}
