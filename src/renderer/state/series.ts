import type { Series, SeriesRequest } from '../../shared/contract.ts';
import { call } from '../api/client.svelte.ts';

interface Waiting extends SeriesRequest {
  readonly resolve: (series: readonly Series[]) => void;
  readonly reject: (error: unknown) => void;
}
/** Limits of one request, as `methods.ts` states them. */
const most = 64;
let waiting: Waiting[] = [];

/**
 * Asks for series. What the charts of a screen ask for in the same moment of the same runs goes to the host as one
 * call; the answer may then hold metrics that another chart asked for.
 * @throws CallFailed
 */
export function askSeries(request: SeriesRequest): Promise<readonly Series[]> {
  return new Promise((resolve, reject) => {
    if (waiting.length === 0) setTimeout(flush);
    waiting.push({ ...request, resolve, reject });
  });
}

function flush(): void {
  const groups = Map.groupBy(waiting, ({ runs, from, to, points }) =>
    JSON.stringify([runs, from, to, points]),
  );
  waiting = [];
  for (const group of groups.values()) {
    const { runs, from, to, points } = group[0]!;
    const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }), points };
    const metrics = [...new Set(group.flatMap((each) => each.metrics))];
    const calls = parts(runs).flatMap((someRuns) =>
      parts(metrics).map((someMetrics) =>
        call('runSeries', { ...range, runs: someRuns, metrics: someMetrics }),
      ),
    );
    Promise.all(calls).then(
      (results) => {
        const series = results.flatMap((result) => result.series);
        group.forEach(({ resolve }) => resolve(series));
      },
      (error: unknown) => group.forEach(({ reject }) => reject(error)),
    );
  }
}

function parts<Item>(items: readonly Item[]): Item[][] {
  const count = Math.ceil(items.length / most);
  return Array.from({ length: count }, (_, place) => items.slice(place * most, (place + 1) * most));
}
