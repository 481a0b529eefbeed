import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../../../../test/e2e/support.ts';
import type { RunConfigInput } from '../../../shared/config.ts';
import { fits, type PlanPart } from '../../../shared/plan.ts';
import { planBatches, runLoop } from '../loop.ts';
import type { OpenModel } from '../model.ts';
import { calibrate } from './calibrate.ts';
import { alternatives, cutTo, leastMemory, longestAnswered, type MemoryShape } from './memory-model.ts';
import { precheck } from './precheck.ts';
import { openTiny, openTraining } from './testing.ts';
import { packedLength } from './timing.ts';

const { path: folder, remove } = scratchFolder();
let model: OpenModel;
beforeAll(() => (model = openTiny(folder)));
afterAll(remove);

async function open(input: Partial<RunConfigInput> = {}) {
  const { config, pairs, policy, sessions } = await openTraining(model, 12, input);
  const [held, trained] = [pairs.slice(0, 3), pairs.slice(3)];
  const known = trained.map((pair) => ({ ...pair, reference: { chosen: -40, rejected: -50 } }));
  return { config, held, trained, known, policy, sessions, batches: planBatches(config, trained.length) };
}
const sum = (parts: readonly PlanPart[]): number => parts.reduce((all, { amount }) => all + amount, 0);

describe('calibrate', () => {
  for (const input of [{ lora: { rank: 4 } }, { full: true }] as Partial<RunConfigInput>[]) {
    it(`leaves ${input.full ? 'full' : 'adapter'} training the same to the last bit`, async () => {
      const finals: Float32Array[] = [];
      for (const isPlanned of [false, true]) {
        const { config, held, known, policy, sessions, batches } = await open(input);
        const before = policy.parameters.slice();
        if (isPlanned) {
          await calibrate({ model, policy, ...sessions, config, pairs: known, held, batches });
          expect(policy.parameters).toEqual(before);
        }
        const state = sessions.trainer.newState(policy.parameters);
        await runLoop({ trainer: sessions.trainer, state, pairs: known, batches, config });
        finals.push(state.parameters);
        await sessions.release();
      }
      expect(Buffer.compare(Buffer.from(finals[0]!.buffer), Buffer.from(finals[1]!.buffer))).toBe(0);
    });
  }

  it('accounts for all of its figures, and scales training by the runs', async () => {
    const { config, held, trained, known, policy, sessions, batches } = await open();
    const options = { model, policy, ...sessions, config, held, batches };
    const plan = await calibrate({
      ...options,
      pairs: known,
      spent: [{ name: 'opening', amount: 1000 }],
      writings: [
        { folder, name: 'checkpoints', bytes: 700 },
        { folder: join(folder, 'later'), name: 'adapters', bytes: 300 },
      ],
    });
    expect(sum(plan.memory.parts)).toBeCloseTo(plan.memory.peak, 0);
    expect(plan.time!.total).toBeCloseTo(sum(plan.time!.parts), 9);
    expect(plan.time!.total).toBeGreaterThan(1000);
    expect(plan.disk).toHaveLength(1);
    expect(plan.disk[0]).toMatchObject({ folder, bytes: 1000 });
    expect(plan.calibration!.longestSequence).toBe(Math.max(...trained.map(packedLength)));
    // What training takes more than now: moments, gradients, and the next run's state where there is one.
    const part = (of: typeof plan, name: string) =>
      of.memory.parts.find((each) => each.name === name)!.amount;
    expect(part(plan, 'optimizer')).toBe(4 * 4 * policy.parameters.length);
    const grid = await calibrate({ ...options, pairs: trained, runs: 50, reference: { missing: trained } });
    expect(part(grid, 'next run')).toBe(3 * 4 * policy.parameters.length);
    const names = grid.time!.parts.map(({ name }) => name);
    expect(names).toEqual(['calibration', 'reference', 'training', 'evaluation']);
    await sessions.release();
  });

  it('ends where it is told to', async () => {
    const { config, held, known, policy, sessions, batches } = await open();
    const stop = new AbortController();
    stop.abort(new Error('enough'));
    const options = { model, policy, ...sessions, config, pairs: known, held, batches };
    await expect(calibrate({ ...options, signal: stop.signal })).rejects.toThrow('enough');
    await sessions.release();
  });
});

