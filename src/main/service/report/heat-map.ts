import type { ComparisonResult } from '../../../shared/comparison.ts';
import { formatBeta, formatLearningRate } from '../../../shared/format.ts';
import { heatMaps, type HeatCell } from '../../../shared/heat-map.ts';
import { heatShades } from './style.ts';
import type { ReportNumber } from '../../../shared/report/numbers.ts';
import { titles } from './numbers.ts';
import { lossName, titled } from './tables.ts';
import { html, type Markup } from './template.ts';

/** The leading measure of every loss over learning rate and β, with the cells where it collapsed. */
export function heatMapSection(
  result: ComparisonResult,
  numbers: readonly ReportNumber[],
): Markup | undefined {
  const { measure, learningRates, maps, range } = heatMaps(result);
  const idOf = titles(numbers);
  const isGrid = learningRates.length > 1 || (result.betas?.length ?? 0) > 1;
  if (!range || !isGrid) return undefined;
  const cell = (
    { value, shade, collapse, learningRate }: HeatCell,
    arm: string,
    beta: number | undefined,
  ): Markup => {
    const at = { arm, learningRate, ...(beta === undefined ? {} : { beta }) };
    const id = idOf({ measure: measure.name, statistic: 'mean', ...at });
    const collapsedId = idOf({ measure: 'collapse', statistic: 'runs', ...at });
    return html`<td
      class="cell ${shade !== undefined && `shade-${Math.round(shade * heatShades)}`} ${collapse && 'collapsed'}"
      title="${collapse?.words ?? ''}"
    >
      <span ${titled(id)}>${value}</span>
      ${collapse && html`<small ${titled(collapsedId)}>collapsed ${collapse.runs.length}/${collapse.of}</small>`}
    </td>`;
  };
  return html`<h3>Over the grid: ${measure.label}${measure.unit === 'share' && ', %'}</h3>
    <p class="quiet">
      Mean over finished seeds; the stronger the colour the higher, on one scale for all. Hatched cells
      collapsed in so many of their seeds, by the rules named with the verdicts.
    </p>
    <div class="maps" id="heat-maps">
      ${maps.map(
        ({ arm, rows }) =>
          html`<div class="scroll">
            <table class="heat">
              <caption>
                ${lossName(result, arm)}
              </caption>
              <thead>
                <tr>
                  <th scope="col">β</th>
                  ${learningRates.map((rate) => html`<th scope="col">lr ${formatLearningRate(rate)}</th>`)}
                </tr>
              </thead>
              <tbody>
                ${rows.map(
                  ({ beta, cells }) =>
                    html`<tr>
                      <th scope="row">${beta === undefined ? '–' : formatBeta(beta)}</th>
                      ${cells.map((each) => cell(each, arm, beta))}
                    </tr>`,
                )}
              </tbody>
            </table>
          </div>`,
      )}
    </div>`;
}
