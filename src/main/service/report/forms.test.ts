import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { syntheticComparison } from '../../../../test/fixtures/synthetic-comparison.ts';
import { reportFormatOf } from '../../../shared/report/format.ts';
import { reportNumbers } from '../../../shared/report/numbers.ts';
import { verdict } from '../../../shared/verdict.ts';
import { writeReport } from '../report.ts';
import { numbersTable } from './csv.ts';
import { reportMarkdown } from './markdown.ts';
import { reportPage } from './page.ts';
import { readReport } from './read.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-forms-'));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

const result = { ...syntheticComparison({ steps: 12 }), comparison: 3 };
const numbers = reportNumbers(result);

describe('the form of a report', () => {
  it('is what the ending says, and the page where it says nothing', () => {
    const endings = ['r.html', 'r.MD', 'r.markdown', 'r.csv', 'r.json', 'r', 'a.csv/r', 'r.toString'];
    expect(endings.map(reportFormatOf)).toEqual(['html', 'md', 'md', 'csv', 'json', 'html', 'html', 'html']);
  });

  it('can be asked for against the ending', async () => {
    await writeReport(at('odd.txt'), result, 'csv');
    expect(readFileSync(at('odd.txt'), 'utf8')).toBe(numbersTable(numbers));
  });
});

describe('the table of all numbers', () => {
  const [header, ...rows] = numbersTable(numbers)
    .trimEnd()
    .split('\r\n')
    .map((line) => line.split(','));
  const columns = header!;

  it('has one row for each number, with every digit', () => {
    expect(rows).toHaveLength(numbers.length);
    rows.forEach((row, place) => {
      expect(row).toHaveLength(columns.length);
      expect(row[0]).toBe(numbers[place]!.id);
      expect(Number(row[columns.indexOf('value')])).toBe(numbers[place]!.value);
    });
  });

  it('says where a number comes from: run and row, steps, or other numbers', () => {
    const withRows = {
      ...result,
      baseEvaluationRow: 40,
      runs: result.runs.map((run, place) => ({ ...run, evaluationRow: 50 + place })),
    };
    const lines = numbersTable(reportNumbers(withRows)).split('\r\n');
    const line = (id: string): string[] => lines.find((each) => each.startsWith(`${id},`))!.split(',');
    const cells = (id: string, ...names: string[]): string[] =>
      names.map((name) => line(id)[columns.indexOf(name)]!);
    expect(cells('c3.task.base', 'arm', 'evaluation', 'run')).toEqual(['base', '40', '']);
    expect(cells('c3.task.dpo.lr5e-6.s0', 'learning_rate', 'seed', 'run', 'evaluation')).toEqual([
      ...['0.000005', '0', 'dpo-0.000005-0', '50'],
    ]);
    expect(cells('c3.final-loss.dpo.lr5e-6.s0', 'steps')).toEqual(['11-12']);
    expect(cells('c3.task.dpo.lr5e-6.mean', 'calculated_from')).toEqual([
      'c3.task.dpo.lr5e-6.s0 c3.task.dpo.lr5e-6.s1 c3.task.dpo.lr5e-6.s2',
    ]);
  });
});

