import { describePoint, type ComparisonResult, type GridPoint } from '../../../shared/comparison.ts';
import { formatSummaries } from '../../../shared/comparison-table.ts';
import { crossLosses } from '../../../shared/cross-loss.ts';
import { usesBeta } from '../../../shared/losses.ts';
import type { ReportNumber } from '../../../shared/report/numbers.ts';
import { titles } from './numbers.ts';
import { lossName, titled } from './tables.ts';
import { html, type Markup } from './template.ts';

/** Every arm's final policy under every arm's loss, a table per grid point. */
export function crossLossSection(
  result: ComparisonResult,
  numbers: readonly ReportNumber[],
): Markup | undefined {
  const idOf = titles(numbers);
  const matrices = crossLosses(result);
  if (matrices.length === 0) return undefined;
  return html`<details id="cross-losses">
    <summary>Every policy under every loss</summary>
    <p class="quiet">
      Rows are final policies, columns are losses on the held-out pairs; mean over finished seeds ± standard
      deviation. Compare within a column, never along a row: levels of different losses mean different things.
    </p>
    ${matrices.map(({ point, columns, rows }) => {
      const texts = columns.map((_, column) =>
        formatSummaries(
          rows.map(({ values }) => values[column]!),
          'nats',
        ),
      );
      return html`<div class="scroll">
        <table>
          <caption>
            ${describePoint(point)}
          </caption>
          <thead>
            <tr>
              <th>policy</th>
              ${columns.map(
                (arm) =>
                  html`<th class="number">${lossName(result, arm)}</th>
                    <th></th>`,
              )}
            </tr>
          </thead>
          <tbody>
            ${rows.map(
              ({ arm }, row) =>
                html`<tr>
                  <td class="name">${lossName(result, arm)}</td>
                  ${texts.map((column, place) => {
                    const { value, spread } = column[row]!;
                    const id = (statistic: string): Markup | undefined =>
                      titled(
                        crossLossNames(columns[place]!, point)
                          .map((measure) => idOf(crossLossPlace(measure, arm, point, statistic)))
                          .find((found) => found !== undefined),
                      );
                    return html`<td class="number" ${id('mean')}>${value}</td>
                      <td class="spread" ${id('sd')}>${spread === '' ? '' : `± ${spread}`}</td>`;
                  })}
                </tr>`,
            )}
          </tbody>
        </table>
      </div>`;
    })}
  </details>`;
}

/** What the ledger may call a column's loss: with its β where the comparison has several. */
const crossLossNames = (column: string, { beta }: GridPoint): string[] => [
  `under-${column}`,
  ...(beta === undefined ? [] : [`under-${column}@b${beta}`]),
];

function crossLossPlace(
  measure: string,
  arm: string,
  { learningRate, beta }: GridPoint,
  statistic: string,
): Partial<ReportNumber> {
  if (arm === 'base') return { measure, statistic: statistic === 'mean' ? 'value' : statistic, arm };
  return { measure, statistic, arm, learningRate, ...(beta !== undefined && usesBeta(arm) ? { beta } : {}) };
}
