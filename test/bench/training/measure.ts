import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { openModel } from '../../../src/main/engine/models/load.ts';
import { neededSequences, trainingArithmetic } from './arithmetic.ts';
import { findBest } from './best.ts';
import {
  bfloat16Limits,
  checkAgreement,
  float32Limits,
  settings,
  type Agreement,
  type HalfReport,
} from './half-report.ts';
import { measurePeak, runEngine, runTrl, type HalfInput } from './halves.ts';
import { timeFirstStep } from './first-step.ts';
import type { BenchOptions } from './options.ts';
import { availableMemory } from './process.ts';
import { summarise, worstAgreement, type FirstStep, type TrainingResult } from './summary.ts';
import { describeTrl, installed, type TrlSettings } from './trl-settings.ts';
import { makeWork, writeRows, writeStartAdapter, type Material, type Work } from './work.ts';
import type { Workload } from './workloads.ts';

export const names = {
  ours: 'Plumbline',
  installed: 'TRL as installed',
  best: 'TRL at its best',
} as const;

export type Say = (line: string) => void;

export function meanTokens({ pairs }: Pick<Work, 'pairs'>): TrainingResult['tokens'] {
  const mean = (of: 'prompt' | 'chosen' | 'rejected'): number =>
    pairs.reduce((sum, pair) => sum + pair[of].length, 0) / pairs.length;
  return { prompt: mean('prompt'), chosen: mean('chosen'), rejected: mean('rejected') };
}

/** What halves of a workload are given: files are written into a folder of its own. */
export function prepareInput(
  workload: Workload,
  work: Work,
  material: Material,
  options: Pick<BenchOptions, 'threads'>,
  scratch: string,
): HalfInput & { readonly data: string } {
  const folder = join(scratch, workload.name);
  mkdirSync(folder, { recursive: true });
  const input = {
    model: material.modelFolder,
    pairs: join(folder, 'pairs.json'),
    data: join(folder, 'pairs.jsonl'),
    adapter: join(folder, 'adapter'),
    threads: options.threads,
    scratch: folder,
  };
  writeFileSync(input.pairs, JSON.stringify(work.pairs));
  writeRows(work.rows.slice(0, work.pairs.length), input.data);
  writeStartAdapter(input.model, input.adapter);
  return input;
}

/** TRL's best settings for this work, as given or found on the first pairs of it. */
export async function bestFor(
  python: string,
  options: BenchOptions,
  work: Work,
  input: HalfInput,
  say: Say,
): Promise<TrlSettings> {
  if (options.best) return options.best;
  const pairs = work.pairs.slice(0, settings.update);
  const few = { ...input, pairs: join(input.scratch, 'few-pairs.json') };
  writeFileSync(few.pairs, JSON.stringify(pairs));
  say(`  looking for TRL's best settings on ${pairs.length} pairs …`);
  return findBest({
    pairs: pairs.length,
    say,
    // What others on the machine come to need is not known.
    memory: () => 0.8 * (availableMemory() ?? Infinity),
    run: async (trial) => {
      const half = await runTrl(python, few, trial);
      return {
        seconds: half.reference_seconds + half.training_seconds,
        peakBytes: half.peak_rss_bytes,
      };
    },
  });
}

/** Measures one workload: the programs by turns, so that a machine that slows down does so for all of them. */
export async function measureTraining(
  workload: Workload,
  material: Material,
  options: BenchOptions,
  scratch: string,
  say: Say,
): Promise<TrainingResult> {
  const { python, repeats, threads } = options;
  const work = makeWork(workload, material, options.pairs ?? workload.pairs);
  const input = prepareInput(workload, work, material, options, scratch);
  const loadBefore = loadavg()[0]!;
  const best = python === undefined ? undefined : await bestFor(python, options, work, input, say);
  const ours: HalfReport[] = [];
  const firstSteps: FirstStep[] = [];
  const theirs = { installed: [] as HalfReport[], best: [] as HalfReport[] };
  const peaks: number[] = [];
  const agreements: Agreement[] = [];
  const trl = async (key: keyof typeof theirs, trlSettings: TrlSettings, turn: string): Promise<void> => {
    say(`  ${names[key]}, ${turn} …`);
    const half = await runTrl(python!, input, trlSettings);
    theirs[key].push(half);
    const limits = trlSettings.bf16 ? bfloat16Limits : float32Limits;
    agreements.push(checkAgreement(work.pairs, ours.at(-1)!, half, limits));
  };
  for (let repeat = 1; repeat <= repeats; repeat++) {
    const turn = `${repeat} of ${repeats}`;
    peaks.push(await measurePeak(threads, scratch));
    say(`  ${names.ours}, ${turn} …`);
    ours.push(await runEngine(input, { lowMemory: options.lowMemory }));
    peaks.push(await measurePeak(threads, scratch));
    firstSteps.push(await timeFirstStep(input, options, work.pairs.length));
    if (!best) continue;
    await trl('installed', installed, turn);
    await trl('best', best, turn);
  }
  const { config } = openModel(input.model, input.model);
  const count = work.pairs.length;
  const arithmetic = trainingArithmetic(config, settings.rank, neededSequences(work.pairs, settings.update));
  const agreement = worstAgreement(agreements);
  const sides = [
    { name: names.ours, halves: ours, firstSteps },
    ...(best
      ? [
          { name: names.installed, halves: theirs.installed },
          { name: names.best, settings: describeTrl(best), halves: theirs.best },
        ]
      : []),
  ];
  return {
    kind: 'training',
    workload: workload.name,
    what: workload.what,
    model: material.model,
    source: material.source,
    pairs: count,
    tokens: meanTokens(work),
    threads,
    repeats,
    low_memory: options.lowMemory,
    load: [loadBefore, loadavg()[0]!],
    ...(agreement ? { agreement } : {}),
    arithmetic,
    peak_flops_per_second: Math.max(...peaks),
    sides: sides.map((side) => summarise(side, arithmetic, peaks, count)),
  };
}
