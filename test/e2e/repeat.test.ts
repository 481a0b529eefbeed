import Database from 'better-sqlite3';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServices } from '../../src/main/service/index.ts';
import type { ComparisonResult } from '../../src/shared/comparison.ts';
import type { CompareAgainResult, CompareResult, Services, TraceResult } from '../../src/shared/contract.ts';
import type { ReportNumber } from '../../src/shared/report/numbers.ts';
import { expectInMarkdown } from './markdown-numbers.ts';
import { recalculation } from './recalculate.ts';
import { plumbline, scratchFolder, sums, writeLines, writeTinyModel } from './support.ts';

const { path: folder, remove } = scratchFolder();
const home = join(folder, 'home');
const at = (name: string): string => join(folder, name);
let result: CompareResult;

beforeAll(async () => {
  writeTinyModel(at('tiny'));
  writeLines(at('pairs.jsonl'), sums(16));
  writeLines(
    at('questions.jsonl'),
    [1, 2, 3, 4].map((left) => ({ prompt: `What is ${left} plus 1?`, answer: String(left + 1) })),
  );
  const { code, err, json } = await plumbline(home, [
    ...[
      'compare',
      '--model',
      at('tiny'),
      '--data',
      at('pairs.jsonl'),
      '--batch-size',
      4,
      '--eval-share',
      0.25,
    ],
    // The last of the rates leaves nothing of a model.
    ...['--lr', '1e-3,1e-2,3', '--seeds', '0,1,2', '--lora-r', 4, '--task-data', at('questions.jsonl')],
    ...['--warmup', 0, '--eval-every', 1, '--sample-prompts', 2, '--sample-tokens', 8],
    ...['--eval-kl-prompts', 2, '--eval-questions', 3, '--kl-prompts', 4],
    ...['--task-tokens', 4, '--report', at('report.html'), '--json'],
  ]);
  expect(err).not.toContain('plumbline:');
  expect(code).toBe(0);
  result = json<CompareResult>();
});
afterAll(remove);

/** The CSV's lines without its heading, cut at commas: no cell of it has one within. */
const csvRows = (name: string): string[][] =>
  readFileSync(at(name), 'utf8')
    .trimEnd()
    .split('\r\n')
    .slice(1)
    .map((line) => line.split(','));

describe('a report in other forms', () => {
  it('is written as the path or --format says', async () => {
    const run = result.comparison.runs[0]!.id;
    for (const [name, ...more] of [
      ['again.md'],
      ['again.csv'],
      ['again.json'],
      ['again.txt', '--format', 'md'],
    ]) {
      const { code } = await plumbline(home, ['runs', 'report', run, '--report', at(name!), ...more]);
      expect(code).toBe(0);
    }
    expect(readFileSync(at('again.md'), 'utf8')).toContain(result.comparison.command);
    // Each says when it was made.
    const undated = (name: string): string => readFileSync(at(name), 'utf8').replace(/\| made \|.*/, '');
    expect(undated('again.txt')).toBe(undated('again.md'));
    const json = JSON.parse(readFileSync(at('again.json'), 'utf8')) as ComparisonResult;
    expect(json.schema).toBe(1);
    expect(json.runs).toEqual(JSON.parse(JSON.stringify(result.comparison.runs)));
    expect(csvRows('again.csv').length).toBeGreaterThan(100);
    const { code, err } = await plumbline(home, [
      ...['runs', 'report', run, '--report', at('x'), '--format', 'pdf'],
    ]);
    expect(code).toBe(2);
    expect(err).toContain('--format must be one of html, md, csv, json, not "pdf"');
  });
});

describe('tracing', () => {
  let services: Services;
  let database: Database.Database;
  const done = new Map<string, number>();

  beforeAll(async () => {
    services = await createServices({ home });
    database = new Database(join(home, 'plumbline.db'), { readonly: true });
  });
  afterAll(async () => {
    database.close();
    await services.close();
  });

  const runOf = new Map<string, string>();

  it('recalculates every number of the report from rows of the database, to the same digits', async () => {
    await services.report({ comparison: 1, report: at('traced.csv') });
    const rows = csvRows('traced.csv');
    const shown = new Map(rows.map(([id, , , , , , , , value]) => [id!, Number(value)]));
    for (const [id, , , , , , , , , , run] of rows) if (run) runOf.set(id!, run);
    const calculated = recalculation(database, result.comparison, runOf);
    const numberOf = new Map<string, ReportNumber>();
    const value = (id: string): number => {
      const known = done.get(id);
      if (known !== undefined) return known;
      const found = calculated(numberOf.get(id)!, value);
      done.set(id, found);
      return found;
    };
    for (const id of shown.keys()) {
      const { number, from } = await services.trace({ number: id });
      for (const each of [number, ...from]) numberOf.set(each.id, each);
      expect(number.value, id).toBe(shown.get(id));
    }
    for (const [id, digits] of shown) expect(value(id), id).toBe(digits);
    // Every measure, statistic and kind of row was among them.
    expect([...shown.keys()].filter((id) => id.includes('bootstrap')).length).toBeGreaterThan(20);
    expect(new Set([...numberOf.values()].flatMap(({ reads }) => reads.map(({ kind }) => kind)))).toEqual(
      new Set(['evaluation', 'evaluation-step', 'metrics', 'run', 'job']),
    );
    for (const part of ['.collapse.', '.kl', '.parting.s0.', '.parting.step', '.parting.half-width'])
      expect([...shown.keys()].filter((id) => id.includes(part)).length, part).toBeGreaterThan(0);
    const page = readFileSync(at('report.html'), 'utf8');
    const inPage = [...page.matchAll(/<td><code>([^<]*)<\/code><\/td>/g)].map(([, id]) => id);
    expect(inPage).toEqual([...shown.keys()]);
    await services.report({ comparison: 1, report: at('traced.md') });
    expectInMarkdown(readFileSync(at('traced.md'), 'utf8'), shown, value);
  });

  it('prints rows and arithmetic, and finds a number by words', async () => {
    const words = 'task accuracy, minor-dpo, lr 1e-3';
    const { code, out } = await plumbline(home, ['trace', words, '--report', at('report.html')]);
    expect(code).toBe(0);
    expect(out).toMatch(/^task accuracy, minor-dpo, lr 1e-3, mean\nc1\.task\.minor-dpo\.lr1e-3\.mean = /);
    expect(out).toMatch(/evaluations row \d+ \(run \d+\): task\.correct = \d/);
    expect(out).toContain('the report says the same, to the last digit');
    const json = await plumbline(home, ['trace', 'c1.final-loss.dpo.lr1e-2.s2', '--json']);
    expect(json.json<TraceResult>().number.reads).toMatchObject([
      { kind: 'metrics', name: 'loss', steps: [3] },
    ]);
  });

  it('says what it cannot find, and where a report says otherwise', async () => {
    const complaint = async (...args: string[]): Promise<string> => {
      const { code, err } = await plumbline(home, ['trace', ...args]);
      expect(code).toBe(1);
      return err;
    };
    expect(await complaint('task')).toContain('"task" is no number\'s id, such as c1.task.minor-dpo');
    expect(await complaint('c9.task.base')).toContain('there is no comparison 9');
    expect(await complaint('c1.task.nobody')).toContain('has no number "c1.task.nobody"');
    expect(await complaint('task accuracy, lr 1e-3', '--report', at('report.html'))).toMatch(
      /may be \d+ numbers/,
    );
    doctor('doctored.json', (report) => (report.base.task!.correct += 1));
    const { code, out } = await plumbline(home, ['trace', 'c1.task.base', '--report', at('doctored.json')]);
    expect(code).toBe(1);
    expect(out).toContain('the report says otherwise: ');
  });
});