describe('the memory model', () => {
  const pair = (prompt: number, chosen: number, rejected: number) => ({
    prompt: new Int32Array(prompt),
    chosen: new Int32Array(chosen),
    rejected: new Int32Array(rejected),
  });
  const shapeOf = (changes: Partial<MemoryShape> = {}): MemoryShape => ({
    source: model.source,
    trainable: { kind: 'full' },
    pairs: [pair(100, 60, 90), pair(30, 20, 20)],
    batch: 1,
    scores: true,
    ...changes,
  });

  it('cuts answers as a shorter max length does', () => {
    expect(longestAnswered(shapeOf().pairs)).toBe(190);
    const cut = cutTo(pair(100, 60, 90), 150)!;
    expect([cut.prompt.length, cut.chosen.length, cut.rejected.length]).toEqual([100, 50, 50]);
    expect(cutTo(pair(100, 60, 90), 100)).toBeUndefined();
  });

  it('grows with the square of the length in attention alone', () => {
    const { heads, layers } = model.source.config;
    const activations = (length: number): number => {
      const [one] = [pair(length, 1, 1)];
      return leastMemory(shapeOf({ pairs: [one] })).activations;
    };
    // Second differences leave the square, of which a prompt's rows look at half: step² · heads · 4 bytes, of every layer
    // where all are kept, else of the one that is at work.
    const difference = (step: number): number =>
      activations(3 * step) - 2 * activations(2 * step) + activations(step);
    expect(difference(100)).toBe(100 ** 2 * heads * layers * 4);
    expect(difference(1000)).toBe(1000 ** 2 * heads * 4);
  });

  it('names changes that need less, each less than the whole', () => {
    const found = alternatives(shapeOf({ batch: 4 }), 1e9);
    expect(found.map(({ change }) => change)).toContain('lower the batch size to 2');
    expect(found.map(({ change }) => change)).toContain('lower the max length to 80 tokens');
    for (const { peak } of found) expect(peak).toBeLessThan(1e9);
  });

  it('counts weights once, in two bytes, where little memory finds them so', () => {
    const targets = model.source.family.linearLayers(model.source.config);
    const trainable = { kind: 'lora', rank: 4, scale: 2, targets } as const;
    const numbers = [...model.source.family.parameterShapes(model.source.config).values()].reduce(
      (sum, dims) => sum + dims.reduce((product, dim) => product * dim, 1),
      0,
    );
    const low = { trainable, lowMemory: true };
    expect(leastMemory(shapeOf(low)).weights).toBe(4 * numbers);
    const halved = leastMemory(shapeOf({ ...low, originalBytes: 2 * numbers })).weights;
    const { hiddenSize, intermediateSize } = model.source.config;
    // And one product's copy in float32.
    expect(halved).toBe(2 * numbers + 4 * hiddenSize * intermediateSize);
    // What is advised to a run that repacks its weights counts on them too.
    const advised = (originalBytes?: number): number =>
      alternatives(shapeOf({ trainable, originalBytes, pairs: [pair(400, 40, 40)] }), 1e9).find(
        ({ change }) => change.includes('--low-memory'),
      )!.peak;
    expect(advised(2 * numbers)).toBeLessThan(advised());
  });

  it('refuses what cannot fit before anything is opened', () => {
    expect(fits(precheck(shapeOf())).fits).toBe(true);
    const { fits: does, reasons } = fits(precheck(shapeOf(), 50e6));
    expect(does).toBe(false);
    expect(reasons[0]).toMatch(/^needs about \d+ MB of memory, 50\.0 MB can be had; /);
  });
});
