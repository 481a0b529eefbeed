import type { Series, SeriesRequest } from '../../../shared/contract.ts';
import { CallFailed } from '../../api/client.svelte.ts';
import { axisMetric, axisOf, type Range } from '../../lib/axis.ts';
import type { ChartLine } from '../../lib/chart-lines.ts';
import { plotLine, type Known, type Plotted } from '../../lib/plotted.ts';
import type { ChartView } from '../../state/chart-view.svelte.ts';
import { liveRuns } from '../../state/live.svelte.ts';
import { askSeries } from '../../state/series.ts';

/** What one chart needs to know, in words that its loading can follow. */
export interface ChartDataInputs {
  readonly lines: readonly ChartLine[];
  readonly view: ChartView;
  /** Buckets for its width. */
  readonly points: number;
  /** In sight: else nothing is asked for. */
  readonly visible: boolean;
}
export interface ChartData {
  /** Lines that have values, in their order. */
  readonly plotted: readonly Plotted[];
  /** First and last x of all. */
  readonly full: Range | undefined;
  readonly error: CallFailed | undefined;
  readonly loading: boolean;
}

/** Runs that are asked for together. Seeds of one arm are cut at the same steps, so they go by themselves. */
interface Part {
  readonly seeds: boolean;
  readonly runs: readonly number[];
  readonly metrics: readonly string[];
}
interface PartSeries {
  readonly series: ReadonlyMap<string, Series>;
  /** Of seeds: the steps that all of them have. */
  readonly common?: { readonly from: number; readonly to: number };
}
interface Detail extends PartSeries {
  readonly from: number;
  readonly to: number;
}

const debounceMilliseconds = 150;
const liveMilliseconds = 1000;
const keyOf = (run: number, metric: string): string => `${run} ${metric}`;
const partOf = (line: ChartLine, runs = line.runs): string => (runs.length > 1 ? runs.join(' ') : '');

