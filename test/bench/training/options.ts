import { parseArgs } from 'node:util';
import { UsageError } from '../../../src/shared/errors.ts';
import { parseBest, type TrlSettings } from './trl-settings.ts';
import { workloads, type Workload } from './workloads.ts';

export const usage = `Usage: npm run bench -- [options]

DPO with LoRA r 16 on all linear layers, float32, updates of 8 pairs, reference log-probs computed first: this engine, and
with --python TRL on the same pairs, as installed and with its best settings. Speeds are told after both are shown to have
read the same tokens and found the same log-probs and losses.

  --workload NAME[,NAME]  ${workloads.map(({ name }) => name).join(', ')} (default: short)
  --python PATH           the Python of an environment with TRL (test/parity/requirements.txt); without it only this
                          engine runs
  --best SETTINGS         TRL's best settings, such as batch=1,bf16=0, instead of a search for them
  --model PATH            a model's folder or .gguf file instead of the usual one
  --pairs N               pairs of each workload (default: ${workloads.map(({ name, pairs }) => `${name} ${pairs}`).join(', ')})
  --trl-runs N            of the grid's runs TRL makes only so many, at least two; the others are counted as the mean of all but the first
  --repeats N             how often each is measured, by turns (default: 1)
  --threads N             (default: 2)
  --low-memory            this engine in the mode that takes the least memory
  --write                 put the figures into docs/performance.md
  --json                  print one JSON document

Without ../shared the model and the generated pairs of the bundled example are used.`;

export interface BenchOptions {
  readonly workloads: readonly Workload[];
  readonly python: string | undefined;
  readonly best: TrlSettings | undefined;
  readonly model: string | undefined;
  /** The workload's own number where absent. */
  readonly pairs: number | undefined;
  /** Runs of the grid that TRL makes; all where absent. */
  readonly trlRuns: number | undefined;
  readonly repeats: number;
  readonly threads: number;
  readonly lowMemory: boolean;
  readonly write: boolean;
  readonly json: boolean;
}

/**
 * @returns undefined where help is asked for
 * @throws UsageError saying which option is wrong
 */
export function parseOptions(given: readonly string[]): BenchOptions | undefined {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  let values;
  try {
    ({ values } = parseArgs({
      args: [...given],
      options: {
        workload: { ...text, default: 'short' },
        python: text,
        best: text,
        model: text,
        pairs: text,
        'trl-runs': text,
        repeats: { ...text, default: '1' },
        threads: { ...text, default: '2' },
        'low-memory': flag,
        write: flag,
        json: flag,
        help: { ...flag, short: 'h' },
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values.help) return undefined;
  if (values.best !== undefined && values.python === undefined) {
    throw new UsageError('--best is about TRL and needs --python');
  }
  return {
    workloads: parseWorkloads(values.workload),
    python: values.python,
    best: values.best === undefined ? undefined : parseBest(values.best),
    model: values.model,
    pairs: values.pairs === undefined ? undefined : parseCount('pairs', values.pairs),
    trlRuns: parseTrlRuns(values['trl-runs']),
    repeats: parseCount('repeats', values.repeats),
    threads: parseCount('threads', values.threads),
    lowMemory: values['low-memory'],
    write: values.write,
    json: values.json,
  };
}

function parseTrlRuns(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const runs = parseCount('trl-runs', text);
  if (runs < 2)
    throw new UsageError('--trl-runs should be at least 2: the first run fills a cache that the others use');
  return runs;
}

/** @throws UsageError naming what there is no such workload of */
export function parseWorkloads(text: string): readonly Workload[] {
  return text.split(',').map((part) => {
    const found = workloads.find(({ name }) => name === part.trim());
    if (!found) {
      const known = workloads.map(({ name }) => name).join(', ');
      throw new UsageError(`--workload: there is no ${part.trim() || 'empty name'}; there are ${known}`);
    }
    return found;
  });
}

/** @throws UsageError where it is no whole number from 1 up */
export function parseCount(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new UsageError(`--${name} should be a whole number from 1 up, not ${text}`);
  }
  return value;
}
