import { runsOf, type ComparisonResult, type GridPoint, type RunResult } from '../../shared/comparison.ts';
import type { RunSummary } from '../../shared/contract.ts';
import { placesInColour } from '../../shared/appearance.ts';
import { usesBeta } from '../../shared/losses.ts';
import { mean } from '../../shared/statistics/descriptive.ts';
import type { ChartLine } from './chart-lines.ts';

/**
 * The lines of one chart of a comparison, at one point of its grid: for each arm its seeds together, or one by one.
 * Metrics of an arm are told apart by how their lines are broken.
 * @param runs of the comparison; those that have not begun give no line
 */
export function armLines(
  { arms, seeds }: { readonly arms: readonly string[]; readonly seeds: readonly number[] },
  runs: readonly RunSummary[],
  point: GridPoint,
  metrics: readonly string[],
  grouped: boolean,
): ChartLine[] {
  const places = placesInColour(arms);
  return arms.flatMap((loss, arm) => {
    const ignoresBeta = point.beta === undefined || !usesBeta(loss);
    const ofArm = runs.filter(
      (run) =>
        run.loss === loss &&
        run.learningRate === point.learningRate &&
        (ignoresBeta || run.beta === point.beta) &&
        seeds.includes(run.seed),
    );
    const groups = grouped ? [ofArm] : ofArm.map((run) => [run]);
    return groups
      .filter((group) => group.length > 0)
      .flatMap((group, nth) =>
        metrics.map((metric, place): ChartLine => {
          const seed = grouped || seeds.length === 1 ? '' : `seed ${group[0]!.seed}`;
          const what = metrics.length > 1 ? (metric.split('/').at(-1) ?? metric) : '';
          return {
            key: grouped ? `${loss}` : `${loss} ${group[0]!.seed}`,
            label: [what, seed].filter((part) => part !== '').join(', '),
            loss,
            runs: group.map(({ id }) => id),
            metric,
            // Arms of one colour: each begins where the one before may end.
            place: (places[arm]! * (grouped ? 1 : seeds.length) + nth) * metrics.length + place,
          };
        }),
      );
  });
}

/**
 * Arms whose c and r both fell at one point of the grid: that alarms people and is by itself no fault.
 * @param finalMetric a metric at the end of a run
 */
export function fallingArms(
  result: ComparisonResult,
  point: GridPoint,
  finalMetric: (run: RunResult, name: 'rewards/chosen' | 'rewards/rejected') => number | undefined,
): string[] {
  return result.arms.filter((loss) => {
    const ends = (name: 'rewards/chosen' | 'rewards/rejected'): number[] =>
      runsOf(result, loss, point.learningRate, point.beta).flatMap((run) => finalMetric(run, name) ?? []);
    const [c, r] = [ends('rewards/chosen'), ends('rewards/rejected')];
    return c.length > 0 && r.length > 0 && mean(c) < 0 && mean(r) < 0;
  });
}
