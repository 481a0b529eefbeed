import { describe, expect, it } from 'vitest';
import { syntheticComparison } from '../../test/fixtures/synthetic-comparison.ts';
import type { ComparisonResult } from './comparison.ts';
import { crossLosses } from './cross-loss.ts';

const steady = { diverge: false, learningRates: [1e-5], questions: 0 } as const;

/** Each run's losses are given by its seed, so that means and spreads are known. */
function withLosses(
  result: ComparisonResult,
  of: (arm: string, seed: number) => NonNullable<NonNullable<ComparisonResult['base']>['losses']>,
): ComparisonResult {
  return {
    ...result,
    runs: result.runs.map((run) => ({
      ...run,
      evaluation: { ...run.evaluation!, losses: of(run.loss, run.seed) },
    })),
  };
}

describe('the matrix of policies and losses', () => {
  it('has a row per policy and a column per loss: mean over seeds and sample standard deviation', () => {
    const result = withLosses(syntheticComparison({ ...steady, seeds: [0, 1, 2] }), (arm, seed) => [
      { arm: 'dpo', beta: 0.1, loss: arm === 'dpo' ? seed : 10 + 2 * seed },
      { arm: 'minor-dpo', beta: 0.1, loss: 5 },
    ]);
    const [matrix, ...others] = crossLosses(result);
    expect(others).toEqual([]);
    expect(matrix!.columns).toEqual(['dpo', 'minor-dpo']);
    expect(matrix!.rows.map(({ arm }) => arm)).toEqual(['base', 'dpo', 'minor-dpo']);
    expect(matrix!.rows[1]!.values).toEqual([
      { seeds: 3, mean: 1, standardDeviation: 1 },
      { seeds: 3, mean: 5, standardDeviation: 0 },
    ]);
    expect(matrix!.rows[2]!.values[0]).toEqual({ seeds: 3, mean: 12, standardDeviation: 2 });
    expect(matrix!.rows[0]!.values[0]).toEqual({ seeds: 0 });
  });

  it('takes each loss at the β of its grid point, one that ignores β at each', () => {
    const result = withLosses(
      syntheticComparison({ ...steady, arms: ['dpo', 'sft'], betas: [0.1, 0.5], seeds: [0] }),
      () => [
        { arm: 'dpo', beta: 0.1, loss: 1 },
        { arm: 'dpo', beta: 0.5, loss: 2 },
        { arm: 'sft', loss: 3 },
      ],
    );
    expect(
      crossLosses(result).map(({ point, rows }) => [point.beta, ...rows[2]!.values.map(({ mean }) => mean)]),
    ).toEqual([
      [0.1, 1, 3],
      [0.5, 2, 3],
    ]);
  });

  it('leaves out what diverged or is not finite, and is none for results without it', () => {
    const plain = syntheticComparison({ ...steady, seeds: [0, 1] });
    expect(crossLosses(plain)).toEqual([]);
    const result = withLosses(plain, (_arm, seed) => [
      // Infinity is null after a way through JSON.
      { arm: 'dpo', beta: 0.1, loss: seed === 0 ? (null as unknown as number) : 4 },
      { arm: 'minor-dpo', beta: 0.1, loss: 1 },
    ]);
    expect(crossLosses(result)[0]!.rows[1]!.values[0]).toEqual({ seeds: 1, mean: 4 });
  });
});
