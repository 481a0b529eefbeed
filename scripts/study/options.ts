import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { z } from 'zod';
import { listText, numberText, textValue } from '../../src/main/host/cli/option.ts';
import { armText } from '../../src/shared/arms.ts';
import { settings, wholeNumber } from '../../src/shared/config.ts';
import { UsageError } from '../../src/shared/errors.ts';
import { partNames, type PartName } from './parts.ts';

export const usage = `npm run study: DPO, MinorDPO, DPOP and what lies between them over learning rates, β and seeds

Usage: npm run -s study -- [options]

Trains a grid on the bundled arithmetic task, then a smaller one on SmolLM2-135M-Instruct, and writes study.md with its
plots. Stopped or killed anywhere, the same command goes on where it was and comes to the same numbers.

  --part NAME        example, smollm2 or all (default: all)
  --home DIR         folder of the study's own record (default: ~/.plumbline/study)
  --out DIR          folder that study.md and images/study are written to (default: docs of this checkout)
  --threads N        threads for computation; another number may change last bits (default: what each part was sized for)
  --dry-run          print the plan and its estimate, train nothing
  --write-only       write the documents anew from what is on record, train nothing
  --model M          folder or .gguf file for part smollm2 (default: ../shared/models/smollm2-135m-instruct)
  --pairs FILE       preference pairs for part smollm2 (default: ../shared/data/gsm8k-pairs.jsonl)
  --help             this text

Another grid, which is another study with a record of its own; give --out as well, or study.md tells of that one:
  --seeds N          so many seeds, from 1 up
  --arms LIST        losses, e.g. dpo,kappa-dpo:kappa=0.25; the others are compared with the first
  --lr LIST          learning rates
  --betas LIST       values of β
  --steps N          optimizer steps of each run`;

/** What a grid has that is not a part's own. */
export interface GridChanges {
  readonly seeds?: readonly number[];
  readonly arms?: readonly string[];
  readonly learningRates?: readonly number[];
  readonly betas?: readonly number[];
  readonly steps?: number;
}

export interface StudyOptions {
  readonly parts: readonly PartName[];
  readonly home: string;
  readonly out: string;
  readonly mode: 'run' | 'dry-run' | 'write-only';
  readonly threads?: number;
  readonly model?: string;
  readonly pairs?: string;
  readonly grid: GridChanges;
}

const named = {
  part: { type: 'string' },
  home: { type: 'string' },
  out: { type: 'string' },
  threads: { type: 'string' },
  'dry-run': { type: 'boolean' },
  'write-only': { type: 'boolean' },
  model: { type: 'string' },
  pairs: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  seeds: { type: 'string' },
  arms: { type: 'string' },
  lr: { type: 'string' },
  betas: { type: 'string' },
  steps: { type: 'string' },
} as const satisfies ParseArgsConfig['options'];

function read<Value>(flag: string, text: string | undefined, schema: z.ZodType<Value, string>) {
  if (text === undefined) return undefined;
  const result = schema.safeParse(text);
  if (result.success) return result.data;
  throw new UsageError(`--${flag} ${result.error.issues[0]?.message ?? 'is not valid'}`);
}

function valuesOf(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: named, strict: true }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function partsOf(name: string | undefined): readonly PartName[] {
  if (name === undefined || name === 'all') return partNames;
  const part = partNames.find((each) => each === name);
  if (part) return [part];
  throw new UsageError(`--part must be ${partNames.join(', ')} or all, not "${name}"`);
}

const without = <Name extends string, Value>(given: Record<Name, Value | undefined>) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [Key in Name]?: Value;
  };

/**
 * What a command line asks for.
 * @returns undefined where it asks for help
 * @throws UsageError naming the option that is wrong
 */
export function parseOptions(args: readonly string[]): StudyOptions | undefined {
  const values = valuesOf(args);
  if (values.help) return undefined;
  if (values['dry-run'] && values['write-only'])
    throw new UsageError('--dry-run and --write-only exclude each other');
  const seeds = read('seeds', values.seeds, numberText(wholeNumber(1)));
  const arms = read('arms', values.arms, listText(armText));
  const learningRates = read('lr', values.lr, listText(numberText(settings.learningRate)));
  const betas = read('betas', values.betas, listText(numberText(settings.beta)));
  const steps = read('steps', values.steps, numberText(settings.steps));
  const threads = read('threads', values.threads, numberText(settings.threads));
  const place = (name: 'home' | 'out' | 'model' | 'pairs'): string | undefined => {
    const text = read(name, values[name], textValue);
    return text === undefined ? undefined : resolve(text);
  };
  return {
    parts: partsOf(values.part),
    home: place('home') ?? join(homedir(), '.plumbline', 'study'),
    out: place('out') ?? fileURLToPath(new URL('../../docs', import.meta.url)),
    mode: values['dry-run'] ? 'dry-run' : values['write-only'] ? 'write-only' : 'run',
    ...(threads === undefined ? {} : { threads }),
    ...without({ model: place('model'), pairs: place('pairs') }),
    grid: {
      ...(seeds === undefined ? {} : { seeds: Array.from({ length: seeds }, (_, place) => place + 1) }),
      ...(arms === undefined ? {} : { arms }),
      ...without({ learningRates, betas }),
      ...(steps === undefined ? {} : { steps }),
    },
  };
}
