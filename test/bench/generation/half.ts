import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProcess } from '../training/process.ts';
import { script } from '../training/halves.ts';
import type { Weights } from './rows.ts';

/** What both programs are given, as a file. */
export interface Work {
  /** Token ids. */
  readonly prompts: readonly (readonly number[])[];
  /** Tokens that end an answer; none: each answer has `max_tokens`. */
  readonly end_tokens: readonly number[];
  readonly max_tokens: number;
  /** Folders in PEFT's format, each to answer all prompts; none: the base answers. */
  readonly adapters: readonly string[];
  /** Answers to the prompts whose tokens' log-probs under the base are told besides; to this engine only. */
  readonly scored?: readonly (readonly number[])[];
}

/** All prompts answered by one policy. */
export interface Arm {
  readonly seconds: number;
  /** Of reading prompts, to the first token of their answers. */
  readonly prompt_seconds: number;
  /** New token ids of each prompt, one that ends an answer included. */
  readonly answers: readonly (readonly number[])[];
}

export interface HalfReport {
  readonly arms: readonly Arm[];
  /** In nats, of each token of the answers that were to be scored. */
  readonly log_probs?: readonly (readonly number[])[];
  readonly peak_rss_bytes: number;
  readonly versions: Readonly<Record<string, string>>;
}

export interface HalfInput {
  readonly model: string;
  readonly work: Work;
  readonly threads: number;
  /** Folder for what programs are given and write. */
  readonly scratch: string;
}

/** @param batch sequences side by side; absent: as many as evaluations take */
export function runEngine(
  input: HalfInput,
  { batch, weights }: { readonly batch: number | undefined; readonly weights: Weights },
): Promise<HalfReport> {
  return half('the engine', process.execPath, input, [
    script('../generation/engine_half.ts'),
    ...(batch === undefined ? [] : ['--batch', String(batch)]),
    ...['--weights', weights],
  ]);
}

export function runTransformers(python: string, input: HalfInput, batch: number): Promise<HalfReport> {
  return half('transformers', python, input, [
    script('../generation/transformers_half.py'),
    ...['--batch', String(batch)],
  ]);
}

async function half(
  name: string,
  program: string,
  { model, work, threads, scratch }: HalfInput,
  given: readonly string[],
): Promise<HalfReport> {
  const [workFile, out] = [join(scratch, 'work.json'), join(scratch, 'half.json')];
  writeFileSync(workFile, JSON.stringify(work));
  const files = ['--model', model, '--work', workFile, '--threads', String(threads), '--out', out];
  await runProcess(name, program, [...given, ...files]);
  return JSON.parse(readFileSync(out, 'utf8')) as HalfReport;
}
