import { appearanceOf } from '../../../shared/appearance.ts';
import type { Mark } from '../../../shared/appearance.ts';
import { describePoint, gridPoints, pairingProofs } from '../../../shared/comparison.ts';
import { measures } from '../../../shared/measures.ts';
import type { ComparisonResult, RunResult } from '../../../shared/comparison.ts';
import type { Measure } from '../../../shared/measures.ts';
import {
  answersNote,
  formatSummaries,
  summariseCells,
  summariseSftFirst,
} from '../../../shared/comparison-table.ts';
import type { CellSummary, SeedSummary } from '../../../shared/comparison-table.ts';
import { formatBeta, formatFixed, formatLearningRate, formatShare } from '../../../shared/format.ts';
import { usesBeta } from '../../../shared/losses.ts';
import type { ReportNumber } from '../../../shared/report/numbers.ts';
import { titles } from './numbers.ts';
import { sampleColumns } from './samples.ts';
import { html, Markup } from './template.ts';

const shapes: Readonly<Record<Mark, Markup>> = {
  circle: html`<circle cx="8" cy="8" r="6" />`,
  triangle: html`<path d="M8 2 14.5 13.5h-13z" />`,
  rect: html`<path d="M2.5 2.5h11v11h-11z" />`,
  rectRot: html`<path d="M8 1 15 8 8 15 1 8z" />`,
  cross: html`<path d="M8 1v14M1 8h14" />`,
  crossRot: html`<path d="M3 3l10 10M13 3 3 13" />`,
  star: html`<path d="M8 1v14M1 8h14M3 3l10 10M13 3 3 13" />`,
};

/** A loss's name behind its mark, in its colour. */
export function lossName(result: ComparisonResult, loss: string): Markup {
  const arm = result.arms.indexOf(loss);
  const kind = arm < 0 ? 'arm-base' : `arm-${arm}`;
  return html`<span class="${kind}"
    ><svg class="mark" viewBox="0 0 16 16" aria-hidden="true">${shapes[appearanceOf(loss).mark]}</svg
    ><span class="loss">${loss}</span></span
  >`;
}

/** The id of the number that a cell shows, as its title. */
export const titled = (id: string | undefined): Markup | undefined =>
  id === undefined ? undefined : html`title="${id}"`;

const hasSeveralBetas = ({ betas = [] }: ComparisonResult): boolean => betas.length > 1;

/** Nothing where β is ignored. */
const betaText = ({ beta }: { readonly beta?: number }): string =>
  beta === undefined ? '–' : formatBeta(beta);

const headings: Readonly<Record<Measure['name'], string>> = {
  task: 'task, %',
  preference: 'preference, %',
  c: 'c',
  r: 'r',
  margin: 'c − r',
  kl: 'KL per token',
  length: 'tokens',
  cut: 'cut, %',
  repetition: 'repetition, %',
  repeating: 'looping, %',
  lengthCorrelation: 'correlation',
  shorterChosen: 'chosen shorter, %',
  longerChosen: 'chosen longer, %',
};

/** Each group of measures in a table of its own. */
export const measureGroups: readonly {
  readonly group: Measure['group'];
  readonly id: string;
  readonly heading: string;
  readonly note: (result: ComparisonResult) => string;
}[] = [
  {
    group: 'held-out',
    id: 'results',
    heading: '',
    note: () =>
      'Mean over finished seeds ± standard deviation. Task: exact match. Preference: held-out pairs with c > r. c, r: mean log-ratio to the reference, nats per answer. Train loss and gate (share of pairs with r > 0): last tenth of the steps; losses of different arms are not comparable.',
  },
  { group: 'answers', id: 'answers', heading: 'What they answer', note: answersNote },
  {
    group: 'length',
    id: 'length-bias',
    heading: 'Held-out preferences and length',
    note: () =>
      'Correlation of c − r with the difference in length (chosen less rejected, in tokens), and preference accuracy where the chosen answer is shorter, and longer. A loss that learns length is right where chosen is longer and wrong where it is shorter.',
  },
];

/** The base, then every arm at every learning rate and β, mean over finished seeds ± standard deviation: a table per group of measures. */
export function resultsTables(result: ComparisonResult, numbers: readonly ReportNumber[]): Markup {
  const idOf = titles(numbers);
  return html`${measureGroups.map((each) => resultsTable(result, each, idOf))}`;
}

