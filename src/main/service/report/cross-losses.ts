import { describePoint, type ComparisonResult } from '../../../shared/comparison.ts';
import { formatSummaries } from '../../../shared/comparison-table.ts';
import { crossLosses } from '../../../shared/cross-loss.ts';
import { lossName } from './tables.ts';
import { html, type Markup } from './template.ts';

/** Every arm's final policy under every arm's loss, a table per grid point. */
export function crossLossSection(result: ComparisonResult): Markup | undefined {
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
                  ${texts.map((column) => {
                    const { value, spread } = column[row]!;
                    return html`<td class="number">${value}</td>
                      <td class="spread">${spread === '' ? '' : `± ${spread}`}</td>`;
                  })}
                </tr>`,
            )}
          </tbody>
        </table>
      </div>`;
    })}
  </details>`;
}
