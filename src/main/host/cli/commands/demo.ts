import { defineCommand } from '../command.ts';
import { optional, textValue } from '../option.ts';
import { describeComparison } from './compare.ts';
import { given } from './names.ts';

export const demo = defineCommand({
  name: 'demo',
  summary: 'compare DPO and MinorDPO on the bundled model and data',
  details: [
    'The bundled model has 0.85 million parameters and answers arithmetic word problems. Two losses, two learning ' +
      'rates and five seeds take half a minute to two minutes on two cores. It prints what comes out, whichever loss wins.',
  ],
  positionals: [],
  options: {
    report: optional({
      flag: 'report',
      placeholder: 'F.html',
      parse: textValue,
      defaultText: 'in the home folder',
      help: 'where the report is written',
      group: 'Output',
    }),
  },
  examples: ['demo', 'demo --report demo.html'],
  run: async (context, { options }) => {
    const services = await context.services();
    return services.demo(given({ report: options.report, threads: context.threads }), context.call);
  },
  render: describeComparison,
});
