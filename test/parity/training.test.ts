import { describe, expect, test } from 'vitest';
import type { ModelSource } from '../../src/main/engine/models/family.ts';
import { fromPeft } from '../../src/main/engine/train/adapter.ts';
import { trainableLayout, type Trainable } from '../../src/main/engine/train/graphs.ts';
import { adamWDefaults, adamWStep, clipFactor, globalNorm } from '../../src/main/engine/train/optimizer.ts';
import { scheduleFactor } from '../../src/main/engine/train/schedule.ts';
import { warmupSteps } from '../../src/shared/config.ts';
import { Scorer, sizesOf } from '../../src/main/engine/train/scorer.ts';
import { StepTelemetry } from '../../src/main/engine/train/telemetry.ts';
import {
  Trainer,
  type StepSettings,
  type TrainingPair,
  type TrainingState,
} from '../../src/main/engine/train/trainer.ts';
import { readAdapter } from '../../src/main/formats/peft.ts';
import type { MetricName } from '../../src/shared/metrics.ts';
import {
  fixture,
  llamaModel,
  packable,
  readJson,
  readTensors,
  relativeDistance,
  trainingPairs,
  type FixturePair,
} from './support.ts';

interface Config {
  readonly settings: {
    readonly beta: number;
    readonly max_steps: number;
    readonly per_device_train_batch_size: number;
    readonly gradient_accumulation_steps: number;
    readonly learning_rate: number;
    readonly warmup_steps: number;
    readonly max_grad_norm: number;
    readonly weight_decay: number;
  };
  readonly reference_chosen: number[];
  readonly reference_rejected: number[];
}
type TrlStep = Readonly<Record<MetricName, number>> & {
  readonly pairs: { readonly c: number[]; readonly r: number[] };
};
interface Metrics {
  readonly steps: readonly TrlStep[];
  readonly gates_per_distinct_pair: string[];
}
type Values = Partial<Record<MetricName, number>>;

