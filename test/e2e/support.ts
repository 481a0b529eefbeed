import { EventEmitter } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { trainableLayout } from '../../src/main/engine/train/graphs.ts';
import { writeSafetensors } from '../../src/main/formats/safetensors.ts';
import { main } from '../../src/main/host/cli/main.ts';
import { openStore, type Store } from '../../src/main/store/database.ts';
import type { StepMetrics } from '../../src/shared/metrics.ts';
import { openConfig, randomWeights } from '../../src/main/training/model.ts';

const fixtures = fileURLToPath(new URL('../parity/fixtures/', import.meta.url));

/** A folder of its own for one test file; call `remove` at the end. */
export function scratchFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'plumbline-e2e-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** config.json of a tiny Llama whose vocabulary is that of the committed byte-level tokenizer. */
export function tinyConfig(): Record<string, unknown> {
  const config = JSON.parse(readFileSync(join(fixtures, 'llama/tied/config.json'), 'utf8')) as object;
  const tokenizer = JSON.parse(readFileSync(join(fixtures, 'tokens/tokenizer.json'), 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  const vocabulary = 1 + Math.max(...Object.values(tokenizer.model.vocab));
  // Weights this large give log-probs that differ well between answers.
  return { ...config, vocab_size: vocabulary, initializer_range: 0.2 };
}

/** Config and tokenizer of the tiny model, without weights. */
export function writeTinyShell(
  folder: string,
  changes: { readonly config?: Record<string, unknown>; readonly template?: boolean } = {},
): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...tinyConfig(), ...changes.config }));
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(join(fixtures, 'tokens', name), join(folder, name));
  if (changes.template !== false)
    copyFileSync(join(fixtures, 'tokens/chat_template.jinja'), join(folder, 'chat_template.jinja'));
  return folder;
}

/** A whole tiny model with random weights, in Hugging Face's layout. */
export function writeTinyModel(
  folder: string,
  changes: {
    readonly seed?: number;
    readonly config?: Record<string, unknown>;
    readonly template?: boolean;
    readonly dtype?: 'F32' | 'F16';
    /** Changes the weights, flat in layout order, before they are written. */
    readonly spoil?: (weights: Float32Array) => void;
  } = {},
): string {
  writeTinyShell(folder, changes);
  const source = openConfig(join(folder, 'config.json'));
  const weights = randomWeights(source, changes.seed ?? 0);
  changes.spoil?.(weights);
  const tensors = trainableLayout(source, { kind: 'full' }).entries.map(({ name, shape, offset, size }) => ({
    name,
    shape,
    data: weights.subarray(offset, offset + size),
  }));
  const { dtype = 'F32' } = changes;
  writeSafetensors(join(folder, 'model.safetensors'), tensors, { metadata: { format: 'pt' }, dtype });
  return folder;
}

export interface Pair {
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
}

/** Sums with a right and a wrong answer; no two prompts are equal. */
export function sums(count: number, from = 0): Pair[] {
  return Array.from({ length: count }, (_, place) => {
    const [left, right] = [place + from, 3 + ((place * 7) % 11)];
    return {
      prompt: `What is ${left} plus ${right}?`,
      chosen: ` It is ${left + right}.`,
      rejected: ` That makes ${left + right + 1}, I think.`,
    };
  });
}

export function writeLines(file: string, rows: readonly unknown[]): string {
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
}

export function readLines<Row>(file: string): Row[] {
  const text = readFileSync(file, 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** What `--json` printed. */
  readonly json: <Content>() => Content & { schema: number; command: string };
}

/**
 * Runs one command line in this process: everything real but the terminal.
 * @param onErr sees every piece of stderr and may send an interrupt
 */
export async function plumbline(
  home: string,
  args: readonly (string | number)[],
  onErr?: (text: string, interrupt: () => void) => void,
): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  const interrupts = new EventEmitter();
  const code = await main([...args.map(String), '--threads', '1'], undefined, {
    out: (text) => void out.push(text),
    err: (text) => {
      err.push(text);
      onErr?.(text, () => interrupts.emit('SIGINT'));
    },
    errIsTerminal: false,
    columns: () => 100,
    environment: { PLUMBLINE_HOME: home },
    interrupts,
    quit: (status) => {
      throw new Error(`quit with ${status}`);
    },
  });
  const text = out.join('');
  return {
    code,
    out: text,
    err: err.join(''),
    json: <Content>() => JSON.parse(text) as Content & { schema: number; command: string },
  };
}

/** Every file below a folder, sorted, relative to it. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** Looks into a home's database. */
export function inStore<Result>(home: string, look: (store: Store) => Result): Result {
  const store = openStore(join(home, 'plumbline.db'));
  try {
    return look(store);
  } finally {
    store.close();
  }
}

/** Steps without what a clock or the system measures: the rest must be the same after a resume. */
export function exactSteps(steps: readonly StepMetrics[]): object[] {
  return steps.map(
    ({ 'throughput/pairs_per_s': _rate, 'time/step_s': _seconds, 'memory/rss': _memory, ...rest }) => rest,
  );
}

/** As `exactSteps`, for a metrics file's. */
export function exactMetrics(file: string): object[] {
  return exactSteps(readLines<StepMetrics>(file));
}
