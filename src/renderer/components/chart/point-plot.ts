import {
  Chart,
  LinearScale,
  PointElement,
  ScatterController,
  Tooltip,
  type ChartConfiguration,
  type ChartOptions,
} from 'chart.js';
import annotation, { type AnnotationOptions } from 'chartjs-plugin-annotation';
import { appearanceOf } from '../../../shared/appearance.ts';
import { formatNumber } from '../../../shared/format.ts';

Chart.register(ScatterController, PointElement, LinearScale, Tooltip, annotation);

export interface PointGroup {
  /** Names it for people: `dpo, lr 5e-6`. */
  readonly label: string;
  /** Its colour and mark. */
  readonly loss: string;
  readonly points: readonly Point[];
  /** A bar at the points' mean. */
  readonly mean?: { readonly x: number; readonly y: number };
}
export interface PointContent {
  readonly groups: readonly PointGroup[];
  readonly xLabel: string;
  readonly yLabel: string;
  /** Names of x = 0, 1, 2 …; absent: x is a number. */
  readonly categories?: readonly string[] | undefined;
  /** Lines across: at a height, or where x = y. */
  readonly lines?: readonly ({ readonly y: number; readonly label: string } | 'diagonal' | 'zero')[];
  readonly limits?: readonly [number, number] | undefined;
  readonly fromZero?: boolean | undefined;
  /** Points with this key stand out. */
  readonly chosen?: number | undefined;
  /** A point with a key was pressed. */
  readonly onchoose?: ((key: number) => void) | undefined;
  readonly dark: boolean;
}

export interface Point {
  readonly x: number;
  readonly y: number;
  readonly label?: string;
  /** What it stands for, where points can be chosen. */
  readonly key?: number;
}
type PointConfiguration = ChartConfiguration<'scatter', Point[]>;

/** Half the width of a mean's bar, in categories. */
const barReach = 0.09;

/** Points of several groups on a canvas. */
export class PointPlot {
  readonly #chart: Chart<'scatter', Point[]>;

  constructor(canvas: HTMLCanvasElement, content: PointContent) {
    this.#chart = new Chart(canvas, configure(canvas, content));
  }

