/**
 * Speed of this engine, and with --python that of TRL on the same work: see `usage`.
 * Nothing is said about speed before both halves are shown to have done the same work.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { InputError, UsageError } from '../../src/shared/errors.ts';
import { requireTrl, runEngine, runTrl } from './half.ts';
import { checkAgreement, limits, median, totalSeconds, type Agreement, type HalfReport } from './report.ts';
import { prepareWork, writeStartAdapter, type Work } from './work.ts';

const usage = `Usage: npm run bench -- [--python PATH] [--model PATH] [--data PATH] [--pairs 16] [--threads 2] [--repeats 1] [--json]

DPO on HH-RLHF pairs: LoRA r 16 on all linear layers, float32, batches of one, reference log-probs computed first.
--python names the Python of an environment with TRL (test/parity/requirements.txt); without it only this engine runs.`;

interface Options {
  readonly python: string | undefined;
  readonly model: string | undefined;
  readonly data: string | undefined;
  readonly pairs: number;
  readonly threads: number;
  readonly repeats: number;
  readonly json: boolean;
}

function parseOptions(): Options | undefined {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        python: text,
        model: text,
        data: text,
        pairs: { ...text, default: '16' },
        threads: { ...text, default: '2' },
        repeats: { ...text, default: '1' },
        json: flag,
        help: flag,
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values.help) return undefined;
  const count = (name: 'pairs' | 'threads' | 'repeats'): number => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new UsageError(`--${name} should be a whole number from 1 up, not ${values[name]}`);
    }
    return value;
  };
  return {
    python: values.python,
    model: values.model,
    data: values.data,
    pairs: count('pairs'),
    threads: count('threads'),
    repeats: count('repeats'),
    json: values.json === true,
  };
}

interface Measurement {
  readonly work: Work;
  readonly engine: readonly HalfReport[];
  /** Empty without --python. */
  readonly trl: readonly HalfReport[];
  /** The worst over all repeats. */
  readonly agreement: Agreement | undefined;
}

async function measure(options: Options, scratch: string): Promise<Measurement> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const { python, repeats } = options;
  if (python !== undefined) requireTrl(python);
  const work = await prepareWork(options, options.pairs, scratch);
  say(`${work.pairs.length} pairs of ${work.data} on ${work.model}`);
  const input = {
    model: work.modelFolder,
    pairs: join(scratch, 'pairs.json'),
    adapter: join(scratch, 'adapter'),
    threads: options.threads,
    out: join(scratch, 'report.json'),
  };
  writeFileSync(input.pairs, JSON.stringify(work.pairs));
  writeStartAdapter(work.modelFolder, input.adapter);
  const engine: HalfReport[] = [];
  const trl: HalfReport[] = [];
  const agreements: Agreement[] = [];
  // By turns, so that a machine that slows down does so for both.
  for (let repeat = 1; repeat <= repeats; repeat++) {
    say(`this engine, ${repeat} of ${repeats} …`);
    engine.push(await runEngine(input));
    if (python === undefined) continue;
    say(`TRL, ${repeat} of ${repeats} …`);
    trl.push(await runTrl(python, input));
    agreements.push(checkAgreement(work.pairs, engine.at(-1)!, trl.at(-1)!));
  }
  const worst = (of: keyof Agreement): number => Math.max(...agreements.map((each) => each[of]));
  const agreement =
    agreements.length === 0
      ? undefined
      : { referenceLogProb: worst('referenceLogProb'), loss: worst('loss') };
  return { work, engine, trl, agreement };
}

/** One half over all repeats: medians, but the largest peak. */
interface Summary {
  readonly pairs_per_second: number;
  readonly training_pairs_per_second: number;
  readonly total_seconds: number;
  readonly session_seconds: number | undefined;
  readonly reference_seconds: number;
  readonly training_seconds: number;
  /** Share of the training loop spent outside the runtime. */
  readonly script_share: number | undefined;
  readonly peak_rss_bytes: number;
}

function summarise(halves: readonly HalfReport[], pairs: number): Summary {
  const middle = (of: (half: HalfReport) => number): number => median(halves.map(of));
  const ours = halves[0]!.session_seconds !== undefined;
  return {
    pairs_per_second: pairs / middle(totalSeconds),
    training_pairs_per_second: pairs / middle((half) => half.training_seconds),
    total_seconds: middle(totalSeconds),
    session_seconds: ours ? middle((half) => half.session_seconds!) : undefined,
    reference_seconds: middle((half) => half.reference_seconds),
    training_seconds: middle((half) => half.training_seconds),
    script_share: ours ? middle((half) => half.script_seconds! / half.training_seconds) : undefined,
    peak_rss_bytes: Math.max(...halves.map((half) => half.peak_rss_bytes)),
  };
}

function machine(): { cpu: string; cores: number; memory_bytes: number; platform: string } {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory_bytes: totalmem(),
    platform: `${process.platform}-${process.arch}`,
  };
}

