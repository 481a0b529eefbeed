import { afterAll, beforeAll, expect, it } from 'vitest';
import { scratchFolder } from '../../../../test/e2e/support.ts';
import { planBatches } from '../loop.ts';
import type { OpenModel } from '../model.ts';
import { memoryShape, type CalibrationOptions } from './calibrate.ts';
import { leastMemory, passMemory } from './memory-model.ts';
import { availableMemory } from './resources.ts';
import { planFromShapes } from './shape-plan.ts';
import { openTiny, openTraining } from './testing.ts';

const { path: folder, remove } = scratchFolder();
let model: OpenModel;
beforeAll(() => (model = openTiny(folder)));
afterAll(remove);

async function open() {
  const { config, pairs, policy, sessions } = await openTraining(model, 9);
  const batches = planBatches(config, pairs.length);
  return { options: { model, policy, ...sessions, config, pairs, held: [], batches }, sessions };
}

it('plans memory and disk where memory is ample, and leaves the time to the steps', async () => {
  const { options, sessions } = await open();
  const writings = [{ folder, name: 'checkpoints', bytes: 700 }];
  const plan = planFromShapes({ ...options, writings })!;
  expect(plan.memory.parts.reduce((sum, { amount }) => sum + amount, 0)).toBe(plan.memory.peak);
  expect(plan.memory.peak).toBeLessThan(plan.memory.available);
  expect(plan.memory.parts.find(({ name }) => name === 'optimizer')!.amount).toBe(
    5 * 4 * options.policy.parameters.length,
  );
  expect(plan.disk).toMatchObject([{ folder, bytes: 700 }]);
  expect([plan.time, plan.calibration]).toEqual([undefined, undefined]);
  await sessions.release();
});

it('leaves it to a measurement where memory may be short', async () => {
  const { options, sessions } = await open();
  // One answer that would take a quarter of what the machine has, by shapes alone.
  const shape = memoryShape(options);
  const bytes = (tokens: number): number =>
    passMemory({ ...shape, pairs: [long(tokens)] }, [long(tokens)]) / 1e9;
  const long = (tokens: number) => ({
    ...options.pairs[0]!,
    prompt: new Int32Array(tokens),
    chosen: new Int32Array(1),
    rejected: new Int32Array(1),
  });
  let tokens = 1000;
  while (bytes(tokens) < availableMemory() / 4e9) tokens *= 2;
  const pairs: CalibrationOptions['pairs'] = [long(tokens)];
  expect(planFromShapes({ ...options, pairs, batches: [[0]] })).toBeUndefined();
  await sessions.release();
});

it('counts a pass by its pairs: one alone as the least that a training takes, two as both', async () => {
  const { options, sessions } = await open();
  const [one, two] = options.pairs as [(typeof options.pairs)[0], (typeof options.pairs)[0]];
  const shape = { ...memoryShape(options), pairs: [one] };
  expect(passMemory(shape, [one])).toBe(leastMemory(shape).activations);
  expect(passMemory(shape, [one, two])).toBe(passMemory(shape, [one]) + passMemory(shape, [two]));
  // A prompt that both have is there once, and so is what all prompts begin with.
  const again = { ...one, index: 1 };
  const once = passMemory(shape, [{ ...one, prompt: one.prompt.subarray(0, 0) }]);
  expect(passMemory(shape, [one, again])).toBeLessThan(2 * passMemory(shape, [one]));
  expect(passMemory(shape, [one, again])).toBeGreaterThan(passMemory(shape, [one]) + once);
  expect(passMemory({ ...shape, prefix: 2 }, [one, two])).toBeLessThan(passMemory(shape, [one, two]));
  await sessions.release();
});