/** What TRL's step saw, and what ours does with the same pairs. */
interface StepRecord {
  readonly trl: TrlStep;
  readonly ours: Values;
  /** Our metrics averaged over TRL's micro-batches, as it averages its own. */
  readonly perMicroBatch: Values;
  readonly r: readonly number[];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Follows a TRL run step by step. */
async function follow(
  name: string,
  source: ModelSource,
  trainable: Trainable,
  start: Float32Array,
  pairs: readonly TrainingPair[],
): Promise<{ steps: StepRecord[]; final: Float32Array }> {
  const { settings } = readJson<Config>(`training/${name}/config.json`);
  const metrics = readJson<Metrics>(`training/${name}/metrics.json`);
  const loss = name === 'full' ? 'sft' : name;
  const microBatch = settings.per_device_train_batch_size;
  const perStep = microBatch * settings.gradient_accumulation_steps;
  const trainer = await Trainer.create(source, trainable, [loss], { ...sizesOf(pairs), threads: 1 });
  const state = trainer.newState(start);
  const warmup = warmupSteps(settings.warmup_steps, settings.max_steps);
  const steps: StepRecord[] = [];
  for (let step = 0; step < settings.max_steps; step++) {
    const batch = pairs.slice(step * perStep, (step + 1) * perStep);
    const own: StepSettings = {
      loss,
      beta: settings.beta,
      learningRate: settings.learning_rate * scheduleFactor('cosine', step, warmup, settings.max_steps),
      maxGradNorm: settings.max_grad_norm,
      weightDecay: settings.weight_decay,
    };
    const parts: { gradient: Float32Array; metrics: Values; r: number[] }[] = [];
    for (let from = 0; from < perStep; from += microBatch) {
      const telemetry = new StepTelemetry(own.beta);
      const part = batch.slice(from, from + microBatch);
      const gradient = await trainer.accumulate(state.parameters, part, own, telemetry);
      parts.push({ gradient, metrics: telemetry.metrics(), r: telemetry.pairs.map(({ r }) => r ?? NaN) });
    }
    const names = Object.keys(parts[0]!.metrics) as MetricName[];
    const perMicroBatch = Object.fromEntries(
      names.map((metric) => [metric, mean(parts.map((part) => part.metrics[metric]!))]),
    );
    // TRL averages the token means of its micro-batches, ours is one mean over the step's tokens: with several
    // micro-batches of completions only the former can be followed.
    const ours: Values =
      loss === 'sft' && parts.length > 1
        ? stepAsTrl(
            state,
            parts.map(({ gradient }) => gradient),
            perMicroBatch,
            own,
          )
        : (await trainer.step(state, batch, own)).metrics;
    steps.push({ trl: metrics.steps[step]!, ours, perMicroBatch, r: parts.flatMap(({ r }) => r) });
  }
  await trainer.release();
  return { steps, final: state.parameters };
}

/** An optimizer step on the mean of several gradients. */
function stepAsTrl(
  state: TrainingState,
  parts: readonly Float32Array[],
  metrics: Values,
  settings: StepSettings,
): Values {
  const gradient = parts[0]!.map((_, place) => mean(parts.map((part) => part[place]!)));
  const norm = globalNorm(gradient);
  const options = { ...adamWDefaults, weightDecay: settings.weightDecay };
  const spans = [{ from: 0, to: gradient.length, decays: true }];
  const clip = clipFactor(norm, settings.maxGradNorm);
  adamWStep(state.parameters, gradient, state.optimizer, settings.learningRate, clip, options, spans);
  return { ...metrics, grad_norm: norm, learning_rate: settings.learningRate };
}

function expectMetrics(
  steps: readonly StepRecord[],
  which: 'ours' | 'perMicroBatch',
  tolerances: Values,
): void {
  for (const [name, tolerance] of Object.entries(tolerances) as [MetricName, number][]) {
    const differences = steps.map((step) => Math.abs(step[which][name]! - step.trl[name]));
    expect(differences.length).toBe(20);
    // NaN must fail too, and does: it is not at most anything.
    differences.forEach((difference, step) =>
      expect(difference, `${name} at step ${step + 1}`).toBeLessThanOrEqual(tolerance),
    );
  }
}

function adapterRun(name: string) {
  const source = llamaModel('tied');
  const read = (which: string) => {
    const folder = fixture(`training/${name}/adapter-${which}`);
    return fromPeft(source, readAdapter(folder), folder);
  };
  return { source, start: read('start'), final: read('final').parameters };
}

describe.each(['dpo', 'minor-dpo'])('twenty steps of %s', async (name) => {
  const { source, start, final } = adapterRun(name);
  const config = readJson<Config>(`training/${name}/config.json`);
  const rows = readJson<FixturePair[]>(`training/${name}/pairs.json`).map(packable);
  const scorer = new Scorer(source, { kind: 'none' }, { ...sizesOf(rows), threads: 1 });
  const reference = await Promise.all(rows.map((row) => scorer.score(row)));
  const run = await follow(name, source, start.trainable, start.parameters, trainingPairs(rows, reference));

  test('the reference equals TRL’s', () => {
    config.reference_chosen.forEach((value, row) => {
      expect(Math.abs(reference[row]!.chosen - value)).toBeLessThan(5e-5);
      expect(Math.abs(reference[row]!.rejected - config.reference_rejected[row]!)).toBeLessThan(5e-5);
    });
  });

  test('every metric follows TRL', () => {
    expectMetrics(run.steps, 'ours', {
      loss: 2e-5,
      grad_norm: 1e-4,
      learning_rate: 1e-12,
      num_tokens: 0,
      'rewards/chosen': 1e-5,
      'rewards/rejected': 1e-5,
      'rewards/margins': 1e-5,
      'rewards/accuracies': 0,
      'logps/chosen': 1e-4,
      'logps/rejected': 1e-4,
    });
    // Token means, which TRL takes per micro-batch and we over the whole step.
    expectMetrics(run.steps, 'perMicroBatch', {
      'logits/chosen': 1e-5,
      'logits/rejected': 1e-5,
      entropy: 1e-5,
      mean_token_accuracy: 1e-7,
    });
  });

  test('the first step has exact zeros, and the loss falls below 0.4', () => {
    const [first] = run.steps;
    expect([first!.ours['rewards/chosen'], first!.ours['rewards/rejected']]).toEqual([0, 0]);
    expect(first!.r).toEqual([0, 0, 0, 0]);
    expect(run.steps.at(-1)!.ours.loss).toBeLessThan(0.4);
  });

  test('the gates open and close with TRL’s', () => {
    const distinct = 20;
    const signs = run.steps.flatMap(({ r }) => r.map((value) => (value > 0 ? '+' : value < 0 ? '-' : '0')));
    const history = Array.from({ length: distinct }, (_, pair) =>
      signs.filter((_sign, place) => place % distinct === pair).join(''),
    );
    expect(history).toEqual(readJson<Metrics>(`training/${name}/metrics.json`).gates_per_distinct_pair);
    run.steps.forEach(({ r, ours }) => {
      expect(ours['gate/open']).toBe(r.filter((value) => value > 0).length / r.length);
    });
    if (name === 'minor-dpo') {
      expect(history.some((row) => /\+-+\+/.test(row))).toBe(true);
      expect(history.some((row) => row.includes('-+'))).toBe(true);
    }
  });

  test('the adapter ends where TRL’s does', () => {
    expect(relativeDistance(start.parameters, final)).toBeGreaterThan(0.5);
    expect(relativeDistance(run.final, final)).toBeLessThan(2e-5);
  });
});

test('twenty steps of sft', async () => {
  const { source, start, final } = adapterRun('sft');
  const rows = readJson<FixturePair[]>('training/sft/pairs.json').map(packable);
  const run = await follow('sft', source, start.trainable, start.parameters, trainingPairs(rows));
  expectMetrics(run.steps, 'ours', { loss: 2e-5, grad_norm: 1e-4, learning_rate: 1e-12 });
  // TRL's entropy and num_tokens count the rejected answer too, which we never run.
  expectMetrics(run.steps, 'perMicroBatch', {
    'logits/chosen': 1e-5,
    'logps/chosen': 1e-4,
    mean_token_accuracy: 1e-7,
  });
  expect(relativeDistance(run.final, final)).toBeLessThan(2e-5);
});

test('twenty steps of sft on every weight', async () => {
  const source = llamaModel('tied');
  const layout = trainableLayout(source, { kind: 'full' });
  const flat = (file: string): Float32Array => {
    const tensors = readTensors(file);
    const values = new Float32Array(layout.size);
    for (const { name, offset } of layout.entries) values.set(tensors.get(name)!, offset);
    return values;
  };
  const start = flat('llama/tied/model.safetensors');
  const final = flat('training/full/model-final.safetensors');
  const rows = readJson<FixturePair[]>('training/full/pairs.json').map(packable);
  const run = await follow('full', source, { kind: 'full' }, start, trainingPairs(rows));
  expectMetrics(run.steps, 'ours', {
    loss: 2e-5,
    grad_norm: 1e-4,
    learning_rate: 1e-12,
    'logits/chosen': 1e-5,
    'logps/chosen': 1e-4,
    mean_token_accuracy: 1e-7,
  });
  expect(relativeDistance(start, final)).toBeGreaterThan(0.05);
  expect(relativeDistance(run.final, final)).toBeLessThan(1e-5);
});
