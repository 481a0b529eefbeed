import { wholeNumber } from '../../../../../shared/config.ts';
import { defineCommand } from '../../command.ts';
import { numberText, withDefault } from '../../option.ts';
import { runNumber, runPositional } from './names.ts';

export const logRun = defineCommand({
  name: 'runs log',
  summary: "show the end of a run's log",
  details: ['The runs of a comparison share one process and one log.'],
  positionals: [runPositional],
  options: {
    lines: withDefault({
      flag: 'lines',
      placeholder: 'K',
      parse: numberText(wholeNumber(1)),
      absent: 50,
      help: 'the last so many lines',
      group: 'Options',
    }),
  },
  examples: ['runs log 3', 'runs log 3 --lines 500'],
  run: async (context, { positionals, options: { lines } }) =>
    (await context.services()).runLog({ run: runNumber(positionals[0]!), lines }),
  render: ({ lines }) => (lines.length === 0 ? 'nothing was logged' : lines.join('\n')),
});
