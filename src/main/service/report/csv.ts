import type { ReportNumber } from '../../../shared/report/numbers.ts';
import type { NumberRead } from '../../../shared/report/reads.ts';

const columns = [
  ...['id', 'measure', 'statistic', 'arm', 'against', 'learning_rate', 'beta', 'seed', 'value', 'unit'],
  ...['run', 'evaluation', 'steps', 'calculated_from'],
];

/** Quoted where RFC 4180 asks for it. */
const cell = (value: string | number | undefined): string => {
  const text = value === undefined ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

const distinct = (values: readonly (string | number | undefined)[]): string =>
  [...new Set(values.filter((value) => value !== undefined))].join(' ');

const stepsOf = (read: NumberRead): string | undefined =>
  read.kind === 'metrics' ? `${read.steps[0]!}-${read.steps.at(-1)!}` : undefined;

/**
 * Every number of a report in one long table, each with all its digits and with where it comes from: run, evaluation (its row)
 * or steps of a metric, or the ids of the numbers it is calculated from.
 */
export function numbersTable(numbers: readonly ReportNumber[]): string {
  const rows = numbers.map((number) =>
    [
      ...[number.id, number.measure, number.statistic, number.arm, number.against],
      ...[number.learningRate, number.beta, number.seed, number.value, number.unit],
      distinct(number.reads.map((read) => ('run' in read ? read.run : undefined))),
      distinct(number.reads.map((read) => ('row' in read ? read.row : undefined))),
      distinct(number.reads.map(stepsOf)),
      number.from.join(' '),
    ]
      .map(cell)
      .join(','),
  );
  return [columns.join(','), ...rows].map((line) => `${line}\r\n`).join('');
}
