/**
 * Speed of training with this engine, and with --python that of TRL on the same work: see `usage` (options.ts).
 * Nothing is said about speed before all programs are shown to have done the same work.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError, UsageError } from '../../../src/shared/errors.ts';
import { measureGrid } from './grid.ts';
import { requireTrl } from './halves.ts';
import { measureTraining } from './measure.ts';
import { parseOptions, usage } from './options.ts';
import { thisMachine, type Result } from './summary.ts';
import { linesOf, tableOf, textTable, withFigures } from './tables.ts';
import { prepareMaterial } from './work.ts';

const documentFile = fileURLToPath(new URL('../../../docs/performance.md', import.meta.url));

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (!options) {
    console.log(usage);
    return;
  }
  const scratch = mkdtempSync(join(tmpdir(), 'plumbline-bench-'));
  const interrupted = (): void => process.exit(130);
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  if (options.python !== undefined) requireTrl(options.python);
  const material = await prepareMaterial(options.model, scratch);
  const machine = thisMachine();
  const results: Result[] = [];
  for (const workload of options.workloads) {
    say(`${workload.name}: ${workload.what}`);
    const measure = workload.name === 'grid' ? measureGrid : measureTraining;
    const result = await measure(workload, material, options, scratch, say);
    results.push(result);
    if (!options.json) {
      console.log(
        `\n${workload.name}\n${linesOf(result, machine).join('\n')}\n\n${textTable(tableOf(result))}\n`,
      );
    }
    if (options.write) {
      writeFileSync(documentFile, withFigures(readFileSync(documentFile, 'utf8'), result, machine));
    }
  }
  if (options.json) console.log(JSON.stringify({ schema: 2, machine, results }, undefined, 1));
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
