import { wholeNumber } from '../../../../../shared/config.ts';
import type { PairHistory } from '../../../../../shared/contract.ts';
import { formatNumber } from '../../../../../shared/format.ts';
import { describeGate } from '../../../../../shared/pair-telemetry.ts';
import { defineCommand } from '../../command.ts';
import { numberText, optional, toggle } from '../../option.ts';
import { renderTable } from '../../table.ts';
import { given } from '../names.ts';
import { runNumber, runPositional } from './names.ts';

const number = (flagName: string, placeholder: string, help: string, least: number) =>
  optional({
    flag: flagName,
    placeholder,
    parse: numberText(wholeNumber(least)),
    help,
    group: 'Options',
  });

const fromTo = (values: readonly number[] | undefined): string =>
  values === undefined ? '' : `${formatNumber(values[0])} → ${formatNumber(values.at(-1))}`;

function allPairs(pairs: readonly PairHistory[]): string {
  return renderTable(
    [
      { title: 'ROW', align: 'right' },
      { title: 'SEEN', align: 'right' },
      { title: 'C' },
      { title: 'R' },
      { title: 'GATE' },
    ],
    pairs.map(({ row, steps, c, r, gate }) => [
      String(row),
      String(steps.length),
      fromTo(c),
      fromTo(r),
      describeGate(r ?? [], gate),
    ]),
  );
}

function onePair({ steps, c, r, gate }: PairHistory): string {
  const table = renderTable(
    [
      { title: 'STEP', align: 'right' },
      { title: 'C', align: 'right' },
      { title: 'R', align: 'right' },
      { title: 'GATE' },
    ],
    steps.map((step, place) => [
      String(step),
      formatNumber(c[place]),
      r === undefined ? '' : formatNumber(r[place]),
      r === undefined ? '' : r[place]! > 0 ? 'open' : 'closed',
    ]),
  );
  return `${table}\ngate: ${describeGate(r ?? [], gate)}`;
}

export const runPairs = defineCommand({
  name: 'runs pairs',
  summary: "show c, r and the gate of a run's pairs, step by step",
  details: [
    'c and r are the log-ratios to the reference of the chosen and the rejected answer, in nats. Of a pair that is trained on ' +
      'they are what each step with it in its batch found; of a held-out pair what each evaluation found. The gate is open ' +
      'while r > 0. Losses without a reference have no c and r in training.',
  ],
  positionals: [runPositional],
  options: {
    row: number('row', 'K', 'only this row of the data, step by step', 0),
    heldOut: toggle({ flag: 'held-out', help: 'held-out pairs at each evaluation', group: 'Options' }),
    from: number('from', 'STEP', 'from this step on', 0),
    to: number('to', 'STEP', 'up to this step', 0),
  },
  examples: ['runs pairs 3', 'runs pairs 3 --row 17', 'runs pairs 3 --held-out --from 100 --json'],
  run: async (context, { positionals, options: { row, heldOut, from, to } }) => {
    const services = await context.services();
    const { runs } = await services.pairTelemetry({
      runs: [runNumber(positionals[0]!)],
      side: heldOut ? 'eval' : 'train',
      ...given({ row, from, to }),
    });
    return { ...given({ row }), ...runs[0]! };
  },
  render: ({ row, pairs }) =>
    pairs.length === 0 ? 'nothing is on record' : row === undefined ? allPairs(pairs) : onePair(pairs[0]!),
});