/* eslint-disable svelte/prefer-svelte-reactivity -- maps are made anew, never changed */
/** Loads what a chart shows, again as its runs go on, and finer where it is zoomed. To be called while setting up. */
export function chartData(inputs: () => ChartDataInputs): ChartData {
  let whole = $state.raw<ReadonlyMap<string, PartSeries>>(new Map());
  let detail = $state.raw<ReadonlyMap<string, Detail>>(new Map());
  let error = $state.raw<CallFailed>();
  let loading = $state(true);
  let beat = $state(0);

  const view = $derived(inputs().view);
  // Text, so that lines which are made anew but say the same change nothing.
  const linesText = $derived(JSON.stringify(inputs().lines));
  const lines = $derived(JSON.parse(linesText) as ChartLine[]);
  const partsText = $derived(JSON.stringify([...partsOf(lines, axisMetric[view.x])]));
  const parts = $derived(new Map(JSON.parse(partsText) as [string, Part][]));
  const points = $derived(inputs().points);
  const visible = $derived(inputs().visible);
  const progress = $derived(
    lines.flatMap(({ runs }) => runs.map((run) => liveRuns.get(run)?.step ?? 0)).join(' '),
  );

  async function ask(
    part: Part,
    range: Pick<SeriesRequest, 'from' | 'to'> = {},
  ): Promise<Map<string, Series>> {
    const asked = await askSeries({ runs: part.runs, metrics: part.metrics, points, ...range });
    return new Map(asked.map((series) => [keyOf(series.run, series.metric), series]));
  }

  async function askWhole(part: Part): Promise<PartSeries> {
    const series = await ask(part);
    if (!part.seeds || series.size === 0) return { series };
    const all = [...series.values()];
    const common = {
      from: Math.max(...all.map(({ steps, count }) => steps[0]! - count[0]! + 1)),
      to: Math.min(...all.map(({ steps }) => steps.at(-1)!)),
    };
    const isCommon = all.every(({ steps }) => steps.at(-1) === common.to);
    if (isCommon || common.from > common.to) return { series, common };
    const cut = await ask(part, common);
    for (const [key, each] of cut) {
      const { brokenAt } = series.get(key) ?? {};
      series.set(key, { ...each, ...(brokenAt === undefined ? {} : { brokenAt }) });
    }
    return { series, common };
  }

  /** Asks for every part and keeps the answer, unless a newer question came meanwhile. */
  function load<Value>(
    asked: readonly (readonly [string, Promise<Value>])[],
    keep: (found: ReadonlyMap<string, Value>) => void,
  ): () => void {
    let isOld = false;
    loading = true;
    Promise.all(asked.map(async ([id, value]) => [id, await value] as const)).then(
      (found) => {
        if (isOld) return;
        keep(new Map(found));
        error = undefined;
        loading = false;
      },
      (cause: unknown) => {
        if (isOld) return;
        if (!(cause instanceof CallFailed)) throw cause;
        error = cause;
        loading = false;
      },
    );
    return () => (isOld = true);
  }

  $effect(() => {
    void beat;
    if (!visible || points === 0) return;
    return load(
      [...parts].map(([id, part]) => [id, askWhole(part)] as const),
      (found) => (whole = found),
    );
  });

  // As runs go on, at most once a second; a chart that comes into sight asks at once.
  let asked = 0;
  $effect(() => {
    if (progress === '' || !visible) return;
    const wait = Math.max(0, asked + liveMilliseconds - Date.now());
    const timer = setTimeout(() => {
      asked = Date.now();
      beat += 1;
    }, wait);
    return () => clearTimeout(timer);
  });

  $effect(() => {
    const range = view.range;
    const known = whole;
    if (!range || !visible) {
      if (!range) detail = new Map();
      return;
    }
    let cancel: (() => void) | undefined;
    const timer = setTimeout(() => {
      const steps = stepsIn(range, known, view);
      if (!steps) return;
      const wanted = [...parts].flatMap(([id, part]) => {
        const common = known.get(id)?.common;
        const from = Math.max(steps.from, common?.from ?? 0);
        const to = Math.min(steps.to, common?.to ?? Infinity);
        if (from > to || !isDecimated(known.get(id))) return [];
        return [[id, ask(part, { from, to }).then((series) => ({ series, from, to }))] as const];
      });
      if (wanted.length > 0) cancel = load<Detail>(wanted, (found) => (detail = found));
    }, debounceMilliseconds);
    return () => {
      clearTimeout(timer);
      cancel?.();
    };
  });

  const plotted = $derived(
    lines.flatMap((line) => {
      const id = partOf(line);
      const known = (run: number, metric: string): Known | undefined => {
        const found = whole.get(id)?.series.get(keyOf(run, metric));
        const finer = detail.get(id);
        const series = finer?.series.get(keyOf(run, metric));
        return found && { whole: found, detail: finer && series && { ...finer, series } };
      };
      return plotLine(line, known, view) ?? [];
    }),
  );
  const full = $derived.by(() => {
    const from = Math.min(...plotted.map(({ x }) => x[0] ?? Infinity));
    const to = Math.max(...plotted.map(({ x }) => x.at(-1) ?? -Infinity));
    return from <= to ? { from, to } : undefined;
  });

  return {
    get plotted() {
      return plotted;
    },
    get full() {
      return full;
    },
    get error() {
      return error;
    },
    get loading() {
      return loading;
    },
  };
}

function partsOf(lines: readonly ChartLine[], axis: string | undefined): Map<string, Part> {
  const parts = new Map<string, Part>();
  for (const line of lines) {
    const id = partOf(line);
    const { runs = [], metrics = axis === undefined ? [] : [axis] } = parts.get(id) ?? {};
    parts.set(id, {
      seeds: line.runs.length > 1,
      runs: [...new Set([...runs, ...line.runs])],
      metrics: [...new Set([...metrics, line.metric])],
    });
  }
  return parts;
}

/** Some bucket holds more than one step: asking for a part of it gives more to see. */
function isDecimated(part: PartSeries | undefined): boolean {
  return [...(part?.series.values() ?? [])].some(({ count }) => count.some((each) => each > 1));
}

/** The steps that a range of the axis covers in any of the runs. */
function stepsIn(
  range: Range,
  known: ReadonlyMap<string, PartSeries>,
  view: ChartView,
): { from: number; to: number } | undefined {
  const metric = axisMetric[view.x];
  const all = [...known.values()].flatMap(({ series }) => [...series.values()]);
  const axes = all.flatMap((series) =>
    metric === undefined || series.metric === metric ? (axisOf(view.x, series) ?? []) : [],
  );
  if (axes.length === 0) return undefined;
  return {
    from: Math.max(0, Math.floor(Math.min(...axes.map((axis) => axis.stepAt(range.from))))),
    to: Math.max(0, Math.ceil(Math.max(...axes.map((axis) => axis.stepAt(range.to))))),
  };
}
