import {
  Chart,
  Interaction,
  LinearScale,
  LineController,
  LineElement,
  LogarithmicScale,
  PointElement,
  Tooltip,
  type ChartConfiguration,
  type ChartDataset,
  type InteractionItem,
  type InteractionModeFunction,
  type ChartOptions,
} from 'chart.js';
import annotation from 'chartjs-plugin-annotation';
import zoom from 'chartjs-plugin-zoom';
import { appearanceOf } from '../../../shared/appearance.ts';
import { formatNumber } from '../../../shared/format.ts';
import {
  around,
  axisLabels,
  formatPlace,
  hasLogWords,
  scaleEnds,
  tickDigits,
  type AxisKind,
  type Range,
} from '../../lib/axis.ts';
import { lineName, type LineStyle } from '../../lib/chart-lines.ts';
import { extentOf, firstAtLeast, type Plotted } from '../../lib/plotted.ts';
import { thinned } from '../../lib/series.ts';
import { overlay, type Look } from './overlay.ts';

/**
 * The only place that knows Chart.js. It is loaded when the first chart is shown, and registers no more of it than is
 * used.
 */

declare module 'chart.js' {
  interface InteractionModeMap {
    atX: InteractionModeFunction;
  }
}

/** Of each line the point nearest to the mouse along x, where the line reaches that far. */
Interaction.modes.atX = (chart, event) => {
  const scale = chart.scales['x']!;
  const x = scale.getValueForPixel(event.x ?? NaN) ?? NaN;
  const reach = Math.abs((scale.getValueForPixel((event.x ?? NaN) + 12) ?? NaN) - x);
  return chart.getSortedVisibleDatasetMetas().flatMap<InteractionItem>((meta) => {
    const look = lookOf(chart.data.datasets[meta.index]!);
    const drawn = look.xs;
    const after = firstAtLeast(drawn, x);
    const index =
      after > 0 && (after === drawn.length || x - drawn[after - 1]! < drawn[after]! - x) ? after - 1 : after;
    const element = meta.data[index];
    if (!element || x > drawn.at(-1)! + reach || x < drawn[0]! - reach) return [];
    return [{ element, datasetIndex: meta.index, index }];
  });
};
Chart.register(
  LineController,
  LineElement,
  PointElement,
  LinearScale,
  LogarithmicScale,
  Tooltip,
  zoom,
  annotation,
  overlay,
);

/** Points of all lines together that Chart.js makes elements for; more cannot be told apart on a screen. */
const mostElements = 5000;

export interface PlotContent {
  readonly lines: readonly { readonly plotted: Plotted; readonly style: LineStyle }[];
  readonly x: AxisKind;
  readonly full: Range | undefined;
  readonly range: Range | undefined;
  readonly smoothing: number;
  readonly logX: boolean;
  readonly logY: boolean;
  readonly zeroLine: boolean;
  /** Places on the x axis with a word for each. */
  readonly marks: readonly { readonly x: number; readonly label: string }[];
  readonly dark: boolean;
}

interface DrawnLook extends Look {
  /** Of the points that Chart.js has, and where they stand among all. */
  readonly xs: readonly number[];
  readonly places: readonly number[];
}
type LookDataset = ChartDataset<'line', { x: number; y: number }[]> & { look: DrawnLook };
type AnyScale = NonNullable<ChartOptions<'line'>['scales']>[string];
const lookOf = (dataset: unknown): DrawnLook => (dataset as LookDataset).look;

/** One chart on its canvas. */
export class Plot {
  readonly #chart: Chart<'line', { x: number; y: number }[]>;
  readonly #onRange: (range: Range | undefined) => void;
  readonly #mayWheel: (event: WheelEvent) => boolean;
  #content: PlotContent;
  #ends: { readonly key: string; readonly min: number; readonly max: number } | undefined;

  /**
   * @param onRange what a person has zoomed or panned to; undefined: everything
   * @param mayWheel whether the wheel zooms now; else it scrolls the page
   */
  constructor(
    canvas: HTMLCanvasElement,
    content: PlotContent,
    onRange: (range: Range | undefined) => void,
    mayWheel: (event: WheelEvent) => boolean,
  ) {
    this.#content = content;
    this.#onRange = onRange;
    this.#mayWheel = mayWheel;
    this.#chart = new Chart(canvas, this.#configuration());
  }

  /** Shows something else. */
  show(content: PlotContent): void {
    this.#content = content;
    this.#ends = undefined;
    const { data, options } = this.#configuration();
    this.#chart.data = data;
    this.#chart.options = options!;
    this.#chart.update('none');
  }

