import { chartGroups, type DotChart } from '../../src/main/service/report/charts.ts';
import { html, type Markup } from '../../src/main/service/report/template.ts';
import type { ComparisonResult } from '../../src/shared/comparison.ts';
import type { Measure } from '../../src/shared/measures.ts';
import { formatBeta, formatFixed, formatLearningRate } from '../../src/shared/format.ts';
import { heatMaps, type HeatCell } from '../../src/shared/heat-map.ts';
import { drawMark, looksOf, picture, ticksOf, type ArmLook } from './svg.ts';

interface Panel {
  readonly heading: string;
  readonly chart: DotChart;
}

/** The report's own charts of one measure: one for each β. */
function panelsOf(result: ComparisonResult, measure: Measure): Panel[] {
  const { betas = [] } = result;
  const charts = chartGroups(result)
    .flatMap((group) => group.charts)
    .filter((chart): chart is DotChart => chart.kind === 'dots' && chart.id.endsWith(`-${measure.name}`));
  return charts.map((chart, place) => ({
    chart,
    heading: betas[place] === undefined ? '' : `β ${formatBeta(betas[place])}`,
  }));
}

const plot = { width: 400, height: 250, left: 52, top: 64, gap: 30, bottom: 46 };

function rangeOf(panels: readonly Panel[]): readonly [number, number] {
  const { limits } = panels[0]!.chart;
  if (limits) return limits;
  const values = panels.flatMap(({ chart }) => [
    ...chart.groups.flatMap(({ dots }) => dots.map(([, y]) => y)),
    chart.base ?? 0,
  ]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = (high - low || 1) * 0.05;
  return [low - margin, high + margin];
}

function drawPanel(
  { chart, heading }: Panel,
  place: number,
  range: readonly [number, number],
  looks: readonly ArmLook[],
): Markup {
  const { width, height, left, top, gap } = plot;
  const x0 = left + place * (width + gap);
  const rates = chart.categories.length;
  const x = (value: number): number => Number((x0 + ((value + 0.5) / rates) * width).toFixed(2));
  const y = (value: number): number =>
    Number((top + height - ((value - range[0]) / (range[1] - range[0])) * height).toFixed(2));
  const ticks = ticksOf(...range);
  const step = Math.abs((ticks[1] ?? 1) - ticks[0]!);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const groupsOf = (arm: number) => chart.groups.filter((group) => group.arm === arm);
  const lines = looks.map((look, arm) => {
    const means = groupsOf(arm).flatMap(({ mean }) => (mean ? [mean] : []));
    if (means.length < 2) return html``;
    const path = means.map(([px, py], at) => `${at === 0 ? 'M' : 'L'}${x(px)} ${y(py)}`).join('');
    return html`<path
      class="${look.name} line"
      d="${path}"
      stroke-dasharray="${look.dash.join(' ') || 'none'}"
    />`;
  });
  const dots = looks.flatMap((look, arm) =>
    groupsOf(arm).flatMap((group) =>
      group.dots.map(
        ([px, py]) => html`<circle class="${look.name} seed" cx="${x(px)}" cy="${y(py)}" r="2.5" />`,
      ),
    ),
  );
  const means = looks.flatMap((look, arm) =>
    groupsOf(arm).flatMap(({ mean }) => (mean ? [drawMark(look, x(mean[0]), y(mean[1]), 9)] : [])),
  );
  return html` <text class="head" x="${x0}" y="${top - 10}">${heading}</text>
    ${ticks.map(
      (tick) =>
        html`<path
            class="grid"
            d="M${x0} ${y(tick)}H${x0 + width}"
          />${place === 0 && html`<text class="quiet" x="${x0 - 8}" y="${y(tick) + 4}" text-anchor="end">${formatFixed(tick, decimals)}</text>`}`,
    )}
    ${chart.base !== undefined && html`<path class="arm-base base" d="M${x0} ${y(chart.base)}H${x0 + width}" />`}
    ${lines}${dots}${means}
    ${chart.categories.map((rate, at) => html`<text class="quiet" x="${x(at)}" y="${top + height + 18}" text-anchor="middle">${rate}</text>`)}`;
}

// Wide enough for any of the fonts that may be at hand.
const entryWidth = (name: string): number => 44 + name.length * 7.6;
const legendWidth = (arms: readonly string[]): number =>
  [...arms, 'untrained'].reduce((sum, name) => sum + entryWidth(name), plot.left);

function legend(arms: readonly string[], looks: readonly ArmLook[]): Markup[] {
  let left = plot.left;
  const entry = (name: string, draw: (x: number) => Markup): Markup => {
    const x = left;
    left += entryWidth(name);
    return html`${draw(x)}<text x="${x + 27}" y="24">${name}</text>`;
  };
  return [
    ...arms.map((arm, place) =>
      entry(arm, (x) => {
        const look = looks[place]!;
        const dash = look.dash.join(' ') || 'none';
        return html`<path
            class="${look.name} line"
            d="M${x} 20H${x + 22}"
            stroke-dasharray="${dash}"
          />${drawMark(look, x + 11, 20, 9)}`;
      }),
    ),
    entry('untrained', (x) => html`<path class="arm-base base" d="M${x} 20H${x + 22}" />`),
  ];
}

/**
 * One measure over learning rates, a panel for each β: a dot per seed, a mark for the mean, one line an arm.
 * @returns an SVG file's text; undefined where no run has the measure
 */
export function measurePlot(result: ComparisonResult, measure: Measure): string | undefined {
  const panels = panelsOf(result, measure);
  if (panels.length === 0) return undefined;
  const { width, height, left, top, gap, bottom } = plot;
  const looks = looksOf(result.arms);
  const { title, yLabel } = panels[0]!.chart;
  const range = rangeOf(panels);
  const size = {
    width: Math.max(left + panels.length * (width + gap), legendWidth(result.arms)),
    height: top + height + bottom,
  };
  const middle = left + (panels.length * (width + gap) - gap) / 2;
  return picture(size, result.arms, `${title}, ${yLabel}, of each loss over learning rates`, [
    ...legend(result.arms, looks),
    ...panels.map((panel, place) => drawPanel(panel, place, range, looks)),
    html`<text class="quiet" x="${middle}" y="${size.height - 8}" text-anchor="middle">learning rate</text>`,
    html`<text
      class="quiet"
      x="14"
      y="${top + height / 2}"
      text-anchor="middle"
      transform="rotate(-90 14 ${top + height / 2})"
      >${title}, ${yLabel}</text
    >`,
  ]);
}

const cell = { width: 92, height: 44, left: 46, heading: 56, gap: 18 };

/** The leading measure of every loss over learning rate and β, with the cells that collapsed hatched. */
export function heatMapPlot(result: ComparisonResult): string | undefined {
  const { measure, learningRates, maps, range } = heatMaps(result);
  if (!range) return undefined;
  const mapWidth = cell.left + learningRates.length * cell.width;
  const mapHeight = (rows: number): number => cell.heading + rows * cell.height + cell.gap;
  const columns = Math.min(maps.length, learningRates.length > 4 ? 1 : 2);
  let top = 0;
  const parts: Markup[] = [];
  for (let first = 0; first < maps.length; first += columns) {
    const line = maps.slice(first, first + columns);
    line.forEach(({ arm, rows }, column) => {
      const x0 = 12 + column * (mapWidth + 30);
      const y0 = top + cell.heading;
      parts.push(html`<text class="head" x="${x0}" y="${top + 22}">${arm}</text>`);
      learningRates.forEach((rate, at) =>
        parts.push(
          html`<text
            class="quiet"
            x="${x0 + cell.left + (at + 0.5) * cell.width}"
            y="${y0 - 8}"
            text-anchor="middle"
            >lr ${formatLearningRate(rate)}</text
          >`,
        ),
      );
      rows.forEach(({ beta, cells }, row) => {
        const y = y0 + row * cell.height;
        const name = beta === undefined ? '' : `β ${formatBeta(beta)}`;
        parts.push(html`<text class="quiet" x="${x0}" y="${y + cell.height / 2 + 4}">${name}</text>`);
        cells.forEach((each, at) => parts.push(drawCell(each, x0 + cell.left + at * cell.width, y)));
      });
    });
    top += mapHeight(Math.max(...line.map(({ rows }) => rows.length)));
  }
  const size = { width: 24 + columns * mapWidth + (columns - 1) * 30, height: top };
  const unit = measure.unit === 'share' ? ' in %' : '';
  const description = `Mean ${measure.label}${unit} of each loss over learning rate and β; hatched cells collapsed`;
  return picture(size, result.arms, description, [hatching, ...parts]);
}

const hatching = html`<defs
  ><pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"
    ><path class="hatch" d="M0 0V8M0 0H8" /></pattern
></defs>`;

function drawCell({ value, shade, collapse }: HeatCell, x: number, y: number): Markup {
  const { width, height } = cell;
  const box = html`x="${x}" y="${y}" width="${width}" height="${height}"`;
  const middle = x + width / 2;
  return html`<rect
      class="heat"
      ${box}
      fill-opacity="${((shade ?? 0) * 0.45).toFixed(3)}"
    />${collapse && html`<rect ${box} fill="url(#hatch)" />`}<rect class="frame" ${box} /><text
      class="head"
      x="${middle}"
      y="${y + (collapse ? 19 : 27)}"
      text-anchor="middle"
      >${value}</text
    >${collapse && html`<text class="small" x="${middle}" y="${y + 35}" text-anchor="middle">collapsed ${collapse.runs.length}/${collapse.of}</text>`}`;
}
