import { describe, expect, test } from 'vitest';
import { fromPeft } from '../../src/main/engine/train/adapter.ts';
import { trainableLayout } from '../../src/main/engine/train/graphs.ts';
import { StepTelemetry } from '../../src/main/engine/train/telemetry.ts';
import { Trainer, type TrainingPair } from '../../src/main/engine/train/trainer.ts';
import { readAdapter } from '../../src/main/formats/peft.ts';
import type { ParameterLayout } from '../../src/main/engine/models/parameters.ts';
import {
  fixture,
  llamaModel,
  packable,
  readJson,
  readTensors,
  relativeDistance,
  type FixturePair,
} from './support.ts';

interface LoraEntry {
  readonly entry: string;
  readonly loss_name: string;
  readonly beta: number;
  readonly gate: 'open' | 'closed';
  readonly reference_chosen: number;
  readonly reference_rejected: number;
  readonly c: number;
  readonly r: number;
  readonly loss: number;
}
interface LoraExpected {
  readonly pair: FixturePair;
  readonly entries: readonly LoraEntry[];
}
interface FullExpected {
  readonly sequences: readonly { readonly prompt: number[]; readonly completion: number[] }[];
  readonly tokens: number;
  readonly loss: number;
}

/** Largest relative distance of any one tensor's gradient, with that tensor's name. */
function worstTensor(
  gradient: Float32Array,
  layout: ParameterLayout,
  expected: (name: string) => Float32Array,
): { readonly worst: number; readonly name: string } {
  let result = { worst: 0, name: '' };
  expect(layout.entries.length).toBeGreaterThan(0);
  for (const { name, offset, size } of layout.entries) {
    const worst = relativeDistance(gradient.subarray(offset, offset + size), expected(name));
    if (worst > result.worst) result = { worst, name };
  }
  return result;
}

describe.each(['tied', 'biases'])('LoRA gradients on %s equal float64 torch', (name) => {
  const source = llamaModel(name);
  const expected = readJson<LoraExpected>(`gradients/${name}-lora/expected.json`);
  const stored = readTensors(`gradients/${name}-lora/gradients.safetensors`);
  const folder = fixture(`gradients/${name}-lora/adapter`);
  const { trainable, parameters } = fromPeft(source, readAdapter(folder), folder);
  const layout = trainableLayout(source, trainable);
  const losses = ['dpo', 'minor-dpo'];

  test.each([
    { mostRows: 512 },
    { mostRows: 1024 },
    { mostRows: 1536 },
    // Long sequences make their attention's probabilities again, and cut their prompts; long answers are cut as well.
    { mostRows: 512, longestSequence: 2048 },
    { mostRows: 1024, longestSequence: 2048 },
    { mostRows: 512, lowMemory: true },
    { mostRows: 512, longestSequence: 2048, lowMemory: true },
  ])('computed with %o', async (sizes) => {
    const trainer = await Trainer.create(source, trainable, losses, {
      longestSequence: 64,
      threads: 1,
      ...sizes,
    });
    expect(expected.entries.map(({ gate, loss_name: loss }) => `${gate} ${loss}`)).toEqual(
      expect.arrayContaining(['open dpo', 'open minor-dpo', 'closed dpo', 'closed minor-dpo']),
    );
    for (const entry of expected.entries) {
      const pair: TrainingPair = {
        ...packable(expected.pair),
        index: 0,
        reference: { chosen: entry.reference_chosen, rejected: entry.reference_rejected },
      };
      const telemetry = new StepTelemetry(entry.beta);
      const settings = { loss: entry.loss_name, beta: entry.beta };
      const gradient = await trainer.accumulate(parameters, [pair], settings, telemetry);
      const found = telemetry.pairs[0]!;
      expect(Math.abs(found.loss - entry.loss)).toBeLessThan(5e-5);
      expect(Math.abs(found.c! - entry.c)).toBeLessThan(5e-5);
      expect(Math.abs(found.r! - entry.r)).toBeLessThan(5e-5);
      const { worst, name: tensor } = worstTensor(gradient, layout, (own) =>
        stored.get(`${entry.entry}/base_model.model.${own}.weight`)!,
      );
      expect(worst, `${entry.entry}, ${tensor}`).toBeLessThan(2e-5);
      const share = telemetry.metrics()['grad/chosen_share'];
      const onlyChosen = entry.loss_name === 'minor-dpo' && entry.gate === 'closed';
      expect(share).toBe(onlyChosen ? 1 : 0.5);
    }
    await trainer.release();
  });

  test('a closed gate leaves nothing of the rejected answer in the gradient', async () => {
    const trainer = await Trainer.create(source, trainable, losses, {
      longestSequence: 64,
      mostRows: 64,
      threads: 1,
    });
    const entry = expected.entries.find(
      ({ gate, loss_name: loss }) => gate === 'closed' && loss === 'minor-dpo',
    )!;
    const pair = packable(expected.pair);
    const changed = { ...pair, rejected: pair.rejected.map((id, place) => (place === 5 ? id + 1 : id)) };
    const gradients: Float32Array[] = [];
    for (const own of [pair, changed]) {
      // A reference so high that the gate is closed whatever the rejected answer.
      const reference = { chosen: entry.reference_chosen, rejected: 0 };
      const settings = { loss: 'minor-dpo', beta: entry.beta };
      const rows = [{ ...own, index: 0, reference }];
      gradients.push(await trainer.accumulate(parameters, rows, settings, new StepTelemetry(entry.beta)));
    }
    expect(gradients[0]!.some((value) => value !== 0)).toBe(true);
    expect(relativeDistance(gradients[1]!, gradients[0]!)).toBeLessThan(1e-6);
    await trainer.release();
  });
});

describe.each(['tied', 'untied'])('gradients of every weight of %s equal float64 torch', (name) => {
  const { family, config } = llamaModel(name);
  const expected = readJson<FullExpected>(`gradients/${name}-full/expected.json`);
  const stored = readTensors(`gradients/${name}-full/gradients.safetensors`);
  const weights = readTensors(`llama/${name}/model.safetensors`);
  const layout = trainableLayout({ family, config }, { kind: 'full' });

  test.each([1, 2, 3, 4])('%i sequences side by side', async (batch) => {
    const trainer = await Trainer.create({ family, config }, { kind: 'full' }, ['sft'], {
      longestSequence: 64,
      mostRows: 64,
      threads: 1,
      batch,
    });
    const parameters = new Float32Array(layout.size);
    for (const { name: own, offset } of layout.entries) parameters.set(weights.get(own)!, offset);
    const rows = expected.sequences.map(({ prompt, completion }, index) => ({
      ...packable({ prompt, chosen: completion, rejected: [] }),
      index,
    }));
    const telemetry = new StepTelemetry(1);
    const gradient = await trainer.accumulate(parameters, rows, { loss: 'sft', beta: 1 }, telemetry);
    expect(Math.abs(telemetry.metrics().loss! - expected.loss)).toBeLessThan(1e-5);
    expect([...stored.keys()].sort()).toEqual(layout.entries.map((entry) => entry.name).sort());
    const { worst, name: tensor } = worstTensor(gradient, layout, (own) => stored.get(own)!);
    expect(worst, tensor).toBeLessThan(2e-5);
    await trainer.release();
  });
});
