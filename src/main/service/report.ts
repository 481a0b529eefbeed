import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { ComparisonResult } from '../../shared/comparison.ts';
import { writeAskedFile } from '../formats/files.ts';
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

/**
 * Writes a comparison as one HTML file that needs nothing beside it: no network, no other file.
 * The file appears whole or not at all.
 * @throws InputError where the path cannot be written
 */
export async function writeReport(path: string, result: ComparisonResult): Promise<void> {
  const library = await readChartLibrary();
  const drawing = inlineable(
    await readFile(fileURLToPath(new URL('./report/charts.browser.js', import.meta.url)), 'utf8'),
  );
  const page = reportPage(result, { library, drawing });
  writeAskedFile(path, page, 'cannot write the report');
}
