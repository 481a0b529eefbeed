import { appearanceOf } from '../../../shared/appearance.ts';
import type { AxisKind, Range } from '../../lib/axis.ts';
import { lineName, type ChartLine, type LineStyle } from '../../lib/chart-lines.ts';
import { csvLine } from '../../lib/csv.ts';
import type { Plotted } from '../../lib/plotted.ts';
import { askSeries } from '../../state/series.ts';

/** Steps of one call: each is a bucket of its own. */
const pageSteps = 4000;

/** The points that a chart shows, within the range it is zoomed to, with what they are drawn of. */
export function plottedCsv(plotted: readonly Plotted[], x: AxisKind, smoothing: number, range?: Range): Blob {
  const lines = [
    csvLine([
      'line',
      'loss',
      'runs',
      'metric',
      'step',
      x === 'step' ? 'x' : x,
      'value',
      'smoothed',
      'low',
      'high',
      'window',
    ]),
  ];
  for (const { line, steps, x: places, raw, value, low, high } of plotted) {
    const what = [lineName(line), line.loss, line.runs.join(' '), line.metric];
    steps.forEach((step, place) => {
      if (range && !(places[place]! >= range.from && places[place]! <= range.to)) return;
      lines.push(
        csvLine([
          ...what,
          step,
          places[place],
          raw[place],
          value[place],
          low?.[place],
          high?.[place],
          smoothing,
        ]),
      );
    });
  }
  return new Blob(lines, { type: 'text/csv' });
}

/**
 * Every step of every run of some lines, as it was recorded, however many there are.
 * @throws CallFailed
 */
export async function rawCsv(lines: readonly ChartLine[], signal: AbortSignal): Promise<Blob> {
  const runs = [...new Set(lines.flatMap((line) => line.runs))];
  const metrics = [...new Set(lines.map(({ metric }) => metric))];
  const lossOf = new Map(lines.flatMap((line) => line.runs.map((run) => [run, line.loss] as const)));
  const ends = await askSeries({ runs, metrics, points: 1 });
  const last = Math.max(-1, ...ends.map(({ steps }) => steps.at(-1)!));
  const content: Blob[] = [new Blob([csvLine(['run', 'loss', 'metric', 'step', 'value'])])];
  for (let from = 0; from <= last && !signal.aborted; from += pageSteps) {
    const page = await askSeries({ runs, metrics, from, to: from + pageSteps - 1, points: pageSteps });
    const text: string[] = [];
    for (const { run, metric, steps, mean } of page)
      steps.forEach((step, place) => text.push(csvLine([run, lossOf.get(run), metric, step, mean[place]])));
    // A blob may lie on disk: text of long runs is not kept in memory.
    content.push(new Blob(text));
  }
  return new Blob(content, { type: 'text/csv' });
}

/** A chart as a picture, with its title and legend, on the colour of paper. */
export function picture(
  canvas: HTMLCanvasElement,
  title: string,
  lines: readonly { readonly plotted: Plotted; readonly style: LineStyle }[],
  dark: boolean,
): Promise<Blob | null> {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue('--ink').trim();
  const scale = canvas.width / canvas.clientWidth;
  const [margin, row] = [12, 18];
  const width = canvas.clientWidth + 2 * margin;
  const measure = document.createElement('canvas').getContext('2d')!;
  measure.font = `12px ${style.fontFamily}`;
  let [x, y] = [margin, 0];
  const entries = lines.map(({ plotted: { line, diverged }, style: look }) => {
    const seeds = line.runs.length > 1 ? `, n = ${line.runs.length}` : '';
    const words = `${lineName(line)}${seeds}${diverged.length > 0 ? ', diverged' : ''}`;
    const size = 34 + measure.measureText(words).width + 12;
    if (x > margin && x + size > width - margin) [x, y] = [margin, y + row];
    const entry = { words, look, loss: line.loss, x, y };
    x += size;
    return entry;
  });
  const top = margin + 22 + y + row + 6;
  const height = top + canvas.clientHeight + margin;
  const paper = Object.assign(document.createElement('canvas'), {
    width: Math.round(width * scale),
    height: Math.round(height * scale),
  });
  const context = paper.getContext('2d')!;
  context.scale(scale, scale);
  context.fillStyle = style.getPropertyValue('--paper').trim();
  context.fillRect(0, 0, width, height);
  context.fillStyle = ink;
  context.textBaseline = 'middle';
  context.font = `600 14px ${style.fontFamily}`;
  context.fillText(title, margin, margin + 9);
  context.font = measure.font;
  context.lineWidth = 2;
  for (const { words, look, loss, x: left, y: down } of entries) {
    const middle = margin + 22 + down + row / 2;
    const colours = appearanceOf(loss);
    context.strokeStyle = dark ? colours.dark : colours.light;
    context.setLineDash([...look.dash]);
    context.beginPath();
    context.moveTo(left, middle);
    context.lineTo(left + 28, middle);
    context.stroke();
    context.fillText(words, left + 34, middle);
  }
  context.drawImage(canvas, margin, top, canvas.clientWidth, canvas.clientHeight);
  return new Promise((resolve) => paper.toBlob(resolve, 'image/png'));
}
