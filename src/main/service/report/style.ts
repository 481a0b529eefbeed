import { appearanceOf } from '../../../shared/appearance.ts';

/** Steps of shade in a heat map; the page's policy lets no element carry a style of its own. */
export const heatShades = 10;

/** One hue, from the page's ground to less than half of it, on which ink stays readable. */
const shades = (): string =>
  Array.from(
    { length: heatShades + 1 },
    (_, shade) =>
      `.heat td.shade-${shade} { background-color: color-mix(in srgb, var(--heat) ${(45 * shade) / heatShades}%, var(--ground)); }`,
  ).join('\n');

/** The report's style sheet: all colours are custom properties, set here once for light and once for dark. */
export function styleSheet(arms: readonly string[]): string {
  const losses = [
    ...arms.map((loss, arm) => ({ loss, name: `--arm-${arm}` })),
    { loss: 'base', name: '--arm-base' },
  ];
  const armColours = (ground: 'light' | 'dark'): string =>
    losses.map(({ loss, name }) => `${name}: ${appearanceOf(loss)[ground]};`).join(' ');
  const armClasses = losses.map(({ name }) => `.${name.slice(2)} { color: var(${name}); }`).join('\n');
  return `
:root {
  color-scheme: light;
  --ground: #ffffff; --raised: #f6f7f8; --ink: #1b1f24; --quiet: #59636e; --rule: #d5dae0; --grid: #eaedf0;
  --axis: #6b7580; --alarm: #b3261e; --heat: #2f6fb5; --hatch: rgb(27 31 36 / 30%); ${armColours('light')}
}
@media screen and (prefers-color-scheme: dark) {
  :root:not([data-theme='light']) {
    color-scheme: dark;
    --ground: #14171b; --raised: #1c2026; --ink: #e4e8ec; --quiet: #9aa4af; --rule: #343b44; --grid: #262c33;
    --axis: #8b96a2; --alarm: #ff8a80; --heat: #4f9be6; --hatch: rgb(228 232 236 / 30%); ${armColours('dark')}
  }
}
${armClasses}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 84rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif; font-variant-numeric: tabular-nums;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 0.25rem; text-wrap: balance; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 0.5rem; padding-top: 0.75rem; border-top: 1px solid var(--rule); }
h3 { font-size: 0.95rem; margin: 0; }
p { margin: 0.25rem 0 0.75rem; max-width: 75ch; }
.quiet, figcaption p, caption { color: var(--quiet); font-size: 0.87rem; }
.wrap { overflow-wrap: anywhere; }
code, .hash { font: 0.87em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
pre { margin: 0; padding: 0.75rem 1rem; background: var(--raised); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; }
ul.verdicts { list-style: none; margin: 1rem 0; padding: 0; display: grid; gap: 0.5rem; }
ul.verdicts li { display: grid; grid-template-columns: 1.5rem 1fr; padding: 0.6rem 0.9rem; background: var(--raised); border-radius: 6px; }
ul.verdicts li > :only-child { grid-column: 1 / -1; }
ul.verdicts .lead { font-weight: 600; }
ul.verdicts .detail { grid-column: 2; }
.sign { font-weight: 700; }
.alarm { color: var(--alarm); font-weight: 600; }
.badge { display: inline-block; margin: 0 0.4rem 0.25rem 0; padding: 0 0.5rem; border: 1px solid currentColor; border-radius: 999px; font-size: 0.8rem; color: var(--alarm); font-weight: 600; white-space: nowrap; }
.scroll { overflow-x: auto; margin: 0.5rem 0 1rem; }
table { border-collapse: collapse; font-size: 0.9rem; }
caption { text-align: left; padding-bottom: 0.4rem; }
th, td { padding: 0.25rem 0.6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--grid); }
th:first-child, td:first-child { padding-left: 0; }
thead th { color: var(--quiet); font-weight: 600; border-bottom-color: var(--rule); white-space: nowrap; vertical-align: bottom; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.spread { padding-left: 0; padding-right: 0.25rem; color: var(--quiet); text-align: left; white-space: nowrap; }
tr.first td { border-top: 1px solid var(--rule); }
td.name { white-space: nowrap; }
#pairing { margin-bottom: 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1.25rem; margin: 0.5rem 0 1rem; font-size: 0.9rem; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 0 2.5rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); gap: 1.5rem 2rem; }
figure { margin: 0; min-width: 0; display: flex; flex-direction: column; break-inside: avoid; }
figcaption { flex: 1; }
figcaption p { margin: 0.1rem 0 0.4rem; }
.canvas { position: relative; height: 17rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 0.5rem 0; padding: 0; list-style: none; }
.dash { width: 2.5em; height: 0.5em; margin-left: 0.4em; vertical-align: 0.1em; fill: none; stroke: currentColor; stroke-width: 2.25; }
.mark { width: 0.85em; height: 0.85em; margin-right: 0.4em; vertical-align: -0.06em; fill: currentColor; stroke: currentColor; stroke-width: 2; }
.loss { color: var(--ink); white-space: nowrap; }
summary { cursor: pointer; font-weight: 600; padding: 0.25rem 0; }
.samples td { min-width: 4rem; max-width: 26rem; }
.output { white-space: pre-wrap; overflow-wrap: anywhere; }
.maps { display: flex; flex-wrap: wrap; gap: 0.5rem 2.5rem; }
.heat td.cell { text-align: center; min-width: 5.5rem; border: 1px solid var(--rule); }
.heat td.cell small { display: block; color: inherit; }
${shades()}
.heat td.collapsed { background-image: repeating-linear-gradient(45deg, var(--hatch) 0 1px, transparent 1px 8px), repeating-linear-gradient(-45deg, var(--hatch) 0 1px, transparent 1px 8px); font-weight: 600; }
@media (max-width: 40rem) {
  body { padding-top: 1rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 0.4rem; }
  th, td { padding: 0.25rem 0.5rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2, h2 + p, .legend, summary { break-after: avoid; }
  tr, li { break-inside: avoid; }
  .scroll { overflow: visible; }
  .charts { grid-template-columns: 1fr 1fr; }
  canvas { max-width: 100% !important; }
  table { font-size: 7.5pt; }
  th, td { padding: 0.1rem 0.25rem; }
  thead th, thead th.number { white-space: normal; }
  td.spread { padding-right: 0; }
  code, .hash, .loss { overflow-wrap: anywhere; white-space: normal; }
}
`;
}
