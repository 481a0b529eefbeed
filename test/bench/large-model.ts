/**
 * Trains a large model for a few updates in little memory and tells what it took: reference log-probs, then DPO with LoRA
 * (r 16, all linear layers), as `train --low-memory` goes about it, by the engine itself.
 *
 *     node test/bench/make-random-model.ts --out DIR
 *     node test/bench/large-model.ts --model DIR [--lengths 200,156,156] [--pairs 2] [--steps 2] [--threads 2] [--plain]
 *
 * Lengths are tokens of prompt, chosen and rejected answer. The peak is the resident set's, mapped files included
 * (VmHWM; Linux only). `--plain` trains without `lowMemory`.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openModel } from '../../src/main/engine/models/load.ts';
import { selectTargets, startAdapter, type LoraTrainable } from '../../src/main/engine/train/adapter.ts';
import { Random } from '../../src/main/engine/train/random.ts';
import { Scorer } from '../../src/main/engine/train/scorer.ts';
import { Trainer, type TrainingPair } from '../../src/main/engine/train/trainer.ts';
import { leastMemory, sumOf } from '../../src/main/training/plan/memory-model.ts';
import { engineOptions } from '../../src/main/training/sessions.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    lengths: { type: 'string', default: '200,156,156' },
    pairs: { type: 'string', default: '2' },
    steps: { type: 'string', default: '2' },
    threads: { type: 'string', default: '2' },
    plain: { type: 'boolean', default: false },
  },
});
if (values.model === undefined) throw new Error('--model DIR is needed');

const gigabytes = (key: string): string => {
  const line = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'latin1'));
  return `${((Number(line?.[1]) * 1024) / 1e9).toFixed(2)} GB`;
};
const tell = (what: string, started: number): void => {
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const memory = `peak ${gigabytes('VmHWM')}, now ${gigabytes('VmRSS')} (mapped files ${gigabytes('RssFile')})`;
  console.log(`${what}: ${seconds} s; ${memory}`);
};

const lowMemory = !values.plain;
const [prompt, chosen, rejected] = values.lengths.split(',').map(Number) as [number, number, number];
const source = openModel(values.model, values.model);
const random = new Random(1, 'large model');
const most = Math.min(40_000, source.config.vocabularySize);
const ids = (length: number): Int32Array => Int32Array.from({ length }, () => random.below(most));
const pairs = Array.from({ length: Number(values.pairs) }, (_, index): TrainingPair => {
  return { index, prompt: ids(prompt), chosen: ids(chosen), rejected: ids(rejected) };
});
const engine = engineOptions({ threads: Number(values.threads), lowMemory }, pairs);
const trainable: LoraTrainable = {
  ...{ kind: 'lora', rank: 16, scale: 2 },
  targets: selectTargets(source, 'all-linear'),
};
const originalBytes = [...source.weights!.tensors.values()].reduce((sum, { length }) => sum + length, 0);
const expected = sumOf(
  leastMemory({ source, trainable, pairs, batch: 1, scores: false, lowMemory, originalBytes }),
);
console.log(`expected from shapes: ${(expected / 1e9).toFixed(2)} GB`);

let started = performance.now();
const scorer = new Scorer(source, { kind: 'none' }, engine);
await scorer.open();
tell('reference session', started);
started = performance.now();
const ready: TrainingPair[] = [];
for await (const { place, score } of scorer.scoreAll(pairs))
  ready.push({ ...pairs[place]!, reference: { chosen: score.chosen, rejected: score.rejected } });
await scorer.release();
tell(`reference of ${pairs.length} pairs`, started);

started = performance.now();
const trainer = await Trainer.create(source, trainable, ['dpo'], engine);
const state = trainer.newState(startAdapter(trainable, 1));
tell('training session', started);
for (let step = 1; step <= Number(values.steps); step++) {
  started = performance.now();
  const { metrics } = await trainer.step(state, ready, {
    ...{ loss: 'dpo', beta: 0.1, learningRate: 1e-4, maxGradNorm: 1, weightDecay: 0 },
  });
  tell(`step ${step}, loss ${metrics.loss}, gradient ${metrics.grad_norm}`, started);
}