type Changeable = {
  -readonly [Name in keyof ComparisonResult]: ComparisonResult[Name] extends object
    ? // eslint-disable-next-line @typescript-eslint/no-explicit-any
      any
    : ComparisonResult[Name];
};

/** The report's result, changed by hand. */
function doctor(name: string, change: (report: Changeable) => void): string {
  const report = JSON.parse(JSON.stringify(result.comparison)) as Changeable;
  change(report);
  writeFileSync(at(name), JSON.stringify(report));
  return at(name);
}

describe('compare --from', () => {
  it('carries the page’s comparison out again, and finds it the same to the last digit', async () => {
    const { code, out } = await plumbline(home, [
      'compare',
      '--from',
      at('report.html'),
      '--report',
      at('second.md'),
    ]);
    expect(out).toMatch(/the same to the last digit: \d{3,} values/);
    expect(code).toBe(0);
    expect(out).not.toContain('other than when');
    expect(existsSync(at('second.md'))).toBe(true);
  });

  it('names the number that a doctored report has, and notes another thread count', async () => {
    const file = doctor('doctored.json', (report) => {
      report.runs[0].evaluation.meanMargin += 1e-9;
      report.config.threads = 2;
    });
    const { code, json } = await plumbline(home, ['compare', '--from', file, '--json']);
    expect(code).toBe(1);
    const found = json<CompareAgainResult>();
    const { loss, learningRate, seed } = result.comparison.runs[0]!;
    const id = `margin.${loss}.lr${learningRate.toExponential()}.s${seed}`;
    const named = found.differences.find(({ where }) => where === id)!;
    expect(named.after).toBe(result.comparison.runs[0]!.evaluation!.meanMargin);
    expect(named.difference).toBeCloseTo(-1e-9, 12);
    expect(found.same).toBe(false);
    expect(found.conditions).toEqual(['threads: 2 before, 1 now']);
    // Of the record nothing else differs.
    const inRecord = found.differences.filter(({ where }) => where.includes(': '));
    expect(inRecord.map(({ where }) => where)).toEqual([`${loss}, lr 1e-3, seed ${seed}: meanMargin`]);
  });

  it('refuses other or missing models and data, and options that the report decides', async () => {
    const refused = async (...args: string[]): Promise<string> => {
      const { code, err } = await plumbline(home, ['compare', '--from', ...args]);
      expect(code).toBeGreaterThan(0);
      return err;
    };
    const other = writeLines(at('other.jsonl'), sums(16, 50));
    const elsewhere = join(folder, 'elsewhere');
    const fresh = async (...args: string[]): Promise<string> =>
      (await plumbline(elsewhere, ['compare', '--from', ...args])).err;
    expect(await fresh(at('report.html'), '--data', other)).toMatch(
      /other\.jsonl: these are not the report's data: their hash is \w{16}…, the report's \w{16}…/,
    );
    writeTinyModel(at('other-model'), { seed: 5 });
    expect(await fresh(at('report.html'), '--model', at('other-model'))).toMatch(
      /other-model: this is not the report's model: its hash is \w{16}…, the report's \w{16}…; that is here as tiny/,
    );
    const moved = doctor('moved.json', (report) => {
      report.command = report.command.replaceAll(at('tiny'), '/nowhere/tiny');
    });
    // Nothing here has the hash but what was imported on the way: known by it, whatever its name.
    await plumbline(elsewhere, ['models', 'remove', 'tiny', '--yes']);
    expect(await fresh(moved)).toMatch(/the report's model tiny \(hash \w{16}…\) is not here; import it/);
    expect(await refused(at('report.html'), '--lr', '1e-4')).toContain('--lr cannot be given with --from');
    expect((await plumbline(home, ['compare'])).err).toContain('compare needs --model M');
  });
});
