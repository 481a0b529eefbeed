import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { HalfInput } from './halves.ts';
import { script } from './halves.ts';
import { settings } from './half-report.ts';
import type { BenchOptions } from './options.ts';
import { runProcess } from './process.ts';
import type { FirstStep } from './summary.ts';

const program = script('../../../bin/plumbline.mjs');

/** Longest sequence that the workloads have, so that no answer is cut. */
export const maxLength = 4096;

/** What `train` and `compare` are given for the same training as the halves'. */
export function trainingOptions(
  { model, data, threads }: HalfInput & { readonly data: string },
  { lowMemory }: Pick<BenchOptions, 'lowMemory'>,
): string[] {
  return [
    ...['--model', model, '--data', data, '--threads', String(threads)],
    ...['--batch-size', String(settings.update), '--scheduler', 'linear', '--warmup', '0'],
    ...['--beta', String(settings.beta), '--max-length', String(maxLength)],
    ...[
      '--lora-r',
      String(settings.rank),
      '--lora-alpha',
      String(settings.alpha),
      '--lora-targets',
      'all-linear',
    ],
    ...(lowMemory ? ['--low-memory'] : []),
  ];
}

/**
 * Runs this program's command line.
 * @param home its folder, which keeps what it has imported
 */
export function runPlumbline(
  given: readonly string[],
  home: string,
  onLine?: (line: string) => boolean,
): ReturnType<typeof runProcess> {
  return runProcess('plumbline', process.execPath, [program, ...given, '--home', home], { onLine });
}

/**
 * From the start of `plumbline train` to the beginning and to the end of its first step, on a model that was imported before and data
 * that are new to it: no reference log-probs are kept from earlier.
 * @param pairs how many the data hold
 */
export async function timeFirstStep(
  input: HalfInput & { readonly data: string },
  options: Pick<BenchOptions, 'lowMemory'>,
  pairs: number,
): Promise<FirstStep> {
  let turn = 0;
  let home: string;
  do home = join(input.scratch, `home-${++turn}`);
  while (existsSync(home));
  await runPlumbline(['models', 'add', input.model, '--name', 'bench'], home);
  const steps = Math.ceil(pairs / settings.update);
  const given = [
    ...[
      'train',
      '--loss',
      'dpo',
      ...trainingOptions({ ...input, model: 'bench' }, options),
      '--steps',
      String(steps),
    ],
    ...['--metrics', join(home, 'metrics.jsonl'), '--adapter-out', join(home, 'adapter')],
  ];
  const started = performance.now();
  let begins: number | undefined;
  let ends: number | undefined;
  await runPlumbline(given, home, (line) => {
    const now = (performance.now() - started) / 1000;
    if (/^\s*step 1 of \d+ begins/.test(line)) begins ??= now;
    else if (/^\s*step 1\//.test(line)) ends ??= now;
    return ends !== undefined;
  });
  if (begins === undefined || ends === undefined) throw new Error('plumbline train told of no step');
  return { begins, ends };
}
