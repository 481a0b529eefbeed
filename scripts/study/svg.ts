import { appearanceOf, placesInColour, type Mark } from '../../src/shared/appearance.ts';
import { lineDashes } from '../../src/main/service/report/charts.ts';
import { html, Markup } from '../../src/main/service/report/template.ts';

/** How an arm is drawn: its loss's colour and mark, hollow and with broken lines where others of its colour come before. */
export interface ArmLook {
  /** Class of the style sheet. */
  readonly name: string;
  readonly mark: Mark;
  readonly hollow: boolean;
  readonly dash: readonly number[];
}

export function looksOf(arms: readonly string[]): ArmLook[] {
  return placesInColour(arms).map((place, arm) => ({
    name: `arm-${arm}`,
    mark: appearanceOf(arms[arm]!).mark,
    hollow: place > 0,
    dash: lineDashes.solid[place % lineDashes.solid.length]!,
  }));
}

/** A mark of about `size` pixels around a point. */
export function drawMark({ mark, hollow, name }: ArmLook, x: number, y: number, size: number): Markup {
  const at = (value: number): number => Number(value.toFixed(2));
  const reach = size / 2;
  const kind = `${name} ${hollow ? 'hollow' : 'full'}`;
  const path = (points: readonly (readonly [number, number])[]): Markup =>
    html`<path
      class="${kind}"
      d="M${points.map(([dx, dy]) => `${at(x + dx * reach)} ${at(y + dy * reach)}`).join('L')}Z"
    />`;
  if (mark === 'triangle')
    return path([
      [0, -1.1],
      [1.05, 0.8],
      [-1.05, 0.8],
    ]);
  if (mark === 'rect')
    return path([
      [-0.85, -0.85],
      [0.85, -0.85],
      [0.85, 0.85],
      [-0.85, 0.85],
    ]);
  if (mark === 'rectRot')
    return path([
      [0, -1.15],
      [1.15, 0],
      [0, 1.15],
      [-1.15, 0],
    ]);
  return html`<circle class="${kind}" cx="${at(x)}" cy="${at(y)}" r="${at(reach)}" />`;
}

/** Colours for light and dark, and how text, lines and marks look. */
function styleSheet(arms: readonly string[]): Markup {
  const colours = (ground: 'light' | 'dark'): string =>
    [...arms.map((arm, place) => [`arm-${place}`, arm] as const), ['arm-base', 'base'] as const]
      .map(([name, arm]) => `--${name}: ${appearanceOf(arm)[ground]};`)
      .join(' ');
  const classes = [...arms.map((_, place) => `arm-${place}`), 'arm-base']
    .map((name) => `.${name} { stroke: var(--${name}); fill: var(--${name}); }`)
    .join('\n');
  // Colours are not a page's text: nothing in them can end the element.
  return new Markup(`<style>
svg { --ground: #ffffff; --ink: #1b1f24; --quiet: #59636e; --grid: #e3e7eb; --heat: #2f6fb5; ${colours('light')} }
@media (prefers-color-scheme: dark) {
  svg { --ground: #14171b; --ink: #e4e8ec; --quiet: #9aa4af; --grid: #2b323a; --heat: #4f9be6; ${colours('dark')} }
}
text { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif; fill: var(--ink); stroke: none; font-variant-numeric: tabular-nums; }
text.quiet { fill: var(--quiet); font-size: 12px; }
text.small { font-size: 11px; }
text.head { font-weight: 600; }
.ground { fill: var(--ground); }
.grid { stroke: var(--grid); }
.hatch { stroke: var(--ink); stroke-opacity: 0.3; }
.heat { fill: var(--heat); }
.frame { fill: none; stroke: var(--quiet); stroke-opacity: 0.5; }
${classes}
.line { fill: none; stroke-width: 2.25; }
.seed { fill-opacity: 0.3; stroke-opacity: 0.35; }
.full { stroke-width: 1.25; }
.hollow { fill: var(--ground); stroke-width: 2; }
.base { stroke-dasharray: 4 4; stroke-width: 1.5; fill: none; }
</style>`);
}

/** A picture that needs nothing beside it, for light and dark. @param description what it shows, for those who cannot see it */
export function picture(
  size: { readonly width: number; readonly height: number },
  arms: readonly string[],
  description: string,
  content: readonly Markup[],
): string {
  const { width, height } = size;
  return html`<svg
    xmlns="http://www.w3.org/2000/svg"
    width="${width}"
    height="${height}"
    viewBox="0 0 ${width} ${height}"
    role="img"
  >
    <title>${description}</title>
    ${styleSheet(arms)}
    <rect class="ground" width="${width}" height="${height}" />
    ${content.map((part) => html`${part} `)}
  </svg> `.text;
}

/** Round numbers that divide a range, about `count` of them. */
export function ticksOf(low: number, high: number, count = 5): number[] {
  const span = high - low;
  if (!(span > 0)) return [low];
  const raw = span / count;
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * magnitude).find((each) => each >= raw)!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) =>
    Number(((first + place) * step).toPrecision(12)),
  );
}
