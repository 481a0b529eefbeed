import { createHash } from 'node:crypto';
import { appearanceOf, placesInColour } from '../../../shared/appearance.ts';
import { collapses, type ArmCollapse } from '../../../shared/collapse.ts';
import { describePairing, describeStart, pairingProofs } from '../../../shared/comparison.ts';
import { itemComparisons } from '../../../shared/comparison-items.ts';
import type { ComparisonResult } from '../../../shared/comparison.ts';
import { divergencePoints } from '../../../shared/divergence-point.ts';
import { knownBefore } from '../../../shared/evaluation-parts.ts';
import { errorRateWords } from '../../../shared/error-rates.ts';
import { formatBeta, formatLearningRate } from '../../../shared/format.ts';
import { reportNumbers } from '../../../shared/report/numbers.ts';
import { select, selectionLines, type Selection, type SelectedVerdict } from '../../../shared/selection.ts';
import { claimsFirst, verdict, verdictLine } from '../../../shared/verdict.ts';
import type { Verdict, VerdictOutcome } from '../../../shared/verdict.ts';
import { collapseTable, partingSection } from './breaks.ts';
import { chartGroups, lineDashes } from './charts.ts';
import type { ChartGroup } from './charts.ts';
import { crossLossSection } from './cross-losses.ts';
import { heatMapSection } from './heat-map.ts';
import { itemsSection } from './items.ts';
import { numbersSection } from './numbers.ts';
import { question } from './question.ts';
import { styleSheet } from './style.ts';
import { lossName, pairingTable, resultsTables, runsTable, samplesTables } from './tables.ts';
import { html, Markup, scriptJson } from './template.ts';

/** The scripts a report carries: Chart.js, and the one that draws with it. */
export interface ReportScripts {
  readonly library: string;
  readonly drawing: string;
}

const signs: Readonly<Record<VerdictOutcome | SelectedVerdict['outcome'], string>> = {
  higher: '▲',
  lower: '▼',
  'no-difference': '≈',
  'too-few-seeds': '?',
  diverged: '✕',
  'no-choice': '?',
};

/** Verdicts in full; the rest, at other points of a grid, is folded. */
const mostVerdicts = 6;

function verdictSection(
  verdicts: readonly Verdict[],
  selection: Selection | undefined,
  collapsed: readonly ArmCollapse[],
  rateWords: string,
): Markup {
  const entry = (outcome: keyof typeof signs, line: string, lead: boolean): Markup =>
    html`<li>
      <span class="sign ${outcome === 'diverged' && 'alarm'}" aria-hidden="true">${signs[outcome]}</span
      ><span class="${lead && 'lead'}">${line}</span>
    </li>`;
  const item = (verdict: Verdict, lead: boolean): Markup =>
    entry(verdict.outcome, verdictLine(verdict), lead);
  const leading = claimsFirst(verdicts.filter(({ primary }) => primary));
  // Divergence takes every measure of a cell alike: it is said once, with the measure that leads.
  const others = verdicts.filter(({ primary, outcome }) => !primary && outcome !== 'diverged');
  const folded = (title: string, list: readonly Verdict[]): Markup | false =>
    list.length > 0 &&
    html`<details>
      <summary>${title}</summary>
      <ul class="verdicts">
        ${list.map((verdict) => item(verdict, false))}
      </ul>
    </details>`;
  return html`<ul class="verdicts" id="verdicts">
      ${leading.slice(0, mostVerdicts).map((verdict) => item(verdict, true))}
      ${
        selection &&
        selectionLines(selection).map((line, place) =>
          entry(selection.verdicts[place]?.outcome ?? 'no-choice', line, false),
        )
      }
      ${collapsed.map(({ words }) => entry('diverged', words, false))}
    </ul>
    ${folded(`${leading.length - mostVerdicts} more at other points of the grid`, leading.slice(mostVerdicts))}
    ${folded('Verdicts on the other measures', others)}
    <p class="quiet">
      From paired differences over seeds: Student’s t interval, corrected by Holm’s method where several
      learning rates, values of β or arms are compared; below three seeds nothing is claimed. ${rateWords} The
      claim holds for these held-out items. What would have been found is reckoned from the spread measured,
      which few seeds tell only roughly. A larger margin is not by itself better: a loss can gain it by making
      both answers less likely.
    </p>`;
}

const term = (name: string, value: string | number | boolean | null | Markup): Markup =>
  html`<dt>${name}</dt>
    <dd>${value instanceof Markup ? value : String(value)}</dd>`;

function setupSection(result: ComparisonResult): Markup {
  const { model, data } = result;
  const known = knownBefore(result);
  const hash = (text: string): Markup => html`<span class="hash">${text}</span>`;
  return html`<h2>Setup</h2>
    <p>
      ${pairingProofs(result).every(({ paired }) => paired) ? describePairing(result) : html`<span class="alarm">${describePairing(result)}</span>`}
    </p>
    <div class="columns">
      <div>
        <h3>Model and data</h3>
        <dl>
          ${term('model', model.name)} ${term('parameters', model.parameters.toLocaleString('en'))}
          ${term('model hash', hash(model.hash))} ${term('data', data.name)}
          ${term('data hash', hash(data.hash))} ${term('training pairs', data.trainPairs)}
          ${term('held-out pairs', data.evalPairs)} ${term('rows skipped', data.skipped)}
        </dl>
      </div>
      <div>
        <h3>Shared by all arms</h3>
        <dl>${Object.entries(result.config).map(([name, value]) => term(name, value))}</dl>
      </div>
      <div>
        <h3>Compared</h3>
        <dl>
          ${term('arms', result.arms.join(', '))}
          ${term('learning rates', result.learningRates.map(formatLearningRate).join(', '))}
          ${result.betas && term('β', result.betas.map(formatBeta).join(', '))}
          ${term('seeds', result.seeds.join(', '))} ${term('differs', result.onlyDiffers.join(', '))}
          ${Object.entries(result.versions).map(([name, version]) => term(name, version))}
          ${known && term('evaluations known before', known)} ${term('made', result.createdAt)}
        </dl>
      </div>
    </div>
    ${pairingTable(result)}`;
}

