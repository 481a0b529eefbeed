import { describe, expect, it } from 'vitest';
import {
  evaluationSteps,
  parseRunConfig,
  parseSharedSettings,
  runConfigOf,
  stepCount,
  warmupSteps,
} from './config.ts';
import type { RunConfigInput } from './config.ts';
import { UsageError } from './errors.ts';
import { describeLoss, lossNames } from './losses.ts';

describe('run config', () => {
  it('fills in the documented defaults', () => {
    expect(parseRunConfig({ loss: 'minor-dpo' })).toEqual({
      loss: 'minor-dpo',
      beta: 0.1,
      learningRate: 5e-6,
      scheduler: 'cosine',
      warmup: 0.1,
      batchSize: 8,
      gradAccum: 1,
      epochs: 1,
      maxLength: 1024,
      maxGradNorm: 1,
      weightDecay: 0,
      seed: 0,
      shuffle: true,
      full: false,
      lora: { rank: 16, alpha: 32, targets: 'all-linear' },
    });
  });

  it('takes each loss’s own β', () => {
    for (const loss of lossNames) expect(parseRunConfig({ loss }).beta).toBe(describeLoss(loss).defaultBeta);
    expect(parseRunConfig({ loss: 'dpo', beta: 0.5 }).beta).toBe(0.5);
  });

  it('leaves epochs out beside steps, and the adapter out of full training', () => {
    expect(parseRunConfig({ loss: 'sft', steps: 20 })).not.toHaveProperty('epochs');
    expect(parseRunConfig({ loss: 'sft', full: true })).not.toHaveProperty('lora');
    expect(parseRunConfig({ loss: 'sft', lora: { rank: 4 } }).lora).toEqual({
      rank: 4,
      alpha: 32,
      targets: 'all-linear',
    });
  });

  it('answers three prompts where it evaluates on the way, and none elsewhere', () => {
    const every = { loss: 'dpo', evalShare: 0.1, evalEvery: 0.2 } as const;
    expect(parseRunConfig(every)).toMatchObject({
      samplePrompts: 3,
      sampleTokens: 64,
      evalKlPrompts: 4,
    });
    expect(parseRunConfig({ ...every, samplePrompts: 0 })).toMatchObject({ samplePrompts: 0 });
    expect(parseRunConfig({ loss: 'dpo', evalShare: 0.1 })).not.toHaveProperty('samplePrompts');
  });

  it('reads back what it wrote', () => {
    const evaluated = parseRunConfig({ loss: 'dpo', evalData: 'd', evalEvery: 5, samplePrompts: 1 });
    expect(parseRunConfig(JSON.parse(JSON.stringify(evaluated)))).toEqual(evaluated);
    const config = parseRunConfig({ loss: 'dpo', steps: 3, lora: { targets: ['q_proj'] } });
    expect(parseRunConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
    const full = parseRunConfig({ loss: 'dpo', full: true });
    expect(parseRunConfig(JSON.parse(JSON.stringify(full)))).toEqual(full);
  });

  it.each([
    [{ beta: 0 }, 'beta must be above 0, not 0'],
    [{ beta: -0.1 }, 'beta must be above 0, not -0.1'],
    [{ beta: NaN }, 'beta must be a number'],
    [{ learningRate: -1e-6 }, 'learningRate must be 0 or more, not -0.000001'],
    [{ learningRate: Infinity }, 'learningRate must be a number'],
    [{ batchSize: 2.5 }, 'batchSize must be a whole number, not 2.5'],
    [{ batchSize: 0 }, 'batchSize must be 1 or more, not 0'],
    [{ steps: 0 }, 'steps must be 1 or more, not 0'],
    [{ warmup: 1.5 }, 'warmup must be a share below 1 or a whole number of steps, not 1.5'],
    [{ evalShare: 1 }, 'evalShare must be below 1, not 1'],
    [{ evalShare: 0 }, 'evalShare must be above 0, not 0'],
    [
      { evalShare: 0.1, evalEvery: 1.5 },
      'evalEvery must be a share below 1 or a whole number of steps, not 1.5',
    ],
    [{ evalShare: 0.1, evalEvery: 0 }, 'evalEvery must be above 0, not 0'],
    [{ evalEvery: 10 }, 'evalEvery needs held-out rows: evalData, evalShare or evalSplit'],
    [{ evalShare: 0.1, samplePrompts: 2 }, 'samplePrompts, sampleTokens and evalKlPrompts need evalEvery'],
    [{ evalShare: 0.1, evalKlPrompts: 0 }, 'samplePrompts, sampleTokens and evalKlPrompts need evalEvery'],
    [{ seed: 2 ** 32 }, 'seed must be 4294967295 or less'],
    [{ lora: { rank: 0 } }, 'lora.rank must be 1 or more, not 0'],
    [{ lora: { targets: [] } }, 'lora.targets must name at least one layer'],
    [{ steps: 2, epochs: 1 }, 'steps and epochs exclude each other'],
    [{ evalData: 'd', evalShare: 0.1 }, 'evalData and evalShare exclude each other'],
    [{ full: true, lora: {} }, 'full training takes no lora settings'],
    [{ full: true, initAdapter: 'd' }, 'full training takes no initAdapter'],
  ])('refuses %j', (wrong, message) => {
    expect(() => parseRunConfig({ loss: 'dpo', ...wrong })).toThrow(UsageError);
    expect(() => parseRunConfig({ loss: 'dpo', ...wrong })).toThrow(message);
  });

  it('takes parameters of its loss alone, within their bounds, and records all that the loss has', () => {
    expect(parseRunConfig({ loss: 'dpo' })).not.toHaveProperty('lossParameters');
    expect(parseRunConfig({ loss: 'cdpo' }).lossParameters).toEqual({ epsilon: 0.1 });
    expect(parseRunConfig({ loss: 'simpo', lossParameters: { gamma: 0.5 } })).toMatchObject({
      beta: 2,
      lossParameters: { gamma: 0.5 },
    });
    const refused = (input: RunConfigInput, message: string): void =>
      expect(() => parseRunConfig(input)).toThrow(new UsageError(message));
    refused(
      { loss: 'dpo', lossParameters: { kappa: 1 } },
      'lossParameters dpo has no parameter kappa; it has none',
    );
    refused(
      { loss: 'dpop', lossParameters: { lambda: -1 } },
      'lossParameters.lambda must be 0 or more, not -1',
    );
    refused({ loss: 'robust', lossParameters: { epsilon: NaN } }, 'lossParameters.epsilon must be a number');
    // A config that was recorded reads back as itself.
    for (const loss of lossNames) {
      const config = parseRunConfig({ loss });
      expect(parseRunConfig(JSON.parse(JSON.stringify(config)) as RunConfigInput)).toEqual(config);
    }
  });

  it('refuses unknown losses, schedules and settings by name', () => {
    expect(() => parseRunConfig({ loss: 'ppo' as 'dpo' })).toThrow(
      `loss must be one of ${lossNames.join(', ')}, not "ppo"`,
    );
    expect(() => parseRunConfig({ loss: 'dpo', scheduler: 'step' as 'cosine' })).toThrow(
      'scheduler must be one of',
    );
    expect(() => parseRunConfig({ loss: 'dpo', ...{ learning_rate: 1 } })).toThrow('learning_rate');
  });

  it('names every wrong setting in one line', () => {
    expect(() => parseRunConfig({ loss: 'dpo', beta: 0, batchSize: 0 })).toThrow(
      /^beta must be above 0, not 0; batchSize must be 1 or more, not 0$/,
    );
  });

  it('makes the runs of a comparison differ in nothing but what tells them apart', () => {
    const shared = parseSharedSettings({ batchSize: 4, evalShare: 0.25 });
    const dpo = runConfigOf(shared, { loss: 'dpo', learningRate: 1e-5, seed: 1 });
    const minor = runConfigOf(shared, { loss: 'minor-dpo', learningRate: 1e-5, seed: 1 });
    expect({ ...minor, loss: 'dpo' }).toEqual(dpo);
    expect(dpo).toMatchObject({
      batchSize: 4,
      evalShare: 0.25,
      beta: 0.1,
      epochs: 1,
      seed: 1,
      learningRate: 1e-5,
    });
  });
});

// Worked by hand from transformers 5.23: Trainer.set_initial_training_values and TrainingArguments.get_warmup_steps.
describe('steps', () => {
  it.each([
    // 64 rows in batches of 8: 8 batches.
    [{ batchSize: 8, gradAccum: 1, epochs: 1 }, 64, 8],
    // 65 rows: a ninth, smaller batch.
    [{ batchSize: 8, gradAccum: 1, epochs: 1 }, 65, 9],
    // 9 batches in fours: 2 full steps and one of the remaining batch.
    [{ batchSize: 8, gradAccum: 4, epochs: 1 }, 65, 3],
    // One and a half times 3, rounded up.
    [{ batchSize: 8, gradAccum: 4, epochs: 1.5 }, 65, 5],
    [{ batchSize: 8, gradAccum: 1, steps: 20 }, 64, 20],
  ])('%j over %d rows', (config, rows, steps) => expect(stepCount(config, rows)).toBe(steps));

  // transformers' Trainer.train: eval_steps below 1 becomes ceil(max_steps × eval_steps).
  it.each([
    [undefined, 10, [10]],
    [3, 10, [0, 3, 6, 9, 10]],
    [5, 10, [0, 5, 10]],
    [1, 3, [0, 1, 2, 3]],
    [10, 10, [0, 10]],
    [99, 10, [0, 10]],
    [0.25, 10, [0, 3, 6, 9, 10]],
    [0.5, 8, [0, 4, 8]],
    [0.01, 5, [0, 1, 2, 3, 4, 5]],
  ])('evaluations every %d of %d steps', (every, steps, expected) =>
    expect(evaluationSteps(every, steps)).toEqual(expected),
  );

  it.each([
    [0, 100, 0],
    [0.1, 100, 10],
    [0.1, 64, 7],
    [0.999, 10, 10],
    [1, 100, 1],
    [5, 3, 5],
  ])('warm-up %d of %d steps', (warmup, steps, expected) =>
    expect(warmupSteps(warmup, steps)).toBe(expected),
  );
});
