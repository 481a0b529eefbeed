import { quantileOfSorted } from '../../../shared/statistics/descriptive.ts';
import type { LengthSummary } from '../../../shared/contract.ts';
import { NumberList } from './hash-index.ts';

/** Lengths by field, four bytes each. */
export class Lengths {
  readonly #fields = new Map<string, NumberList>();

  add(field: string, length: number): void {
    let list = this.#fields.get(field);
    if (list === undefined) this.#fields.set(field, (list = new NumberList()));
    list.push(length);
  }

  /** All lengths of a field. */
  of(field: string): Uint32Array {
    return this.#fields.get(field)?.values ?? new Uint32Array();
  }

  summaries(): Record<string, LengthSummary> {
    return Object.fromEntries([...this.#fields].map(([field, list]) => [field, summarise(list.values)]));
  }
}

function summarise(values: Uint32Array): LengthSummary {
  const sorted = values.toSorted();
  const sum = sorted.reduce((total, value) => total + value, 0);
  return {
    mean: sum / sorted.length,
    min: sorted[0]!,
    q25: quantileOfSorted(sorted, 0.25),
    median: quantileOfSorted(sorted, 0.5),
    q75: quantileOfSorted(sorted, 0.75),
    q95: quantileOfSorted(sorted, 0.95),
    max: sorted.at(-1)!,
  };
}