describe('the Markdown report', () => {
  it('has question, verdicts, hashes, versions, command, samples and every id', () => {
    const text = reportMarkdown(result);
    expect(text).toMatch(/^# Is minor-dpo better than dpo\?\n/);
    expect(text).toContain(verdict(result)[0]!.words);
    for (const part of [result.model.hash, result.data.hash, '1.29.0', result.command])
      expect(text).toContain(part);
    expect(text).toContain('✓ She has');
    for (const { id } of numbers) expect(text).toContain(`| \`${id}\` |`);
    expect(text).not.toMatch(/undefined|NaN|\[object/);
  });

  it('keeps what names and answers hold from becoming markup', () => {
    const hostile = 'x | <img src=x onerror=alert(1)>\n# **bold** `code` [a](b)';
    const text = reportMarkdown({ ...result, data: { ...result.data, name: hostile } });
    const outside = text.replace(/```sh[^]*?```/, '');
    expect(outside).not.toContain('<img');
    expect(outside).not.toMatch(/^# \*\*bold/m);
    expect(outside).toContain('x \\| &lt;img src=x onerror=alert(1)\\> ↵ \\# \\*\\*bold\\*\\*');
    // Every table keeps its columns: as many bars that part cells in each line as in its heading.
    for (const table of outside
      .trimEnd()
      .split('\n\n')
      .filter((block) => block.startsWith('|'))) {
      const bars = table.split('\n').map((line) => line.replaceAll('\\|', '').split('|').length);
      expect(new Set(bars).size, table.slice(0, 200)).toBe(1);
    }
  });
});

describe('what collapsed and where arms part, in both forms', () => {
  const hostile = 'x | <b>\n# y';
  const made = syntheticComparison({ steps: 20, diverge: false, seeds: [0, 1, 2] });
  const broken = {
    ...made,
    runs: made.runs.map((run) => {
      const evaluation = {
        ...run.evaluation!,
        meanMargin: (run.loss === 'dpo' ? 0 : 5) + run.seed,
        klToReference: { samples: 2, tokens: 9, perToken: run.loss === 'dpo' ? 3 : 0.1 },
      };
      const at = { step: 10, evaluation: { ...evaluation, perPair: undefined, task: undefined } };
      const samples = [{ prompt: hostile, output: `${run.loss} ${hostile}`, tokens: 4, repetition: 0 }];
      return { ...run, evaluation, evaluations: [{ ...at, samples }] };
    }),
  } as unknown as typeof made;
  const rows = [5e-6, 5e-5].flatMap((rate) => [0, 1, 2].map((seed) => ({ rate, seed })));

  it('names each run’s rule with its step', () => {
    const text = reportMarkdown(broken);
    for (const { rate, seed } of rows)
      expect(text).toContain(
        `| dpo | ${rate === 5e-6 ? '5e-6' : '5e-5'} | – | ${seed} | KL to the reference above 1 nat per token | 10 |`,
      );
    expect(text).not.toMatch(/\| minor-dpo \|[^\n]*KL to the reference above/);
    const page = reportPage(broken, { library: '', drawing: '' }).replace(/\s+/g, ' ');
    const table = /<details id="collapses" open>.*?<\/table>/.exec(page)![0];
    for (const { rate, seed } of rows)
      expect(table).toContain(
        `title="c.collapse.dpo.lr${rate === 5e-6 ? '5e-6' : '5e-5'}.s${seed}.kl" > 10`.replace(' > ', '>'),
      );
  });

  it('shows both arms’ answers where they part, as text', () => {
    const text = reportMarkdown(broken);
    expect(text).toContain('part in raw margin c − r at step 10, and stay apart (minor-dpo − dpo: +5');
    expect(text).toContain(
      '| x \\| &lt;b\\> ↵ \\# y | dpo x \\| &lt;b\\> ↵ \\# y | minor-dpo x \\| &lt;b\\> ↵ \\# y |',
    );
    const page = reportPage(broken, { library: '', drawing: '' });
    const outside = page.replace(/<script[^]*?<\/script>/g, '');
    expect(outside).toContain('id="partings"');
    expect(outside).toContain('minor-dpo x | &lt;b&gt;');
    expect(outside).not.toContain('x | <b>');
  });
});

describe('reading a report', () => {
  it('gives back what was written, from the page and from JSON', async () => {
    const plain: unknown = JSON.parse(JSON.stringify(result));
    await writeReport(at('report.json'), result);
    await writeReport(at('report.html'), result);
    expect(await readReport(at('report.json'))).toEqual(plain);
    expect(await readReport(at('report.html'))).toEqual(plain);
    writeFileSync(at('printed.json'), JSON.stringify({ schema: 1, command: 'compare', comparison: result }));
    expect(await readReport(at('printed.json'))).toEqual(plain);
  });

  it('says what is wrong with a file that is none', async () => {
    await writeReport(at('report.csv'), result);
    writeFileSync(at('broken.json'), '{"schema": 1,');
    writeFileSync(at('other.json'), JSON.stringify({ ...result, runs: [{ id: 1 }] }));
    const complaint = async (name: string): Promise<string> =>
      readReport(at(name)).then(
        () => 'read',
        (error: unknown) => String(error),
      );
    expect(await complaint('absent.html')).toMatch(/absent\.html: cannot be read/);
    expect(await complaint('report.csv')).toMatch(
      /report\.csv: holds no result; reports in HTML and JSON do/,
    );
    expect(await complaint('broken.json')).toMatch(/broken\.json: is not JSON/);
    expect(await complaint('other.json')).toMatch(/runs\.0\.id/);
  });
});

describe('ids in the page', () => {
  const page = reportPage(result, { library: '', drawing: '' });

  it('are in a table of all numbers, and titles of the cells that show them', () => {
    const listed = [...page.matchAll(/<td><code>([^<]*)<\/code><\/td>/g)].map(([, id]) => id);
    expect(listed).toEqual(numbers.map(({ id }) => id));
    const titled = [...page.matchAll(/<td class="(?:number|spread)"[^>]*title="(c3\.[^"]*)"/g)].map(
      ([, id]) => id!,
    );
    expect(titled.every((id) => listed.includes(id))).toBe(true);
    for (const id of [
      'c3.task.base',
      'c3.task.dpo.lr5e-6.mean',
      'c3.task.dpo.lr5e-6.sd',
      'c3.margin.dpo.lr5e-6.s1',
    ])
      expect(titled).toContain(id);
    expect(titled).toContain('c3.final-loss.minor-dpo.lr5e-5.mean');
  });
});
