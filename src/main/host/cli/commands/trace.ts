import type { TraceResult } from '../../../../shared/contract.ts';
import type { ReportNumber } from '../../../../shared/report/numbers.ts';
import { describeRead } from '../../../../shared/report/reads.ts';
import { defineCommand } from '../command.ts';
import { optional, textValue } from '../option.ts';
import { given } from './names.ts';

function numberLines({ id, value, unit, way, from, reads }: ReportNumber): string[] {
  return [
    `${id} = ${value}${unit === '' ? '' : ` (${unit})`}`,
    `  ${way}`,
    ...(from.length === 0 ? [] : [`  of ${from.join(', ')}`]),
    ...reads.map((read) => `  ${describeRead(read)}`),
  ];
}

function describeTrace({ number, from, reported }: TraceResult): string {
  return [
    number.label,
    ...numberLines(number),
    ...from.flatMap((each) => ['', ...numberLines(each)]),
    ...(reported === undefined
      ? []
      : [
          '',
          reported.same
            ? 'the report says the same, to the last digit'
            : `the report says otherwise: ${reported.value}`,
        ]),
  ].join('\n');
}

export const trace = defineCommand({
  name: 'trace',
  summary: "show what a report's number is made of, down to rows of the record",
  details: [
    'Reads the rows anew and calculates the number from them. A number is named by its id, as reports list it, or with ' +
      '--report by words of what it is. With --report it also says whether the report has the same number, to the last ' +
      'digit; where not, the exit code is 1.',
  ],
  positionals: [
    {
      name: 'number',
      help: 'its id, or with --report words parted by commas: "task accuracy, minor-dpo, lr 1e-3"',
    },
  ],
  options: {
    report: optional({
      flag: 'report',
      placeholder: 'F.html|F.json',
      parse: textValue,
      help: 'a report that the number stands in',
      group: 'Options',
    }),
  },
  examples: [
    'trace c1.task.minor-dpo.lr1e-3.mean',
    'trace --report report.html "task accuracy, minor-dpo, lr 1e-3"',
  ],
  run: async (context, { positionals: [number = ''], options: { report } }) =>
    (await context.services()).trace({ number, ...given({ report }) }, context.call),
  render: describeTrace,
  failed: ({ reported }) => reported?.same === false,
});
