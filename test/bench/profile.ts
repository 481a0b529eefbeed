/** Where the time of a training step goes: see `usage`. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openModel } from '../../src/main/engine/models/load.ts';
import { runtimeVersion } from '../../src/main/engine/session/session.ts';
import { InputError, UsageError } from '../../src/shared/errors.ts';
import { neededSequences, trainingArithmetic } from './training/arithmetic.ts';
import { settings } from './training/half-report.ts';
import { script } from './training/halves.ts';
import { meanTokens, prepareInput } from './training/measure.ts';
import { parseCount, parseWorkloads } from './training/options.ts';
import { runProcess } from './training/process.ts';
import { kernelTable, partTable, type ProfileReport } from './training/profile-report.ts';
import { thisMachine } from './training/summary.ts';
import { textTable } from './training/tables.ts';
import { makeWork, prepareMaterial } from './training/work.ts';
import { workloads } from './training/workloads.ts';

const profiled = workloads.filter(({ name }) => name !== 'grid');
const usage = `Usage: npm run profile -- [options]

Time of DPO updates of ${settings.update} pairs by part and by kernel, after one update to warm up: LoRA r ${settings.rank} on all linear layers, float32.

  --workload NAME[,NAME]  ${profiled.map(({ name }) => name).join(', ')} (default: short)
  --model PATH            a model's folder or .gguf file instead of the usual one
  --pairs N               pairs that are timed (default: ${settings.update})
  --threads N             (default: 2)
  --low-memory            in the mode that takes the least memory
  --json                  print one JSON document`;

function parseOptions() {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({
      options: {
        workload: { ...text, default: 'short' },
        model: text,
        pairs: { ...text, default: String(settings.update) },
        threads: { ...text, default: '2' },
        'low-memory': flag,
        json: flag,
        help: { ...flag, short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function main(): Promise<void> {
  const values = parseOptions();
  if (values.help) {
    console.log(usage);
    return;
  }
  const asked = parseWorkloads(values.workload);
  const other = asked.find((workload) => !profiled.includes(workload));
  if (other) throw new UsageError(`--workload: ${other.name} is many trainings and is not profiled`);
  const pairs = parseCount('pairs', values.pairs);
  const threads = parseCount('threads', values.threads);
  const scratch = mkdtempSync(join(tmpdir(), 'plumbline-profile-'));
  const interrupted = (): void => process.exit(130);
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
  const material = await prepareMaterial(values.model, scratch);
  const results = [];
  for (const workload of asked) {
    process.stderr.write(`${workload.name}: ${workload.what}\n`);
    const work = makeWork(workload, material, pairs);
    const input = prepareInput(workload, work, material, { threads }, scratch);
    const out = join(input.scratch, 'profile.json');
    await runProcess('the profile', process.execPath, [
      script('profile_half.ts'),
      ...['--model', input.model, '--pairs', input.pairs, '--adapter', input.adapter],
      ...['--threads', String(threads), '--scratch', input.scratch, '--out', out],
      ...(values['low-memory'] ? ['--low-memory'] : []),
    ]);
    const report = JSON.parse(readFileSync(out, 'utf8')) as ProfileReport;
    const { config } = openModel(input.model, input.model);
    const sequences = neededSequences(work.pairs, settings.update);
    const arithmetic = trainingArithmetic(config, settings.rank, sequences);
    const tokens = meanTokens(work);
    results.push({ workload: workload.name, tokens, arithmetic, ...report });
    if (values.json) continue;
    const mean = (value: number): string => value.toFixed(0);
    console.log(
      `\n${workload.name}: ${report.pairs} pairs in ${report.updates} update${report.updates === 1 ? '' : 's'}, ` +
        `on average ${mean(tokens.prompt)} + ${mean(tokens.chosen)} + ${mean(tokens.rejected)} tokens, ` +
        `${material.model}, ${threads} threads, onnxruntime-node ${runtimeVersion}\n`,
    );
    console.log(`${textTable(partTable(report, arithmetic))}\n\n${textTable(kernelTable(report, 16))}`);
  }
  if (values.json) console.log(JSON.stringify({ schema: 1, machine: thisMachine(), results }, undefined, 1));
}

try {
  await main();
} catch (error) {
  if (error instanceof UsageError) {
    console.error(`profile: ${error.message}\n\n${usage}`);
    process.exitCode = 2;
  } else {
    console.error(error instanceof InputError ? `profile: ${error.message}` : error);
    process.exitCode = 1;
  }
}