  show(content: PointContent): void {
    const { data, options } = configure(this.#chart.canvas, content);
    this.#chart.data = data;
    this.#chart.options = options!;
    this.#chart.update('none');
  }

  get canvas(): HTMLCanvasElement {
    return this.#chart.canvas;
  }

  destroy(): void {
    this.#chart.destroy();
  }
}

function configure(canvas: HTMLCanvasElement, content: PointContent): PointConfiguration {
  const { groups, dark } = content;
  const style = getComputedStyle(canvas);
  const ink = style.getPropertyValue('--ink-quiet').trim();
  const inkStrong = style.getPropertyValue('--ink').trim();
  const line = style.getPropertyValue('--line').trim();
  const colourOf = (loss: string): string => appearanceOf(loss)[dark ? 'dark' : 'light'];
  const { chosen, onchoose } = content;
  const isChosen = ({ key }: Point): boolean => key !== undefined && key === chosen;
  const many = groups.some(({ points }) => points.length > 60);
  return {
    type: 'scatter',
    data: {
      datasets: groups.map(({ label, loss, points }) => ({
        label,
        data: [...points],
        pointStyle: appearanceOf(loss).mark,
        radius: points.map((point) => (isChosen(point) ? 8 : many ? 2.5 : 4.5)),
        hoverRadius: many ? 4 : 6,
        // Where many lie upon each other, how dense they are must show.
        backgroundColor: `${colourOf(loss)}${many ? '88' : 'dd'}`,
        borderColor: points.map((point) => (isChosen(point) ? inkStrong : colourOf(loss))),
        borderWidth: points.map((point) => (isChosen(point) ? 2 : many ? 0 : 1)),
      })),
    },
    options: {
      animation: false,
      maintainAspectRatio: false,
      ...(onchoose && {
        onClick: (_event, [element]) => {
          const key = element && groups[element.datasetIndex]?.points[element.index]?.key;
          if (key !== undefined) onchoose(key);
        },
        onHover: (event, elements) => {
          const target = event.native?.target as HTMLElement | undefined;
          if (target) target.style.cursor = elements.length > 0 ? 'pointer' : '';
        },
      }),
      layout: { padding: { right: 8, top: 8 } },
      scales: scalesOf(content, ink, line, style.fontFamily),
      plugins: {
        legend: { display: false },
        tooltip: {
          callbacks: {
            label: ({ dataset, raw }) => {
              const { x, y, label } = raw as Point;
              const place = content.categories ? '' : `${formatNumber(x)}, `;
              return `${dataset.label}${label === undefined ? '' : `, ${label}`}: ${place}${formatNumber(y)}`;
            },
          },
        },
        annotation: { animations: false as never, annotations: annotationsOf(content, ink, colourOf) },
      },
    },
  };
}

function scalesOf(
  { categories, xLabel, yLabel, limits, fromZero = false }: PointContent,
  ink: string,
  line: string,
  family: string,
): NonNullable<ChartOptions<'scatter'>['scales']> {
  const common = {
    grid: { color: line },
    border: { color: line },
  };
  const font = { size: 11, family };
  return {
    x: {
      ...common,
      type: 'linear',
      ...(categories
        ? {
            min: -0.5,
            max: categories.length - 0.5,
            afterBuildTicks: (scale) => void (scale.ticks = categories.map((_, value) => ({ value }))),
          }
        : { grace: '5%' }),
      title: { display: true, text: xLabel, color: ink, font },
      ticks: {
        color: ink,
        font,
        ...(categories
          ? { callback: (value) => categories[Number(value)] ?? '' }
          : { callback: (value) => formatNumber(Number(value)).replace('-', '−') }),
      },
    },
    y: {
      ...common,
      type: 'linear',
      grace: '5%',
      // With it the room that is left ends at 0.
      beginAtZero: fromZero,
      ...(limits ? { suggestedMin: limits[0], suggestedMax: limits[1] } : {}),
      title: { display: true, text: yLabel, color: ink, font },
      ticks: { color: ink, font, callback: (value) => formatNumber(Number(value)).replace('-', '−') },
    },
  };
}

function annotationsOf(
  { groups, lines = [] }: PointContent,
  ink: string,
  colourOf: (loss: string) => string,
): AnnotationOptions[] {
  const bars = groups.flatMap(({ loss, mean }): AnnotationOptions[] =>
    mean
      ? [
          {
            type: 'line',
            xMin: mean.x - barReach,
            xMax: mean.x + barReach,
            yMin: mean.y,
            yMax: mean.y,
            borderColor: colourOf(loss),
            borderWidth: 2.5,
          },
        ]
      : [],
  );
  const rest = lines.flatMap((each): AnnotationOptions[] => {
    const drawn = { type: 'line' as const, borderColor: ink, borderWidth: 1, borderDash: [4, 4] };
    if (each === 'zero')
      return [
        { ...drawn, yMin: 0, yMax: 0 },
        { ...drawn, xMin: 0, xMax: 0 },
      ];
    if (each === 'diagonal') return [diagonal(groups, drawn)];
    return [
      {
        ...drawn,
        yMin: each.y,
        yMax: each.y,
        label: {
          display: true,
          content: each.label,
          position: 'end',
          yAdjust: -8,
          color: ink,
          backgroundColor: 'transparent',
          font: { size: 11, weight: 'normal' },
          padding: 0,
        },
      },
    ];
  });
  return [...rest, ...bars];
}

/** Where x = y, as far as the points reach. */
function diagonal<Style extends object>(groups: readonly PointGroup[], style: Style) {
  let [low, high] = [0, 0];
  for (const { points } of groups) {
    for (const { x, y } of points) {
      low = Math.min(low, x, y);
      high = Math.max(high, x, y);
    }
  }
  return { ...style, type: 'line' as const, xMin: low, xMax: high, yMin: low, yMax: high };
}
