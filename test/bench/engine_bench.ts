/**
 * This engine's half of `npm run bench`: one epoch over ready token ids, in a fresh process.
 *
 *     node engine_bench.ts --model DIR --pairs F.json --adapter DIR --threads 2 --out F.json
 *
 * DIR holds config.json and float32 safetensors, F.json a list of pairs as token ids, the adapter folder the start in
 * PEFT's format. Timed: making the sessions ready, the reference pass, and every optimizer step.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openModel } from '../../src/main/engine/models/load.ts';
import { GraphSession, runtimeVersion } from '../../src/main/engine/session/session.ts';
import { fromPeft } from '../../src/main/engine/train/adapter.ts';
import { scheduleFactor } from '../../src/main/engine/train/schedule.ts';
import { Scorer, sizesOf } from '../../src/main/engine/train/scorer.ts';
import { Trainer, type TrainingPair } from '../../src/main/engine/train/trainer.ts';
import { readAdapter } from '../../src/main/formats/peft.ts';
import { settings, type BenchPair, type HalfReport, type SeenPair } from './report.ts';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: { model: text, pairs: text, adapter: text, threads: text, out: text },
});
const argument = (name: keyof typeof values): string => {
  const value = values[name];
  if (value === undefined) throw new Error(`--${name} is needed`);
  return value;
};

const seconds = (since: number): number => (performance.now() - since) / 1000;

/** Peak resident bytes of this program: maxRSS can hold what the parent had when it started this process. */
function peakMemory(): number {
  try {
    const line = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'));
    if (line) return Number(line[1]) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}

// Time inside the runtime, to tell it from the script's own.
let runtimeSeconds = 0;
const run = GraphSession.prototype.run;
GraphSession.prototype.run = async function (this: GraphSession, ...given) {
  const start = performance.now();
  const results = await run.apply(this, given);
  runtimeSeconds += seconds(start);
  return results;
};

const rows = JSON.parse(readFileSync(argument('pairs'), 'utf8')) as BenchPair[];
const pairs = rows.map(({ index, prompt, chosen, rejected }) => ({
  index,
  prompt: Int32Array.from(prompt),
  chosen: Int32Array.from(chosen),
  rejected: Int32Array.from(rejected),
}));
const adapter = readAdapter(argument('adapter'));
const engine = { ...sizesOf(pairs), threads: Number(argument('threads')) };

let start = performance.now();
const source = openModel(argument('model'), argument('model'));
const scorer = new Scorer(source, { kind: 'none' }, engine);
await scorer.open();
let sessionSeconds = seconds(start);

start = performance.now();
const ready: TrainingPair[] = [];
for (const pair of pairs) {
  const { chosen, rejected } = await scorer.score(pair);
  ready.push({ ...pair, reference: { chosen, rejected } });
}
await scorer.release();
const referenceSeconds = seconds(start);

start = performance.now();
const { trainable, parameters } = fromPeft(source, adapter, argument('adapter'));
const trainer = await Trainer.create(source, trainable, ['dpo'], engine);
const state = trainer.newState(parameters);
sessionSeconds += seconds(start);

const stepSeconds: number[] = [];
const losses: number[] = [];
const seen: SeenPair[] = [];
runtimeSeconds = 0;
for (const [step, pair] of ready.entries()) {
  start = performance.now();
  const { metrics } = await trainer.step(state, [pair], {
    loss: 'dpo',
    beta: settings.beta,
    learningRate: settings.learningRate * scheduleFactor('linear', step, 0, ready.length),
    maxGradNorm: settings.maxGradNorm,
    weightDecay: settings.weightDecay,
  });
  stepSeconds.push(seconds(start));
  losses.push(metrics.loss!);
  const prompt = Array.from(pair.prompt);
  seen.push({
    prompt,
    rejected_prompt: prompt,
    chosen: Array.from(pair.chosen),
    rejected: Array.from(pair.rejected),
  });
}
const trainingSeconds = stepSeconds.reduce((sum, each) => sum + each, 0);

const report: HalfReport = {
  session_seconds: sessionSeconds,
  reference_seconds: referenceSeconds,
  training_seconds: trainingSeconds,
  step_seconds: stepSeconds,
  script_seconds: trainingSeconds - runtimeSeconds,
  losses,
  reference_log_probs: {
    chosen: ready.map(({ reference }) => reference!.chosen),
    rejected: ready.map(({ reference }) => reference!.rejected),
  },
  pairs_seen: seen,
  peak_rss_bytes: peakMemory(),
  versions: { node: process.versions.node, 'onnxruntime-node': runtimeVersion },
};
writeFileSync(argument('out'), JSON.stringify(report));
