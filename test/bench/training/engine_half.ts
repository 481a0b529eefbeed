/**
 * This engine's half of `npm run bench`: one epoch over ready token ids, in a fresh process.
 *
 *     node engine_half.ts --model DIR --pairs F.json --adapter DIR --threads 2 --started MS --out F.json
 *         [--low-memory] [--reference-only]
 *
 * DIR holds config.json and float32 safetensors, F.json a list of pairs as token ids, the adapter folder the start in
 * PEFT's format; MS is the time, in milliseconds since 1970, at which this process was started. Timed: making the
 * session ready, the reference of each update's pairs, and every optimizer update. As `train` does it, the first update has
 * no reference pass: its policy is the reference.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { InferenceSession } from 'onnxruntime-node';
import { openModel } from '../../../src/main/engine/models/load.ts';
import { runtimeVersion } from '../../../src/main/engine/session/session.ts';
import { fromPeft } from '../../../src/main/engine/train/adapter.ts';
import { scheduleFactor } from '../../../src/main/engine/train/schedule.ts';
import { Scorer } from '../../../src/main/engine/train/scorer.ts';
import { Trainer, type TrainingPair } from '../../../src/main/engine/train/trainer.ts';
import { readAdapter } from '../../../src/main/formats/peft.ts';
import { engineOptions } from '../../../src/main/training/sessions.ts';
import { peakMemory } from '../../../src/main/training/plan/resources.ts';
import { settings, type BenchPair, type HalfReport, type SeenPair } from './half-report.ts';

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;
const { values } = parseArgs({
  options: {
    model: text,
    pairs: text,
    adapter: text,
    threads: text,
    started: text,
    out: text,
    'low-memory': flag,
    'reference-only': flag,
  },
});
const argument = (name: 'model' | 'pairs' | 'adapter' | 'threads' | 'started' | 'out'): string => {
  const value = values[name];
  if (value === undefined) throw new Error(`--${name} is needed`);
  return value;
};

const seconds = (since: number): number => (performance.now() - since) / 1000;

// Time inside the runtime, to tell it from the script's own.
let runtimeSeconds = 0;
let trainingRuntimeSeconds = 0;
const create = InferenceSession.create.bind(InferenceSession) as (
  ...given: unknown[]
) => Promise<InferenceSession>;
Object.assign(InferenceSession, {
  async create(...given: unknown[]) {
    const session = await create(...given);
    const run = session.run.bind(session) as (...given: unknown[]) => ReturnType<InferenceSession['run']>;
    return Object.assign(session, {
      async run(...passed: unknown[]) {
        const start = performance.now();
        const results = await run(...passed);
        runtimeSeconds += seconds(start);
        return results;
      },
    });
  },
});

const rows = JSON.parse(readFileSync(argument('pairs'), 'utf8')) as BenchPair[];
const pairs = rows.map(({ index, prompt, chosen, rejected }) => ({
  index,
  prompt: Int32Array.from(prompt),
  chosen: Int32Array.from(chosen),
  rejected: Int32Array.from(rejected),
}));
const adapter = readAdapter(argument('adapter'));
// As `train` and `compare` open their sessions.
const engine = engineOptions(
  { threads: Number(argument('threads')), lowMemory: values['low-memory'] },
  pairs,
);

let start = performance.now();
const source = openModel(argument('model'), argument('model'));
const { trainable, parameters } = fromPeft(source, adapter, argument('adapter'));
const trainer = values['reference-only']
  ? undefined
  : await Trainer.create(source, trainable, ['dpo'], engine);
const scorer = trainer?.scorer({ kind: 'none' }) ?? new Scorer(source, { kind: 'none' }, engine);
await scorer.open();
const setupSeconds = seconds(start);

const reference: { chosen: number; rejected: number }[] = [];
let referenceSeconds = 0;
let referencePairs = 0;
async function refer(from: number, to: number): Promise<void> {
  start = performance.now();
  for await (const { place, score } of scorer.scoreAll(pairs.slice(from, to))) {
    const { chosen, rejected } = score;
    reference[from + place] = { chosen, rejected };
    referencePairs += 1;
  }
  referenceSeconds += seconds(start);
}

const stepSeconds: number[] = [];
const losses: number[] = [];
const seen: SeenPair[] = [];
const firstStep = { begins: 0, ends: 0 };
const sinceStart = (): number => (Date.now() - Number(argument('started'))) / 1000;
if (!trainer) {
  await refer(0, pairs.length);
} else {
  const state = trainer.newState(parameters);
  const updates = Math.ceil(pairs.length / settings.update);
  for (let update = 0; update < updates; update++) {
    const [from, to] = [update * settings.update, (update + 1) * settings.update];
    // The first update's policy is the reference itself.
    if (update > 0) await refer(from, to);
    const batch = pairs
      .slice(from, to)
      .map((pair, place): TrainingPair => ({ ...pair, reference: reference[from + place] ?? 'own' }));
    const runtimeBefore = runtimeSeconds;
    start = performance.now();
    if (update === 0) firstStep.begins = sinceStart();
    const result = await trainer.step(state, batch, {
      loss: 'dpo',
      beta: settings.beta,
      learningRate: settings.learningRate * scheduleFactor('linear', update, 0, updates),
      maxGradNorm: settings.maxGradNorm,
      weightDecay: settings.weightDecay,
    });
    stepSeconds.push(seconds(start));
    trainingRuntimeSeconds += runtimeSeconds - runtimeBefore;
    if (update === 0) firstStep.ends = sinceStart();
    losses.push(result.metrics.loss!);
    if (update === 0) {
      for (const { index, chosen, rejected } of result.pairs)
        reference[batch.findIndex((pair) => pair.index === index)] = { chosen, rejected };
    }
    for (const pair of batch) {
      const prompt = Array.from(pair.prompt);
      seen.push({
        prompt,
        rejected_prompt: prompt,
        chosen: Array.from(pair.chosen),
        rejected: Array.from(pair.rejected),
      });
    }
  }
}
const trainingSeconds = stepSeconds.reduce((sum, each) => sum + each, 0);

const report: HalfReport = {
  setup_seconds: setupSeconds,
  reference_seconds: referenceSeconds,
  reference_pairs: referencePairs,
  training_seconds: trainingSeconds,
  step_seconds: stepSeconds,
  first_step_begins_seconds: firstStep.begins,
  first_step_seconds: firstStep.ends,
  script_seconds: trainingSeconds - trainingRuntimeSeconds,
  losses,
  reference_log_probs: {
    chosen: reference.map(({ chosen }) => chosen),
    rejected: reference.map(({ rejected }) => rejected),
  },
  pairs_seen: seen,
  peak_rss_bytes: peakMemory(),
  versions: { node: process.versions.node, 'onnxruntime-node': runtimeVersion },
};
writeFileSync(argument('out'), JSON.stringify(report));
