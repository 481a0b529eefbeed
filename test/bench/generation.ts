/** Speed of greedy generation with this engine, and with --python that of transformers on the same prompts: see `usage`. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { InputError, UsageError } from '../../src/shared/errors.ts';
import { agreementOf, requireAgreement } from './generation/agreement.ts';
import { runEngine, runTransformers, type HalfInput, type HalfReport } from './generation/half.ts';
import { prepareQuestions, writeAdapters, type Questions } from './generation/questions.ts';
import { differenceOf, linesOf, sideOf, tableOf, type Result, type RowResult } from './generation/report.ts';
import { batchSizes, rows, type Row } from './generation/rows.ts';
import { parseCount } from './training/options.ts';
import { requirePython } from './training/halves.ts';
import { thisMachine } from './training/summary.ts';
import { betweenMarks, markdownTable, textTable } from './training/tables.ts';

const usage = `Usage: npm run bench:generation -- [options]

Greedy generation with a cache of keys and values: this engine, and with --python transformers' generate in float32 on the same
token ids, by turns in fresh processes. Answers are shown to agree before speeds are told.

  --row NAME[,NAME]  ${rows.map(({ name }) => name).join(', ')} (default: all)
  --python PATH      the Python of an environment with transformers (test/parity/requirements.txt); without it only this engine runs
  --best N           transformers' batch size for evaluation, instead of a search among ${batchSizes.join(', ')}
  --questions N      questions of evaluation (default: ${rows.at(-1)!.questions})
  --repeats N        how often each is measured, by turns (default: 1)
  --threads N        (default: 2)
  --model PATH       a model's folder or .gguf file instead of the usual one
  --write            put the figures into docs/performance.md

Without ../shared the model and the questions of the bundled example are used.`;

const documentFile = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));

function parseOptions() {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        row: text,
        python: text,
        best: text,
        questions: text,
        repeats: { ...text, default: '1' },
        threads: { ...text, default: '2' },
        model: text,
        write: flag,
        help: { ...flag, short: 'h' },
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const asked = values.row?.split(',').map((name) => {
    const found = rows.find((row) => row.name === name.trim());
    if (!found)
      throw new UsageError(`--row: there is no ${name}; there are ${rows.map((row) => row.name).join(', ')}`);
    return found;
  });
  const questions = values.questions === undefined ? undefined : parseCount('questions', values.questions);
  return {
    ...values,
    rows: (asked ?? rows).map((row) =>
      questions !== undefined && row.name === 'evaluation' ? { ...row, questions } : row,
    ),
    best: values.best === undefined ? undefined : parseCount('best', values.best),
    repeats: parseCount('repeats', values.repeats),
    threads: parseCount('threads', values.threads),
  };
}
type Options = ReturnType<typeof parseOptions>;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** One row: the programs by turns, so that a machine that slows down does so for both. */
async function measure(
  row: Row,
  questions: Questions,
  options: Options,
  scratch: string,
): Promise<RowResult> {
  say(`${row.name}: ${row.what}`);
  const folder = join(scratch, row.name);
  mkdirSync(folder);
  const input: HalfInput = {
    model: questions.modelFolder,
    threads: options.threads,
    scratch: folder,
    work: {
      prompts: questions.prompts.slice(0, row.questions),
      end_tokens: row.obeysEnd ? questions.endTokens : [],
      max_tokens: row.maxTokens,
      adapters: writeAdapters(questions.modelFolder, folder, row.arms),
    },
  };
  const { python } = options;
  const search =
    python !== undefined && row.batch === undefined && options.best === undefined
      ? await searchBatch(python, input)
      : undefined;
  const best = search?.reduce((least, each) => (each.seconds < least.seconds ? each : least)).batch;
  const batch = row.batch ?? options.best ?? best ?? 1;
  const ours: HalfReport[] = [];
  const theirs: HalfReport[] = [];
  for (let repeat = 1; repeat <= options.repeats; repeat++) {
    say(`  Plumbline, ${repeat} of ${options.repeats} …`);
    ours.push(await runEngine(input, row));
    if (python === undefined) continue;
    say(`  transformers, ${repeat} of ${options.repeats} …`);
    theirs.push(await runTransformers(python, input, batch));
  }
  const agreement =
    theirs[0] &&
    agreementOf(ours[0]!.arms.map(({ answers }, arm) => [answers, theirs[0]!.arms[arm]!.answers]));
  // 8-bit weights are another model, if a similar one: how similar is told, not asked for.
  if (agreement && row.weights === 'float32') requireAgreement(agreement);
  const logProbs = row.weights === 'float32' ? undefined : await compareScores(row, input);
  return {
    row,
    ...(logProbs ? { logProbs } : {}),
    sides: [
      sideOf(row.weights === 'float32' ? 'Plumbline' : `Plumbline, ${row.weights}`, ours),
      ...(theirs.length > 0
        ? [sideOf(row.batch === undefined ? `transformers, batch ${batch}` : 'transformers', theirs)]
        : []),
    ],
    ...(agreement ? { agreement } : {}),
    ...(search ? { search } : {}),
  };
}

