import type { ArmCollapse } from '../../../shared/collapse.ts';
import { describePoint, type ComparisonResult } from '../../../shared/comparison.ts';
import { answersAtParting, type DivergencePoint } from '../../../shared/divergence-point.ts';
import { formatBeta, formatLearningRate } from '../../../shared/format.ts';
import type { ReportNumber } from '../../../shared/report/numbers.ts';
import { titles } from './numbers.ts';
import { lossName, titled } from './tables.ts';
import { html, Markup } from './template.ts';

/** "20", or "60 (the end)" where nothing is known of before. */
export const sinceText = ({ since, atEnd }: ArmCollapse['runs'][number]['collapses'][number]): string =>
  atEnd ? `${since} (the end)` : String(since);

/** Rows of a table that need not be unfolded. */
const mostOpen = 20;

/** Run by run, which rules were broken and since which step. */
export function collapseTable(
  result: ComparisonResult,
  collapsed: readonly ArmCollapse[],
  numbers: readonly ReportNumber[],
): Markup | undefined {
  if (collapsed.length === 0) return undefined;
  const idOf = titles(numbers);
  const several = (result.betas?.length ?? 0) > 1;
  const rows = collapsed.flatMap(({ runs }) => runs.flatMap(({ collapses }) => collapses)).length;
  return html`<details id="collapses" ${rows <= mostOpen && new Markup('open')}>
    <summary>What collapsed, and since when</summary>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>arm</th>
            <th>lr</th>
            ${several && html`<th class="number">β</th>`}
            <th class="number">seed</th>
            <th>rule</th>
            <th class="number">since step</th>
          </tr>
        </thead>
        <tbody>
          ${collapsed.map(({ arm, learningRate, beta, runs }) =>
            runs.map(({ seed, collapses }) =>
              collapses.map((each) => {
                const place = { arm, learningRate, seed, ...(beta === undefined ? {} : { beta }) };
                const id = idOf({ measure: 'collapse', statistic: each.rule, ...place });
                return html`<tr>
                  <td class="name">${lossName(result, arm)}</td>
                  <td class="name">${formatLearningRate(learningRate)}</td>
                  ${several && html`<td class="number">${beta === undefined ? '–' : formatBeta(beta)}</td>`}
                  <td class="number">${seed}</td>
                  <td>${each.words}</td>
                  <td class="number" ${titled(id)}>${sinceText(each)}</td>
                </tr>`;
              }),
            ),
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}

/** Where arms part beyond seed noise, each with both arms' answers at that step. */
export function partingSection(
  result: ComparisonResult,
  partings: readonly DivergencePoint[],
): Markup | undefined {
  if (partings.length === 0) return undefined;
  return html`<h2 id="partings">Where arms part</h2>
    <p class="quiet">
      The first evaluation at which the paired difference over seeds has a 95 % t interval without 0, and from
      which on it stays so to the end. Each step is looked at by itself, so where the verdict claims no
      difference they only seem to part.
    </p>
    ${partings.map((parting) => {
      const answers = answersAtParting(result, parting);
      return html`<p>${describePoint(parting)}: ${parting.words}.</p>
        ${
          answers &&
          html`<details>
            <summary>Their answers at step ${parting.step}, seed ${answers.seed}</summary>
            <div class="scroll">
              <table class="samples">
                <thead>
                  <tr>
                    <th>prompt</th>
                    <th>${lossName(result, parting.against)}</th>
                    <th>${lossName(result, parting.arm)}</th>
                  </tr>
                </thead>
                <tbody>
                  ${answers.prompts.map(
                    ({ prompt, outputs }) =>
                      html`<tr>
                        <td><span class="output">${prompt}</span></td>
                        ${outputs.map((output) => html`<td><span class="output">${output}</span></td>`)}
                      </tr>`,
                  )}
                </tbody>
              </table>
            </div>
          </details>`
        }`;
    })}`;
}