function resultsTable(
  result: ComparisonResult,
  { group, id, heading, note }: (typeof measureGroups)[number],
  idOf: ReturnType<typeof titles>,
): Markup | undefined {
  const stage = summariseSftFirst(result);
  const cells = [...(stage ? [stage] : []), ...summariseCells(result)];
  const severalBetas = hasSeveralBetas(result);
  const baseValue = (value: number | undefined): SeedSummary =>
    value === undefined ? { seeds: 0 } : { seeds: 1, mean: value };
  const own = measures.filter((measure) => measure.group === group);
  const training = group === 'held-out' ? trainingColumns(cells) : [];
  const columns = [
    ...own.map((measure) => ({
      heading: headings[measure.name],
      name: measure.name as string,
      measure: measure.name as string,
      unit: measure.unit,
      summaries: [baseValue(measure.of(result.base)), ...cells.map((cell) => cell.measures[measure.name])],
    })),
    ...training,
  ]
    .filter(({ summaries }) => summaries.some(({ seeds }) => seeds > 0))
    .map((column) => ({ ...column, texts: formatSummaries(column.summaries, column.unit) }));
  if (columns.length === 0) return undefined;
  /** What stands in a row: the base in the first. */
  const shownAt = (place: number, measure: string, statistic: string): Partial<ReportNumber> => {
    const cell = cells[place - 1];
    if (!cell) return { measure, statistic: 'value', arm: 'base' };
    const { learningRate, beta } = cell;
    const arm = cell === stage ? 'sft-first' : cell.loss;
    return { measure, statistic, arm, learningRate, ...(beta === undefined ? {} : { beta }) };
  };
  const row = (lead: Markup, place: number, first: boolean): Markup =>
    html`<tr ${first && new Markup('class="first"')}>
      ${lead}
      ${columns.map(
        ({ name, measure, texts }) =>
          html`<td class="number" data-measure="${name}" ${titled(idOf(shownAt(place, measure, 'mean')))}>
              ${texts[place]!.value}
            </td>
            <td class="spread" ${titled(idOf(shownAt(place, measure, 'sd')))}>
              ${texts[place]!.spread === '' ? '' : `± ${texts[place]!.spread}`}
            </td>`,
      )}
    </tr>`;
  const blank = html`<td></td>`;
  return html`${heading !== '' && html`<h3>${heading}</h3>`}
    <p class="quiet">${note(result)}</p>
    <div class="scroll">
      <table id="${id}">
        <thead>
          <tr>
            <th>lr</th>
            ${severalBetas && html`<th class="number">β</th>`}
            <th>arm</th>
            <th class="number">seeds</th>
            ${columns.map(
              ({ heading }) =>
                html`<th class="number">${heading}</th>
                  <th></th>`,
            )}
          </tr>
        </thead>
        <tbody>
          ${row(
            html`${blank} ${severalBetas && blank}
              <td class="name">${lossName(result, 'base')}</td>
              ${blank}`,
            0,
            false,
          )}
          ${cells.map((cell, place) => {
            const before = cells[place - 1];
            const newRate = before === stage || before?.learningRate !== cell.learningRate;
            const lost = cell.runs.filter(({ status }) => status === 'diverged').length;
            return row(
              html`<td class="name">${newRate && formatLearningRate(cell.learningRate)}</td>
                ${severalBetas && html`<td class="number">${betaText(cell)}</td>`}
                <td class="name">
                  ${lossName(result, cell.loss)} ${cell === stage && 'first'}
                  ${lost > 0 && html`<span class="badge">${lost} diverged</span>`}
                </td>
                <td class="number">${cell.finished}/${cell.runs.length}</td>`,
              place + 1,
              newRate || before?.beta !== cell.beta,
            );
          })}
        </tbody>
      </table>
    </div>`;
}

function trainingColumns(cells: readonly CellSummary[]) {
  const none: SeedSummary = { seeds: 0 };
  return [
    {
      heading: 'train loss',
      name: 'loss',
      measure: 'final-loss',
      unit: 'nats' as const,
      summaries: [none, ...cells.map((cell) => cell.finalLoss)],
    },
    {
      heading: 'gate open',
      name: 'gate',
      measure: 'final-gate-open',
      unit: 'nats' as const,
      summaries: [none, ...cells.map((cell) => cell.finalGateOpen)],
    },
  ];
}

