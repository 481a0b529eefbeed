import type { Chart, ChartArea, Plugin, Scale } from 'chart.js';
import { drawPoint } from 'chart.js/helpers';
import type { Mark } from '../../../shared/appearance.ts';
import { firstAtLeast, visiblePlaces, type Plotted } from '../../lib/plotted.ts';

/** A line with how it looks; each dataset of a chart carries its own as `look`. */
export interface Look {
  readonly plotted: Plotted;
  readonly colour: string;
  readonly mark: Mark;
  readonly dash: readonly number[];
  readonly hollow: boolean;
  /** Whether the raw line differs from the one that Chart.js draws. */
  readonly smoothed: boolean;
  readonly band: boolean;
  /** What marks are drawn on. */
  readonly ground: string;
}

const bandOpacity = 0.13;
const rawOpacity = 0.45;
/** Between two marks of one line, in pixels. */
const markDistance = 130;
/** With fewer points than this every one is marked: they may be far apart. */
const fewPoints = 40;

type Area = Pick<ChartArea, 'left' | 'top' | 'right' | 'bottom'>;

/** Pixels of a scale's values, worked out once for many: Chart.js's own way costs more than the drawing. */
function pixels(scale: Scale): (value: number) => number {
  const isLog = scale.type === 'logarithmic';
  const to = isLog ? Math.log10 : (value: number) => value;
  const low = to(scale.min);
  const span = to(scale.max) - low || 1;
  const [start, length] = scale.isHorizontal()
    ? [scale.left, scale.right - scale.left]
    : [scale.bottom, scale.top - scale.bottom];
  return (value) => start + ((to(value) - low) / span) * length;
}

function looksOf(chart: Chart): Look[] {
  return chart.data.datasets.flatMap((dataset) => (dataset as { look?: Look }).look ?? []);
}

function clipped(context: CanvasRenderingContext2D, area: Area, draw: () => void): void {
  context.save();
  context.beginPath();
  context.rect(area.left, area.top, area.right - area.left, area.bottom - area.top);
  context.clip();
  draw();
  context.restore();
}

/** What Chart.js has no cheap way to draw: bands and raw lines below its lines, marks above. */
export const overlay: Plugin<'line'> = {
  id: 'overlay',
  beforeDatasetsDraw(chart) {
    const { ctx, chartArea, scales } = chart;
    const [atX, atY] = [pixels(scales['x']!), pixels(scales['y']!)];
    const { min, max } = scales['x']!;
    clipped(ctx, chartArea, () => {
      for (const look of looksOf(chart)) {
        const { plotted, colour, smoothed, band } = look;
        const [first, end] = visiblePlaces(plotted.x, min, max);
        const xs = new Float64Array(end - first);
        for (let place = first; place < end; place += 1) xs[place - first] = atX(plotted.x[place]!);
        if (band) drawBand(ctx, look, xs, first, end, atY);
        if (!smoothed) continue;
        ctx.globalAlpha = rawOpacity;
        ctx.strokeStyle = colour;
        ctx.lineWidth = 1;
        ctx.beginPath();
        let isDown = false;
        for (let place = first; place < end; place += 1) {
          const value = plotted.raw[place]!;
          if (!Number.isFinite(value)) isDown = false;
          else if (isDown) ctx.lineTo(xs[place - first]!, atY(value));
          else {
            ctx.moveTo(xs[place - first]!, atY(value));
            isDown = true;
          }
        }
        ctx.stroke();
        ctx.globalAlpha = 1;
      }
    });
  },
  afterDatasetsDraw(chart) {
    const { ctx, chartArea, scales } = chart;
    const [atX, atY] = [pixels(scales['x']!), pixels(scales['y']!)];
    const { min, max } = scales['x']!;
    // A mark at an end of the scales is whole.
    const { left, top, right, bottom } = chartArea;
    const area = { left: left - 5, top: top - 5, right: right + 5, bottom: bottom + 5 };
    clipped(ctx, area, () => {
      looksOf(chart).forEach((look, order) => {
        const { plotted, mark, hollow, colour, ground } = look;
        const [first, end] = visiblePlaces(plotted.x, min, max);
        ctx.strokeStyle = colour;
        ctx.fillStyle = hollow ? ground : colour;
        ctx.lineWidth = hollow ? 1.5 : 1;
        for (const place of markPlaces(plotted, first, end, atX, order)) {
          const value = plotted.value[place]!;
          if (Number.isFinite(value))
            drawPoint(
              ctx,
              { pointStyle: mark, radius: 3.5, borderWidth: 1 } as never,
              atX(plotted.x[place]!),
              atY(value),
            );
        }
        const { broken } = plotted;
        if (!broken || broken.x < min || broken.x > max) return;
        const [x, y] = [atX(broken.x), atY(broken.y)];
        for (const [stroke, width] of [
          [ground, 5],
          [colour, 2.5],
        ] as const) {
          ctx.strokeStyle = stroke;
          ctx.lineWidth = width;
          ctx.beginPath();
          ctx.moveTo(x - 5, y - 5);
          ctx.lineTo(x + 5, y + 5);
          ctx.moveTo(x + 5, y - 5);
          ctx.lineTo(x - 5, y + 5);
          ctx.stroke();
        }
      });
    });
  },
};

function drawBand(
  context: CanvasRenderingContext2D,
  { plotted: { low, high }, colour }: Look,
  xs: Float64Array,
  first: number,
  end: number,
  atY: (value: number) => number,
): void {
  if (!low || !high) return;
  context.globalAlpha = bandOpacity;
  context.fillStyle = colour;
  context.beginPath();
  for (let start = first; start < end;) {
    if (!Number.isFinite(low[start]) || !Number.isFinite(high[start])) {
      start += 1;
      continue;
    }
    let stop = start;
    while (stop < end && Number.isFinite(low[stop]) && Number.isFinite(high[stop])) stop += 1;
    context.moveTo(xs[start - first]!, atY(high[start]!));
    for (let place = start + 1; place < stop; place += 1)
      context.lineTo(xs[place - first]!, atY(high[place]!));
    for (let place = stop - 1; place >= start; place -= 1)
      context.lineTo(xs[place - first]!, atY(low[place]!));
    start = stop;
  }
  context.fill();
  context.globalAlpha = 1;
}

/** Every place of a short line; of a long one some, not those of its neighbours. */
function markPlaces(
  { x }: Plotted,
  first: number,
  end: number,
  atX: (value: number) => number,
  order: number,
): number[] {
  if (end - first <= fewPoints) return Array.from({ length: end - first }, (_, place) => first + place);
  const places: number[] = [];
  const [start, stop] = [atX(x[first]!), atX(x[end - 1]!)];
  const share = (stop - start) / (x[end - 1]! - x[first]!);
  for (let at = start + 40 + ((order * 37) % markDistance); at < stop; at += markDistance)
    places.push(firstAtLeast(x, x[first]! + (at - start) / share));
  return places;
}
