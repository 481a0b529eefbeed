import type { RunResult } from '../../shared/comparison.ts';
import { metricNames } from '../../shared/metrics.ts';
import type { Store } from '../store/database.ts';
import type { MetricBucket } from '../store/rollups.ts';
import type { Run } from '../store/runs.ts';
import { stepMetrics, stepsOf } from './train.ts';

export type ReadMetrics = Pick<RunResult, 'metrics' | 'steps'>;
/** Reads so much of a run's metrics as is needed. @param all the comparison's runs */
export type MetricsReader = (store: Store, run: Run, all: readonly Run[]) => ReadMetrics;

/** Every step: what files hold. */
export const allMetrics: MetricsReader = ({ metrics }, { id }) => ({
  metrics: stepsOf(metrics.points(id)),
});

/** Means over the last tenth of the steps as one point, which is what final values are made of. */
export const endMetrics: MetricsReader = (store, { id, lastStep }) => {
  if (lastStep === 0) return { metrics: [] };
  const from = lastStep - Math.ceil(lastStep / 10) + 1;
  const read = pointsOf(store, id, (name) => store.metrics.decimated(id, name, { from, points: 1 }));
  return { ...read, steps: lastStep };
};

/** Points of a run that a report draws. */
const drawn = 2000;

/**
 * Steps as they are, or of longer runs the means over so many neighbouring steps as leave two thousand points of the
 * longest: the same steps in every run, so that seeds can be averaged. Where one value is not finite, its mean is NaN.
 */
export const thinnedMetrics: MetricsReader = (store, run, all) => {
  const width = Math.ceil(Math.max(...all.map(({ lastStep }) => lastStep)) / drawn);
  if (width <= 1) return allMetrics(store, run, all);
  const { id, lastStep } = run;
  const whole = Math.floor(lastStep / width);
  const read = pointsOf(store, id, (name) => [
    ...store.metrics.decimated(id, name, { from: 1, to: whole * width, points: whole }),
    ...store.metrics.decimated(id, name, { from: whole * width + 1, points: 1 }),
  ]);
  return { ...read, steps: lastStep };
};

function pointsOf(
  { metrics }: Store,
  id: number,
  bucketsOf: (name: string) => readonly MetricBucket[],
): ReadMetrics {
  const known = new Set<string>(metricNames);
  const points = new Map<number, { step: number; [name: string]: number }>();
  for (const name of metrics.names(id).filter((each) => known.has(each))) {
    for (const { lastStep: step, mean, finite } of bucketsOf(name)) {
      let point = points.get(step);
      if (!point) points.set(step, (point = { step }));
      point[name] = finite ? mean : NaN;
    }
  }
  const ordered = [...points.values()].sort((a, b) => a.step - b.step);
  return { metrics: ordered.map(stepMetrics) };
}
