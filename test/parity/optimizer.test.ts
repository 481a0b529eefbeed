import { describe, expect, test } from 'vitest';
import {
  adamWDefaults,
  adamWStep,
  clipFactor,
  globalNorm,
  newOptimizerState,
} from '../../src/main/engine/train/optimizer.ts';
import { scheduleFactor } from '../../src/main/engine/train/schedule.ts';
import { warmupSteps, type SchedulerName } from '../../src/shared/config.ts';
import { largestDifference, readJson, relativeDistance } from './support.ts';

interface AdamWCase {
  readonly settings: { readonly weight_decay: number; readonly max_grad_norm: number };
  /** The first so many parameters decay, the rest do not. */
  readonly decayed: number;
  readonly start: number[];
  readonly steps: readonly {
    readonly gradient: number[];
    readonly norm: number;
    readonly rate: number;
    readonly parameters: number[];
    readonly first_moment: number[];
    readonly second_moment: number[];
  }[];
}
interface Schedules {
  readonly schedules: readonly {
    readonly name: SchedulerName;
    readonly warmup: number;
    readonly total: number;
    readonly factors: number[];
  }[];
  readonly warmup_steps: readonly {
    readonly warmup: number;
    readonly total: number;
    readonly steps: number;
  }[];
}

const cases = Object.entries(readJson<{ cases: Record<string, AdamWCase> }>('optimizer/adamw.json').cases);

test.each(cases)('AdamW equals torch: %s', (_name, { settings, decayed, start, steps }) => {
  const parameters = Float32Array.from(start);
  const state = newOptimizerState(parameters.length);
  const spans = [
    { from: 0, to: decayed, decays: true },
    { from: decayed, to: start.length, decays: false },
  ];
  for (const [place, step] of steps.entries()) {
    const gradient = Float32Array.from(step.gradient);
    const norm = globalNorm(gradient);
    expect(Math.abs(norm - step.norm)).toBeLessThanOrEqual(1e-12 * step.norm);
    const clip = clipFactor(norm, settings.max_grad_norm);
    const options = { ...adamWDefaults, weightDecay: settings.weight_decay };
    adamWStep(parameters, gradient, state, step.rate, clip, options, spans);
    expect(state.step).toBe(place + 1);
    // Parameters and moments are stored in single precision.
    expect(largestDifference(parameters, step.parameters)).toBeLessThan(1e-6);
    expect(relativeDistance(state.firstMoment, step.first_moment)).toBeLessThan(1e-6);
    expect(relativeDistance(state.secondMoment, step.second_moment)).toBeLessThan(1e-6);
  }
  expect(largestDifference(parameters, start)).toBeGreaterThan(1e-3);
});

describe('learning rates equal those of transformers', () => {
  const { schedules, warmup_steps: warmups } = readJson<Schedules>('optimizer/schedules.json');

  test.each(schedules)('$name, warm-up $warmup of $total', ({ name, warmup, total, factors }) => {
    const found = factors.map((_, step) => scheduleFactor(name, step, warmup, total));
    expect(factors.length).toBe(total);
    expect(largestDifference(found, factors)).toBeLessThan(1e-12);
  });

  test.each(warmups)('warm-up $warmup of $total steps', ({ warmup, total, steps }) => {
    expect(warmupSteps(warmup, total)).toBe(steps);
  });
});
