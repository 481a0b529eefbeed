import type { GridPoint } from '../comparison.ts';
import type { NumberRead } from './reads.ts';
import type { NumberUnit } from './statistics.ts';

/** One number of a report, under an id that stays the same as long as the comparison does. */
export interface ReportNumber {
  /** E.g. `c1.task.minor-dpo.lr1e-3.mean`: comparison, measure, arm, place on the grid, what of it. */
  readonly id: string;
  /** In words, parted by commas: "task accuracy, minor-dpo, lr 1e-3, mean" */
  readonly label: string;
  readonly measure: string;
  readonly statistic: string;
  readonly arm?: string;
  readonly against?: string;
  readonly learningRate?: number;
  readonly beta?: number;
  readonly seed?: number;
  readonly value: number;
  readonly unit: NumberUnit;
  /** How it is had from `from` and `reads`, in words. */
  readonly way: string;
  /** Ids of the numbers that it is calculated from. */
  readonly from: readonly string[];
  /** What is read in the record for this number itself. */
  readonly reads: readonly NumberRead[];
}

/** Every digit of a learning rate, in the form in which they are written: `5e-6`. */
const rateText = (rate: number): string => rate.toExponential().replace('+', '');

/** `lr1e-3`, with `b0.05` where there are several β. */
export const pointText = ({ learningRate, beta }: GridPoint): string =>
  `lr${rateText(learningRate)}${beta === undefined ? '' : `.b${beta}`}`;

/** Values that tell a number's place, as they stand in its record. */
export type Place = Pick<ReportNumber, 'arm' | 'against' | 'learningRate' | 'beta' | 'seed'>;

/** Collects numbers; what is not finite is not shown and has no id. */
export class Ledger {
  readonly #numbers = new Map<string, ReportNumber>();
  readonly #prefix: string;
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  id = (parts: readonly string[]): string => [this.#prefix, ...parts].join('.');

  add(
    parts: readonly string[],
    words: readonly (string | undefined)[],
    number: Omit<ReportNumber, 'id' | 'label' | 'value' | 'from' | 'reads'> & {
      readonly value: number | undefined;
      readonly from?: readonly string[];
      readonly reads?: readonly NumberRead[];
    },
  ): void {
    const { value } = number;
    if (value === undefined || !Number.isFinite(value)) return;
    const id = this.id(parts);
    if (this.#numbers.has(id)) throw new Error(`two numbers of a report have the id ${id}`);
    const label = words.filter((word) => word !== undefined).join(', ');
    this.#numbers.set(id, { from: [], reads: [], ...number, id, label, value });
  }

  /** Those of some ids that there are. */
  known(ids: readonly string[]): string[] {
    return ids.filter((id) => this.#numbers.has(id));
  }

  /** The value of one that there is. */
  valueOf(id: string): number {
    return this.#numbers.get(id)!.value;
  }

  all(): ReportNumber[] {
    return [...this.#numbers.values()];
  }

  /** Names more numbers that one is calculated from. */
  addSources(number: ReportNumber, from: readonly string[]): void {
    this.#numbers.set(number.id, { ...number, from: [...number.from, ...from] });
  }
}
