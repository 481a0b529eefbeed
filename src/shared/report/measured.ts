import { measures } from '../measures.ts';
import type { ComparisonResult, Evaluation } from '../comparison.ts';
import { watchReads, type EvaluationRow, type NumberRead } from './reads.ts';
import type { NumberUnit } from './statistics.ts';

/** What a report shows of one model's evaluation. */
export interface Measured {
  /** As ids have it. */
  readonly name: string;
  readonly label: string;
  readonly unit: NumberUnit;
  readonly read: (place: EvaluationRow) => {
    readonly value: number | undefined;
    readonly reads: readonly NumberRead[];
  };
}

/**
 * All measures, and what every arm's loss says of a model.
 * @param beta only of losses at this β, and of those that ignore it
 */
export function measuredOf(result: ComparisonResult, beta?: number): Measured[] {
  const plain = measures.map(({ name, label, unit, of }): Measured => ({
    ...{ name, label, unit },
    read: (place) => watchReads(place, of),
  }));
  return [...plain, ...lossesOf(result, beta)];
}

function lossesOf({ base, runs }: ComparisonResult, beta: number | undefined): Measured[] {
  const evaluations = [base, ...runs.map(({ evaluation }) => evaluation)];
  const values = evaluations.find((evaluation: Evaluation | undefined) => evaluation?.losses)?.losses ?? [];
  return values
    .filter((value) => value.beta === undefined || beta === undefined || value.beta === beta)
    .map(({ arm, beta: own }): Measured => {
      const isOne = values.filter((value) => value.arm === arm).length === 1;
      const at = isOne || own === undefined ? '' : `@b${own}`;
      return {
        ...{ name: `under-${arm}${at}`, label: `loss of ${arm}${at.replace('@b', ' at β ')}`, unit: '' },
        read: ({ evaluation, row, run }) => {
          const losses = evaluation.losses ?? [];
          const place = losses.findIndex((value) => value.arm === arm && value.beta === own);
          const value: unknown = losses[place]?.loss;
          // One that is not finite comes back from JSON as null.
          if (typeof value !== 'number') return { value: undefined, reads: [] };
          const where = { ...(row === undefined ? {} : { row }), ...(run === undefined ? {} : { run }) };
          const field = `losses[${place}].loss`;
          return { value, reads: [{ kind: 'evaluation', ...where, field, value }] };
        },
      };
    });
}