/** Every run on its own: what the means above are made of. */
export function runsTable(result: ComparisonResult, numbers: readonly ReportNumber[]): Markup {
  const idOf = titles(numbers);
  const shown = measures.filter(({ of }) =>
    result.runs.some(({ evaluation }) => evaluation && of(evaluation) !== undefined),
  );
  const value = (run: RunResult, measure: (typeof measures)[number]): string => {
    const number = run.evaluation && measure.of(run.evaluation);
    return measure.unit === 'share' ? formatShare(number) : formatFixed(number, 2);
  };
  const severalBetas = hasSeveralBetas(result);
  const idAt = ({ loss: arm, learningRate, seed, beta }: RunResult, measure: string): Markup | undefined => {
    const ofBeta = severalBetas && usesBeta(arm) && beta !== undefined ? { beta } : {};
    return titled(idOf({ measure, statistic: 'value', arm, learningRate, seed, ...ofBeta }));
  };
  return html`<details>
    <summary>All ${result.runs.length} runs</summary>
    <div class="scroll">
      <table id="runs">
        <thead>
          <tr>
            <th>lr</th>
            ${severalBetas && html`<th class="number">β</th>`}
            <th>arm</th>
            <th class="number">seed</th>
            ${shown.map(({ name }) => html`<th class="number">${headings[name]}</th>`)}
            <th class="number">steps</th>
            <th class="number">seconds</th>
            <th>status</th>
          </tr>
        </thead>
        <tbody>
          ${result.runs.map(
            (run) =>
              html`<tr>
                <td class="name">${formatLearningRate(run.learningRate)}</td>
                ${severalBetas && html`<td class="number">${betaText(usesBeta(run.loss) ? run : {})}</td>`}
                <td class="name">${lossName(result, run.loss)}</td>
                <td class="number">${run.seed}</td>
                ${shown.map(
                  (measure) =>
                    html`<td class="number" ${idAt(run, measure.name)}>${value(run, measure)}</td>`,
                )}
                <td class="number" ${idAt(run, 'steps')}>${run.steps ?? run.metrics.length}</td>
                <td class="number" ${idAt(run, 'seconds')}>${formatFixed(run.seconds, 1)}</td>
                <td class="name">
                  ${
                    run.status === 'finished'
                      ? 'finished'
                      : html`<span class="badge"
                          >diverged${run.divergedAt === undefined ? '' : ` at step ${run.divergedAt}`}</span
                        >`
                  }
                </td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}

/** Per seed, the hashes that show that all arms started alike and saw the pairs in one order. */
export function pairingTable(result: ComparisonResult): Markup {
  const hashes = (list: readonly string[]): Markup[] =>
    list.map((hash) => html`<div class="hash" title="${hash}">${hash.slice(0, 16)}</div>`);
  return html`<div class="scroll">
    <table id="pairing">
      <thead>
        <tr>
          <th class="number">seed</th>
          <th>batch order</th>
          <th>start weights</th>
          <th>over all arms</th>
        </tr>
      </thead>
      <tbody>
        ${pairingProofs(result).map(
          (proof) =>
            html`<tr>
              <td class="number">${proof.seed}</td>
              <td>${hashes(proof.orderHashes)}</td>
              <td>${hashes(proof.adapterStartHashes)}</td>
              <td>${proof.paired ? 'the same' : html`<span class="alarm">not the same</span>`}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** Answers of the base and of every arm to the same questions, side by side, per learning rate and β. */
export function samplesTables(result: ComparisonResult): Markup | undefined {
  const tables = gridPoints(result).flatMap((point, place) => {
    const found = sampleColumns(result, point);
    if (!found) return [];
    const { seed, questions, columns } = found;
    return [
      html`<details ${place === 0 && new Markup('open')}>
        <summary>${describePoint(point)}, seed ${seed}</summary>
        <div class="scroll">
          <table class="samples">
            <thead>
              <tr>
                <th>question</th>
                <th>answer</th>
                ${columns.map(({ loss }) => html`<th>${lossName(result, loss)}</th>`)}
              </tr>
            </thead>
            <tbody>
              ${questions.map(
                ({ question, expected }) =>
                  html`<tr>
                    <td><span class="output">${question}</span></td>
                    <td>${expected}</td>
                    ${columns.map(({ samples }) => {
                      const sample = samples.find((candidate) => candidate.question === question);
                      return sample
                        ? html`<td>
                            <strong>${sample.correct ? '✓' : '✗'}</strong>
                            <span class="output">${sample.output}</span>
                          </td>`
                        : html`<td>–</td>`;
                    })}
                  </tr>`,
              )}
            </tbody>
          </table>
        </div>
      </details>`,
    ];
  });
  return tables.length === 0 ? undefined : html`${tables}`;
}