/** What one arm takes transformers with each batch size. Batches of 1 answer a quarter of the questions: they take that long. */
async function searchBatch(python: string, input: HalfInput) {
  const found: { batch: number; seconds: number }[] = [];
  const { prompts, adapters } = input.work;
  for (const batch of batchSizes.filter((size) => size <= prompts.length)) {
    const step = batch === 1 ? 4 : 1;
    const some = prompts.filter((_, place) => place % step === 0);
    const work = { ...input.work, prompts: some, adapters: adapters.slice(0, 1) };
    const { arms } = await runTransformers(python, { ...input, work }, batch);
    const seconds = (arms[0]!.seconds * prompts.length) / some.length;
    say(`  transformers, batch ${batch}: ${seconds.toFixed(1)} s`);
    found.push({ batch, seconds });
  }
  return found;
}

/** Both precisions score what float32 weights generate. */
async function compareScores(row: Row, input: HalfInput): Promise<RowResult['logProbs']> {
  const { arms } = await runEngine(input, { ...row, weights: 'float32' });
  const scored = arms[0]!.answers;
  const work = { ...input.work, scored };
  const score = async (weights: Row['weights']): Promise<readonly (readonly number[])[]> =>
    (await runEngine({ ...input, work }, { ...row, weights })).log_probs!;
  return differenceOf([await score('float32'), await score(row.weights)]);
}

async function main(): Promise<void> {
  const options = parseOptions();
  if (options.help) {
    console.log(usage);
    return;
  }
  if (options.python !== undefined) requirePython(options.python, ['torch', 'transformers', 'peft']);
  const scratch = mkdtempSync(join(tmpdir(), 'plumbline-bench-'));
  process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(130));
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
  const most = Math.max(...options.rows.map((row) => row.questions));
  const questions = await prepareQuestions(options.model, scratch, most);
  const before = loadavg()[0]!;
  const measured: RowResult[] = [];
  for (const row of options.rows) measured.push(await measure(row, questions, options, scratch));
  const { model, source, prompts } = questions;
  const result: Result = {
    rows: measured,
    model,
    source,
    threads: options.threads,
    repeats: options.repeats,
    promptTokens: prompts.reduce((sum, { length }) => sum + length, 0) / prompts.length,
    load: [before, loadavg()[0]!],
  };
  const lines = linesOf(result, thisMachine());
  const table = tableOf(result);
  console.log(`\n${lines.join('\n')}\n\n${textTable(table)}\n`);
  if (!options.write) return;
  const text = `${lines.map((line) => `- ${line}`).join('\n')}\n\n${markdownTable(table)}`;
  writeFileSync(documentFile, betweenMarks(readFileSync(documentFile, 'utf8'), 'generation', text));
}

try {
  await main();
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`bench: ${error.message}\n\n${usage}`);
    process.exitCode = 2;
  } else {
    // What a person can mend is one line; anything else keeps its place in the code.
    console.error(error instanceof InputError ? `bench: ${error.message}` : error);
    process.exitCode = 1;
  }
}
