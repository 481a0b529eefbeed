import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { ComparisonResult } from '../../shared/comparison.ts';
import { writeAskedFile } from '../formats/files.ts';
import { reportFormatOf, type ReportFormat } from '../../shared/report/format.ts';
import { reportNumbers } from '../../shared/report/numbers.ts';
import { numbersTable } from './report/csv.ts';
import { reportMarkdown } from './report/markdown.ts';
import { reportPage } from './report/page.ts';

/** Inline scripts must not hold the sequences that end or comment out their element, nor name a source map to fetch. */
function inlineable(source: string): string {
  return source
    .replace(/^\/\/# sourceMappingURL=.*$/gm, '')
    .replaceAll('</script', '<\\/script')
    .replaceAll('<!--', '<\\!--');
}

/** Chart.js as one browser script; its package exports no such path, but it lies beside the main module. */
async function readChartLibrary(): Promise<string> {
  const beside = new URL('./chart.umd.min.js', import.meta.resolve('chart.js'));
  return inlineable(await readFile(fileURLToPath(beside), 'utf8'));
}

/** One HTML page that needs nothing beside it: no network, no other file. */
async function pageOf(result: ComparisonResult): Promise<string> {
  const library = await readChartLibrary();
  const drawing = inlineable(
    await readFile(fileURLToPath(new URL('./report/charts.browser.js', import.meta.url)), 'utf8'),
  );
  return reportPage(result, { library, drawing });
}

/** A comparison in each form: the page, Markdown, the table of all numbers, and the result as it is. */
const writers: Readonly<Record<ReportFormat, (result: ComparisonResult) => string | Promise<string>>> = {
  html: pageOf,
  md: reportMarkdown,
  csv: (result) => numbersTable(reportNumbers(result)),
  json: (result) => `${JSON.stringify(result, null, 1)}\n`,
};

/**
 * Writes a comparison as one file, which appears whole or not at all.
 * @param format default: as the path's ending says, else the page
 * @throws InputError where the path cannot be written
 */
export async function writeReport(
  path: string,
  result: ComparisonResult,
  format: ReportFormat = reportFormatOf(path),
): Promise<void> {
  writeAskedFile(path, await writers[format](result), 'cannot write the report');
}
