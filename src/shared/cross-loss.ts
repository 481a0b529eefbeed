import { gridPoints, runsOf } from './comparison.ts';
import type { ComparisonResult, Evaluation, GridPoint } from './comparison.ts';
import { summarise, type SeedSummary } from './summaries.ts';

/** What one arm's loss says of a policy on all held-out pairs: their mean, or the mean over chosen tokens for `sft`. */
export interface LossValue {
  /** As a comparison names its arms. */
  readonly arm: string;
  /** Absent where the loss ignores it. */
  readonly beta?: number;
  readonly loss: number;
}

/**
 * Final policies of one grid point under every loss of the comparison. Values compare within a column; a row shows what one
 * training has done for the others' aims.
 */
export interface CrossLossMatrix {
  readonly point: GridPoint;
  /** Arms whose losses are the columns. */
  readonly columns: readonly string[];
  /** The untrained model, then every arm; mean over finished seeds. */
  readonly rows: readonly { readonly arm: string; readonly values: readonly SeedSummary[] }[];
}

/** A matrix per grid point; empty where there is one arm alone, or losses were not measured. */
export function crossLosses(result: ComparisonResult): CrossLossMatrix[] {
  const { arms, base } = result;
  if (arms.length < 2) return [];
  return gridPoints(result).flatMap((point) => {
    const valueOf = (evaluation: Evaluation | undefined, arm: string): number | undefined => {
      const value = evaluation?.losses?.find(
        (each) =>
          each.arm === arm &&
          (each.beta === undefined || point.beta === undefined || each.beta === point.beta),
      );
      const loss = value?.loss as number | null | undefined;
      return typeof loss === 'number' && Number.isFinite(loss) ? loss : undefined;
    };
    const row = (arm: string, evaluations: readonly (Evaluation | undefined)[]) => ({
      arm,
      values: arms.map((column) => summarise(evaluations.map((each) => valueOf(each, column)))),
    });
    const rows = [
      row('base', [base]),
      ...arms.map((arm) =>
        row(
          arm,
          runsOf(result, arm, point.learningRate, point.beta)
            .filter(({ status }) => status === 'finished')
            .map(({ evaluation }) => evaluation),
        ),
      ),
    ];
    const isMeasured = rows.slice(1).some(({ values }) => values.some(({ seeds }) => seeds > 0));
    return isMeasured ? [{ point, columns: arms, rows }] : [];
  });
}
