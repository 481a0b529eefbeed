import type {
  CallOptions,
  RunMetricsRequest,
  RunMetricsResult,
  Series,
  SeriesRequest,
  SeriesResult,
} from '../../../shared/contract.ts';
import { metricNames } from '../../../shared/metrics.ts';
import type { Metrics } from '../../store/metrics.ts';
import type { MetricBucket } from '../../store/rollups.ts';
import type { Library } from '../library.ts';
import { Turns } from '../turns.ts';

/** Runs that are gone, as after a removal in another window, have no series. */
export async function runSeries(
  { store: { metrics, runs: records } }: Library,
  { runs, metrics: names, ...range }: SeriesRequest,
  call: CallOptions,
): Promise<SeriesResult> {
  const turns = new Turns(call.signal);
  const series: Series[] = [];
  for (const run of new Set(runs)) {
    // A step that is not finite leaves no values of its own: only the run's record tells of it.
    const divergedAt = records.get(run)?.divergedAt ?? undefined;
    const isInRange = (step: number): boolean => step >= (range.from ?? 0) && step <= (range.to ?? Infinity);
    const end = divergedAt !== undefined && isInRange(divergedAt) ? divergedAt : undefined;
    for (const metric of new Set(names)) {
      const buckets = metrics.decimated(run, metric, range);
      if (buckets.length > 0) series.push(seriesOf(metrics, run, metric, buckets, end));
      await turns.pass();
    }
  }
  return { series };
}

/** @param end where the run diverged */
function seriesOf(
  metrics: Metrics,
  run: number,
  metric: string,
  buckets: readonly MetricBucket[],
  end: number | undefined,
): Series {
  const brokenAt = firstBroken(metrics, run, metric, buckets) ?? end;
  return {
    run,
    metric,
    steps: buckets.map(({ lastStep }) => lastStep),
    mean: buckets.map(({ mean }) => mean),
    min: buckets.map(({ min }) => min),
    max: buckets.map(({ max }) => max),
    count: buckets.map(({ points }) => points),
    ...(brokenAt === undefined ? {} : { brokenAt }),
  };
}

/** Buckets in which a bucket is looked through for its first value that is not finite. */
const parts = 64;

function firstBroken(
  metrics: Metrics,
  run: number,
  metric: string,
  buckets: readonly MetricBucket[],
): number | undefined {
  let found = buckets.find(({ finite }) => !finite);
  while (found && found.points > 1) {
    const { firstStep: from, lastStep: to } = found;
    found = metrics.decimated(run, metric, { from, to, points: parts }).find(({ finite }) => !finite);
  }
  return found?.lastStep;
}

export function runMetrics({ store }: Library, { runs }: RunMetricsRequest): RunMetricsResult {
  const found = new Set(runs.flatMap((run) => store.metrics.names(run)));
  const known = metricNames.filter((name) => found.delete(name));
  return { metrics: [...known, ...found] };
}
