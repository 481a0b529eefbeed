import { itemLine, type ItemComparison } from '../../../shared/comparison-items.ts';
import { type ComparisonResult } from '../../../shared/comparison.ts';
import { measures } from '../../../shared/measures.ts';
import { formatBeta, formatLearningRate } from '../../../shared/format.ts';
import { lossName } from './tables.ts';
import { html, type Markup } from './template.ts';

/** Three decimals, and no more than can be told apart below. */
const pText = (p: number): string => (p < 0.001 ? '< 0.001' : p.toFixed(3));

/** The arms item by item: the interval that holds for new questions too, and McNemar's test of each seed's two models. */
export function itemsSection(
  result: ComparisonResult,
  comparisons: readonly ItemComparison[],
): Markup | undefined {
  const told = comparisons.filter(({ seeds }) => seeds.length > 0);
  if (told.length === 0) return undefined;
  const label = (name: ItemComparison['measure']): string =>
    measures.find((each) => each.name === name)!.label;
  const severalBetas = told.some(({ beta }) => beta !== undefined);
  return html`<details id="items">
    <summary>Question by question</summary>
    <ul class="verdicts">
      ${told.map((each) => html`<li><span>${label(each.measure)}, ${itemLine(each)}</span></li>`)}
    </ul>
    <p class="quiet">
      The intervals resample seeds and questions, so they hold for other questions of this kind too; with
      fewer than eight seeds they may be too narrow. McNemar’s test counts the questions that one of two
      models alone answers rightly. It tells these two models of one seed apart and says nothing of another
      seed: the verdict is drawn from the seeds.
    </p>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>measure</th>
            <th>lr</th>
            ${severalBetas && html`<th class="number">β</th>`}
            <th>arm</th>
            <th>against</th>
            <th class="number">seed</th>
            <th class="number">only arm</th>
            <th class="number">only against</th>
            <th class="number">McNemar, exact p</th>
            <th class="number">mid-p</th>
          </tr>
        </thead>
        <tbody>
          ${told.flatMap((each) =>
            each.seeds.map(
              ({ seed, onlyArm, onlyAgainst, exact, midP }) =>
                html`<tr>
                  <td>${label(each.measure)}</td>
                  <td class="name">${formatLearningRate(each.learningRate)}</td>
                  ${
                    severalBetas &&
                    html`<td class="number">${each.beta === undefined ? '–' : formatBeta(each.beta)}</td>`
                  }
                  <td class="name">${lossName(result, each.arm)}</td>
                  <td class="name">${lossName(result, each.against)}</td>
                  <td class="number">${seed}</td>
                  <td class="number">${onlyArm}</td>
                  <td class="number">${onlyAgainst}</td>
                  <td class="number">${pText(exact)}</td>
                  <td class="number">${pText(midP)}</td>
                </tr>`,
            ),
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}
