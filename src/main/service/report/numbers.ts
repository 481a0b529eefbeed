import { type ReportNumber } from '../../../shared/report/numbers.ts';
import { html, type Markup } from './template.ts';

/** Every number of the report with all its digits, under the id that `trace` takes. Not printed unless it is open. */
export function numbersSection(numbers: readonly ReportNumber[]): Markup {
  return html`<h2>Numbers</h2>
    <p class="quiet">
      Each number has an id; “plumbline trace ID” shows the rows of the record that it is made of. In the
      tables above the id shows where the pointer rests on a number.
    </p>
    <details id="numbers">
      <summary>All ${numbers.length} numbers</summary>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>id</th>
              <th>what it is</th>
              <th class="number">value</th>
              <th>unit</th>
            </tr>
          </thead>
          <tbody>
            ${numbers.map(
              ({ id, label, value, unit }) =>
                html`<tr>
                  <td><code>${id}</code></td>
                  <td>${label}</td>
                  <td class="number">${value}</td>
                  <td>${unit}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>`;
}

/** Finds a number's id by what it is, for the title of the cell that shows it. */
export function titles(numbers: readonly ReportNumber[]): (of: Partial<ReportNumber>) => string | undefined {
  const key = ({ measure, statistic, arm, learningRate, beta, seed }: Partial<ReportNumber>): string =>
    JSON.stringify([measure, statistic, arm, learningRate, beta, seed]);
  const known = new Map(
    numbers.filter(({ against }) => against === undefined).map((each) => [key(each), each.id]),
  );
  return (of) => known.get(key(of));
}