  /** Looks at another part of the same; nothing happens where it is in sight already. */
  look(range: Range | undefined): void {
    const { full = { from: 0, to: 1 }, logX } = this.#content;
    const { from, to } = range ?? around(full, logX);
    const scale = this.#chart.scales['x']!;
    if (scale.min === from && scale.max === to) return;
    const options = this.#chart.options.scales!['x']!;
    options.min = from;
    options.max = to;
    this.#chart.update('none');
  }

  /** @param share of the width, to the right where positive */
  pan(share: number): void {
    this.#chart.pan({ x: -share * this.#chart.chartArea.width }, undefined, 'none');
  }

  zoom(factor: number): void {
    this.#chart.zoom({ x: factor }, 'none');
  }

  get canvas(): HTMLCanvasElement {
    return this.#chart.canvas;
  }

  destroy(): void {
    this.#chart.destroy();
  }

  #moved(): void {
    const { min, max } = this.#chart.scales['x']!;
    const { full } = this.#content;
    const isAll = full !== undefined && min <= full.from && max >= full.to;
    this.#onRange(isAll ? undefined : { from: min, to: max });
  }

  /** Ends of the y axis for what is in sight. Chart.js would leave out bands and the zero line. */
  #yEnds(): { readonly min: number; readonly max: number } {
    const { lines, logY, zeroLine, full } = this.#content;
    const scale = this.#chart?.options.scales?.['x'];
    const from = Number(scale?.min ?? full?.from ?? 0);
    const to = Number(scale?.max ?? full?.to ?? 1);
    const key = `${from} ${to}`;
    if (this.#ends?.key === key) return this.#ends;
    const plotted = lines.map((line) => line.plotted);
    const { low, high } = extentOf(plotted, { from, to });
    this.#ends = { key, ...scaleEnds(low, high, logY, zeroLine) };
    return this.#ends;
  }

  #configuration(): ChartConfiguration<'line', { x: number; y: number }[]> {
    const { x, full, range, logX, logY, zeroLine, marks } = this.#content;
    const style = getComputedStyle(document.documentElement);
    const token = (name: string): string => style.getPropertyValue(name).trim();
    const [ink, quiet, rule] = [token('--ink'), token('--ink-quiet'), token('--line')];
    const font = { family: style.fontFamily, size: 11 };
    const axis = { grid: { color: rule }, border: { color: token('--line-strong') } };
    const whole = around(full ?? { from: 0, to: 1 }, logX);
    const shown = range ?? whole;
    const ends = { min: whole.from, max: whole.to };
    const zoomed = (): void => this.#moved();
    const line = (value: object, label?: string) => ({
      type: 'line' as const,
      borderColor: token('--line-strong'),
      borderWidth: 1,
      drawTime: 'beforeDatasetsDraw' as const,
      ...value,
      ...(label === undefined
        ? {}
        : {
            label: {
              display: true,
              content: label,
              position: 'end' as const,
              backgroundColor: token('--surface-raised'),
              color: ink,
              font,
              padding: 3,
            },
          }),
    });
    return {
      type: 'line',
      data: { datasets: this.#datasets(token('--surface')) },
      options: {
        animation: false,
        parsing: false,
        normalized: true,
        spanGaps: false,
        responsive: true,
        maintainAspectRatio: false,
        layout: { padding: { right: 8, top: 4 } },
        elements: {
          point: { radius: 0, hitRadius: 0, hoverRadius: 3 },
          line: { borderWidth: 1.75, tension: 0 },
        },
        interaction: { mode: 'atX', intersect: false },
        scales: {
          x: {
            type: logX ? 'logarithmic' : 'linear',
            ...axis,
            min: shown.from,
            max: shown.to,
            title: { display: true, text: axisLabels[x], color: quiet, font, padding: 0 },
            ticks: {
              color: quiet,
              font,
              maxRotation: 0,
              autoSkipPadding: 16,
              includeBounds: false,
              // Between two steps there is nothing; a fraction would be told as one of them.
              ...(x === 'time' ? {} : { precision: 0 }),
              callback(value) {
                const sight = { from: this.min, to: this.max };
                const isTold = !logX || hasLogWords(Number(value), sight);
                return isTold ? formatPlace(x, Number(value), sight.to - sight.from) : '';
              },
            },
          } as AnyScale,
          y: {
            type: logY ? 'logarithmic' : 'linear',
            ...axis,
            // Resolved at every update: after a zoom along x it is what is in sight then.
            min: (() => this.#yEnds().min) as unknown as number,
            max: (() => this.#yEnds().max) as unknown as number,
            afterFit: (scale) => {
              // Charts below each other keep their left border in line.
              scale.width = Math.max(scale.width, 52);
            },
            ticks: {
              color: quiet,
              font,
              includeBounds: false,
              callback(value, _place, ticks) {
                const isTold = !logY || hasLogWords(Number(value), { from: this.min, to: this.max });
                const digits = logY ? 4 : tickDigits(ticks.map((tick) => tick.value));
                return isTold ? formatNumber(Number(value), digits).replace('-', '−') : '';
              },
            },
          } as AnyScale,
        },
        plugins: {
          tooltip: {
            backgroundColor: token('--surface-raised'),
            borderColor: token('--line-strong'),
            borderWidth: 1,
            titleColor: ink,
            bodyColor: ink,
            titleFont: font,
            bodyFont: font,
            usePointStyle: true,
            boxWidth: 9,
            boxHeight: 9,
            caretSize: 0,
            callbacks: {
              title: ([item]) =>
                item
                  ? `${axisLabels[x]} ${formatPlace(x, item.parsed.x ?? NaN, item.chart.scales['x']!.max - item.chart.scales['x']!.min)}`
                  : '',
              label: (item) => describePoint(lookOf(item.dataset), item.dataIndex),
              labelColor: ({ dataset }) => {
                const { colour } = lookOf(dataset);
                return { borderColor: colour, backgroundColor: colour };
              },
              labelPointStyle: ({ dataset }) => ({ pointStyle: lookOf(dataset).mark, rotation: 0 }),
            },
          },
          zoom: {
            limits: { x: { ...ends, minRange: logX ? 0 : Math.min(2, ends.max - ends.min) } },
            pan: { enabled: true, mode: 'x', modifierKey: 'shift', threshold: 3, onPan: zoomed },
            zoom: {
              mode: 'x',
              wheel: { enabled: true, speed: 0.15 },
              pinch: { enabled: true },
              drag: {
                enabled: true,
                threshold: 6,
                backgroundColor: token('--selected'),
                borderColor: token('--line-strong'),
                borderWidth: 1,
              },
              onZoomStart: ({ event }) => event.type !== 'wheel' || this.#mayWheel(event as WheelEvent),
              onZoom: zoomed,
            },
          },
          annotation: {
            annotations: {
              ...(zeroLine && !logY ? { zero: line({ yMin: 0, yMax: 0, borderColor: quiet }) } : {}),
              ...Object.fromEntries(
                marks.map(({ x: place, label }, each) => [
                  `mark ${each}`,
                  line({ xMin: place, xMax: place, borderDash: [3, 3] }, label),
                ]),
              ),
            },
          },
        },
      },
    };
  }

  #datasets(ground: string): LookDataset[] {
    const { lines, smoothing, dark } = this.#content;
    const each = Math.max(150, Math.floor(mostElements / Math.max(1, lines.length)));
    return lines.map(({ plotted, style }) => {
      const look = appearanceOf(plotted.line.loss);
      const colour = dark ? look.dark : look.light;
      const places = thinned(plotted.x.length, each);
      const isSmoothed = smoothing > 1 && plotted.value.some((value, place) => value !== plotted.raw[place]);
      const values = isSmoothed ? plotted.value : plotted.raw;
      return {
        data: places.map((place) => ({ x: plotted.x[place]!, y: values[place]! })),
        borderColor: colour,
        backgroundColor: colour,
        pointStyle: look.mark,
        borderDash: [...style.dash],
        look: {
          plotted,
          colour,
          mark: look.mark,
          ...style,
          smoothed: isSmoothed || places.length < plotted.x.length,
          band: plotted.low !== undefined,
          ground,
          xs: places.map((place) => plotted.x[place]!),
          places,
        },
      };
    });
  }
}

function describePoint({ plotted, places, smoothed }: DrawnLook, index: number): string {
  const place = places[index]!;
  const { low, high, line, raw, value } = plotted;
  const main = `${lineName(line)}: ${formatNumber(raw[place])}`;
  const notes = [
    ...(smoothed ? [`smoothed ${formatNumber(value[place])}`] : []),
    ...(low && high && low[place] !== high[place]
      ? [`${formatNumber(low[place])} to ${formatNumber(high[place])}`]
      : []),
  ];
  return notes.length > 0 ? `${main} (${notes.join('; ')})` : main;
}