function chartSections(result: ComparisonResult, groups: readonly ChartGroup[]): Markup[] {
  const places = placesInColour(result.arms);
  const sharesColours = places.some((place) => place > 0);
  /** How an arm's lines are broken, where only that tells some apart. */
  const sample = (loss: string): Markup => {
    const arm = result.arms.indexOf(loss);
    const strokes = lineDashes.solid[places[arm]! % lineDashes.solid.length]!;
    return html`<svg class="dash arm-${arm}" viewBox="0 0 40 8" aria-hidden="true">
      <path d="M0 4h40" stroke-dasharray="${strokes.join(' ')}" />
    </svg>`;
  };
  const legend = (names: readonly string[], withLines: boolean): Markup =>
    html`<ul class="legend">
      ${names.map((loss) => html`<li>${lossName(result, loss)}${withLines && sample(loss)}</li>`)}
    </ul>`;
  return groups.map(
    ({ heading, intro, charts, showsBase }) =>
      html`<h2>${heading}</h2>
        <p class="quiet">${intro}</p>
        ${legend(
          showsBase ? [...result.arms, 'base'] : result.arms,
          sharesColours && charts.some(({ kind }) => kind === 'steps'),
        )}
        <div class="charts">
          ${charts.map(
            (chart) =>
              html`<figure>
                <figcaption>
                  <h3>${chart.title}</h3>
                  ${chart.note !== '' && html`<p>${chart.note}</p>`}
                  ${chart.kind === 'steps' && chart.badges.map((badge) => html`<span class="badge">✕ ${badge}</span>`)}
                </figcaption>
                <div class="canvas">
                  <canvas id="${chart.id}" role="img" aria-label="${chart.title}. ${chart.note}"></canvas>
                </div>
              </figure>`,
          )}
        </div>`,
  );
}

const sourceHash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** A style or script element around its text as it stands: the policy's hash covers every blank of it. */
const rawElement = (opening: string, text: string): Markup =>
  new Markup(`${opening}${text}</${/\w+/.exec(opening)![0]}>`);

/**
 * The whole report as one page. Its policy lets exactly its own two scripts and style sheet run, and no request leave:
 * text from a model or a data set could do nothing even if an escape were forgotten.
 */
export function reportPage(result: ComparisonResult, scripts: ReportScripts): string {
  const groups = chartGroups(result);
  const style = styleSheet(result.arms);
  const policy = [
    "default-src 'none'",
    `script-src ${sourceHash(scripts.library)} ${sourceHash(scripts.drawing)}`,
    `style-src ${sourceHash(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const title = question(result);
  const start = describeStart(result);
  const samples = samplesTables(result);
  const verdicts = verdict(result);
  const selection = select(result);
  const items = itemComparisons(result);
  const collapsed = collapses(result);
  const partings = divergencePoints(result, verdicts);
  const numbers = reportNumbers(result, { verdicts, itemComparisons: items, selection });
  const marks = result.arms.map((loss) => appearanceOf(loss).mark);
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="generator" content="Plumbline" />
        <title>${title} – Plumbline</title>
        ${rawElement('<style>', style)}
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p class="quiet wrap">
            ${result.model.name} on ${result.data.name}, ${result.data.trainPairs} training pairs,
            ${result.seeds.length} ${result.seeds.length === 1 ? 'seed' : 'seeds'}; judged on
            ${result.data.evalPairs} held-out
            pairs${result.base.task && ` and ${result.base.task.questions} questions`}.
            ${result.createdAt.slice(0, 10)}
          </p>
          ${start !== undefined && html`<p class="quiet">${start}</p>`}
        </header>
        <main>
          ${verdictSection(verdicts, selection, collapsed, errorRateWords(result))}
          <h2>Results</h2>
          ${heatMapSection(result, numbers)} ${collapseTable(result, collapsed, numbers)}
          ${resultsTables(result, numbers)} ${itemsSection(result, items)}
          ${crossLossSection(result, numbers)} ${runsTable(result, numbers)} ${chartSections(result, groups)}
          ${partingSection(result, partings)}
          ${
            samples &&
            html`<h2>Answers side by side</h2>
              <p class="quiet">Greedy answers to the same held-out questions.</p>
              ${samples}`
          }
          ${setupSection(result)}
          <h2>Run it again</h2>
          <pre><code>${result.command}</code></pre>
          ${numbersSection(numbers)}
        </main>
        ${rawElement('<script type="application/json" id="result">', scriptJson(result))}
        ${rawElement('<script type="application/json" id="statistics">', scriptJson({ verdicts, selection, itemComparisons: items, collapses: collapsed, divergencePoints: partings }))}
        ${rawElement('<script type="application/json" id="charts">', scriptJson({ groups, marks, dashes: lineDashes }))}
        ${rawElement('<script>', scripts.library)} ${rawElement('<script>', scripts.drawing)}
      </body>
    </html> `;
  return page.text;
}