function printJson(options: Options, { work, engine, trl, agreement }: Measurement): void {
  const ours = summarise(engine, work.pairs.length);
  const theirs = trl.length > 0 ? summarise(trl, work.pairs.length) : undefined;
  const document = {
    schema: 1,
    machine: machine(),
    model: work.model,
    data: work.data,
    pairs: work.pairs.length,
    tokens: tokensOf(work),
    threads: options.threads,
    repeats: options.repeats,
    ...(agreement && {
      largest_difference: { reference_log_prob: agreement.referenceLogProb, loss: agreement.loss },
    }),
    engine: { ...ours, versions: engine[0]!.versions, runs: engine.map(withoutTokens) },
    ...(theirs && {
      trl: { ...theirs, versions: trl[0]!.versions, runs: trl.map(withoutTokens) },
      ratio: ours.pairs_per_second / theirs.pairs_per_second,
      training_ratio: ours.training_pairs_per_second / theirs.training_pairs_per_second,
    }),
  };
  console.log(JSON.stringify(document, undefined, 1));
}

function withoutTokens(half: HalfReport): Partial<HalfReport> {
  const rest: Partial<Record<keyof HalfReport, unknown>> = { ...half };
  delete rest.pairs_seen;
  delete rest.versions;
  return rest as Partial<HalfReport>;
}

/** As TRL counts them: the prompt once with each answer. */
function tokensOf({ pairs }: Work): number {
  return pairs.reduce(
    (sum, { prompt, chosen, rejected }) => sum + 2 * prompt.length + chosen.length + rejected.length,
    0,
  );
}

function printText(options: Options, { work, engine, trl, agreement }: Measurement): void {
  const { cpu, cores, memory_bytes: memory, platform } = machine();
  const versions = (half: HalfReport | undefined): string =>
    Object.entries(half?.versions ?? {})
      .map(([name, version]) => `${name} ${version}`)
      .join(', ');
  console.log(`Machine   ${cpu}, ${cores} cores, ${(memory / 2 ** 30).toFixed(0)} GiB, ${platform}`);
  console.log(
    `Work      ${work.pairs.length} pairs (${tokensOf(work)} tokens), ${options.threads} threads, ${options.repeats} repeat${options.repeats === 1 ? '' : 's'}`,
  );
  console.log(`Versions  ${versions(engine[0])}`);
  if (trl[0]) console.log(`          ${versions(trl[0])}`);
  if (agreement) {
    console.log(
      `Equality  same token ids; reference log-probs within ${agreement.referenceLogProb.toExponential(1)} ` +
        `(limit ${limits.referenceLogProb}), losses within ${agreement.loss.toExponential(1)} (limit ${limits.loss})`,
    );
  }
  const ours = summarise(engine, work.pairs.length);
  const rows: [string, Summary][] = [['Plumbline', ours]];
  if (trl.length > 0) rows.push(['TRL', summarise(trl, work.pairs.length)]);
  const cells = (...texts: string[]): string => texts.map((each) => each.padStart(13)).join('');
  const seconds = (value: number | undefined): string =>
    value === undefined ? '–' : `${value.toFixed(1)} s`;
  console.log('');
  console.log(
    `          ${cells('pairs/s', 'total', 'sessions', 'reference', 'training', 'pairs/s', 'peak RSS')}`,
  );
  console.log(`          ${cells('in total', '', '', '', '', 'training', '')}`);
  for (const [name, row] of rows) {
    const gigabytes = `${(row.peak_rss_bytes / 1e9).toFixed(2)} GB`;
    console.log(
      name.padEnd(10) +
        cells(
          row.pairs_per_second.toFixed(3),
          seconds(row.total_seconds),
          seconds(row.session_seconds),
          seconds(row.reference_seconds),
          seconds(row.training_seconds),
          row.training_pairs_per_second.toFixed(3),
          gigabytes,
        ),
    );
  }
  const theirs = rows[1]?.[1];
  if (theirs) {
    const times = (a: number, b: number): string => `${(a / b).toFixed(2)}×`;
    const empty = ['', '', '', ''] as const;
    console.log(
      'Ratio'.padEnd(10) +
        cells(
          times(ours.pairs_per_second, theirs.pairs_per_second),
          ...empty,
          times(ours.training_pairs_per_second, theirs.training_pairs_per_second),
          times(ours.peak_rss_bytes, theirs.peak_rss_bytes),
        ),
    );
  }
  console.log('');
  console.log(
    `Outside the runtime (packing, telemetry, clipping, AdamW): ${(100 * ours.script_share!).toFixed(1)} % of training.`,
  );
}

async function main(): Promise<void> {
  const options = parseOptions();
  if (!options) {
    console.log(usage);
    return;
  }
  const scratch = mkdtempSync(join(tmpdir(), 'plumbline-bench-'));
  const interrupted = (): void => process.exit(130);
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const clear = (): void => rmSync(scratch, { recursive: true, force: true });
  process.once('exit', clear);
  const measurement = await measure(options, scratch);
  (options.json ? printJson : printText)(options, measurement);
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
