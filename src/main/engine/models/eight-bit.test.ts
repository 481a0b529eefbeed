import { afterAll, describe, expect, test } from 'vitest';
import { fixture } from '../../formats/testing.ts';
import { readSafetensorsHeader, readTensorFloat32 } from '../../formats/safetensors.ts';
import { Decoder } from '../generate/decoder.ts';
import { logProbOf } from '../generate/sampling.ts';
import { eightBitMatmul } from '../graph/ops/index.ts';
import { constant, input } from '../graph/types.ts';
import { portable } from '../lower/lower.ts';
import { GraphSession } from '../session/session.ts';
import { selectTargets, startAdapter, type LoraTrainable } from '../train/adapter.ts';
import { trainableLayout } from '../train/graphs.ts';
import { Random } from '../train/random.ts';
import { eightBitBlock, toEightBit } from './eight-bit.ts';
import { openModel } from './load.ts';

const held = new Set<{ release(): Promise<void> }>();
afterAll(() => Promise.all([...held].map((each) => each.release())));

function normals(count: number, seed: number): Float32Array {
  const random = new Random(seed, 'eight-bit');
  return Float32Array.from({ length: count }, () => random.normal());
}

/** What bytes and scales stand for, in words of its own: each row cut into blocks, each block's largest magnitude in 127 steps. */
function rounded(weights: Float32Array, width: number): Float64Array {
  const result = new Float64Array(weights.length);
  for (let start = 0; start < weights.length; start += width) {
    for (let at = 0; at < width; at += eightBitBlock) {
      const block = weights.subarray(start + at, start + Math.min(at + eightBitBlock, width));
      const step = Math.fround(Math.max(...block.map(Math.abs)) / 127);
      block.forEach((value, place) => {
        result[start + at + place] = step === 0 ? 0 : Math.round(value / step) * step;
      });
    }
  }
  return result;
}

describe('toEightBit', () => {
  test('rounds to the nearest of 127 steps to either side, block by block', () => {
    const width = 40;
    const weights = normals(6 * width, 1);
    // Blocks of very different sizes, and one of zeros.
    weights.subarray(0, eightBitBlock).forEach((value, at, block) => (block[at] = 1000 * value));
    weights.fill(0, width, width + eightBitBlock);
    const { bytes, scales } = toEightBit(weights, width);
    const wanted = rounded(weights, width);
    const blocks = Math.ceil(width / eightBitBlock);
    for (let row = 0; row < 6; row++) {
      for (let at = 0; at < blocks * eightBitBlock; at++) {
        const place = row * blocks + Math.floor(at / eightBitBlock);
        const value = (bytes[row * blocks * eightBitBlock + at]! - 128) * scales[place]!;
        // What a last block has beyond the row is zero.
        const expected = at < width ? wanted[row * width + at]! : 0;
        expect(Math.abs(value - expected), `row ${row}, ${at}`).toBeLessThan(
          1e-6 * Math.abs(expected) + 1e-12,
        );
      }
    }
    expect([...bytes].filter((byte) => byte === 255 || byte === 1).length).toBeGreaterThanOrEqual(11);
  });
});

describe('EightBitMatmul', () => {
  const [width, out] = [104, 24];
  const weights = normals(out * width, 2);
  const { bytes, scales } = toEightBit(weights, width);
  const reference = rounded(weights, width);
  const graph = () =>
    eightBitMatmul(
      input('x', 'float32', ['N', width]),
      constant(bytes, [out, scales.length / out, eightBitBlock], 'uint8'),
      constant(scales, [scales.length]),
    );

  test.each([1, 5, 17])(
    'the kernel is as far from exact products as rounding x to bytes explains: %i rows',
    async (rows) => {
      const session = await GraphSession.create({ y: graph() }, { threads: 1 });
      held.add(session);
      const x = normals(rows * width, 3 + rows);
      const { y } = await session.run({ x: { data: x, shape: [rows, width] } });
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < out; column++) {
          let exact = 0;
          let bound = 1e-4;
          for (let at = 0; at < width; at += eightBitBlock) {
            const end = Math.min(at + eightBitBlock, width);
            const block = x.subarray(row * width + at, row * width + end);
            const halfStep = Math.max(...block.map(Math.abs)) / 127 / 2;
            block.forEach((value, place) => {
              const weight = reference[column * width + at + place]!;
              exact += value * weight;
              bound += halfStep * Math.abs(weight);
            });
          }
          const error = Math.abs((y as Float32Array)[row * out + column]! - exact);
          expect(error, `row ${row}, column ${column}`).toBeLessThan(bound);
        }
      }
    },
  );

  test('its meaning is the product with what the bytes stand for', async () => {
    const session = await GraphSession.create({ y: graph() }, { threads: 1, target: portable });
    held.add(session);
    const x = normals(3 * width, 9);
    const { y } = await session.run({ x: { data: x, shape: [3, width] } });
    (y as Float32Array).forEach((value, place) => {
      const [row, column] = [Math.floor(place / out), place % out];
      const exact = Array.from(
        { length: width },
        (_, at) => x[row * width + at]! * reference[column * width + at]!,
      );
      expect(Math.abs(value - exact.reduce((sum, each) => sum + each, 0))).toBeLessThan(1e-4);
    });
  });
});

describe('decoding with 8-bit weights', () => {
  const folder = fixture('llama/untied');
  const source = openModel(folder, folder);
  const prompt = Int32Array.from([1, 68, 78, 27, 5, 44, 90]);
  const matrices = new Set([
    ...source.family.linearLayers(source.config).map(({ path }) => `${path}.weight`),
    source.family.headName(source.config),
  ]);

  /** The model in float32, its matrices replaced by what their bytes stand for. */
  function roundedModel(): Float32Array {
    const header = readSafetensorsHeader(`${folder}/model.safetensors`);
    const layout = trainableLayout(source, { kind: 'full' });
    const flat = new Float32Array(layout.size);
    for (const { name, shape, offset } of layout.entries) {
      const read = readTensorFloat32(header, header.tensors.get(name)!);
      flat.set(matrices.has(name) ? rounded(read, shape[1]!) : read, offset);
    }
    return flat;
  }

  async function logProbs(decoder: Decoder, parameters?: Float32Array): Promise<number[]> {
    held.add(decoder);
    const logits = await decoder.begin(parameters).readPrompt(prompt);
    return Array.from({ length: source.config.vocabularySize }, (_, token) => logProbOf(logits, token));
  }
  const sizes = { batch: 1, maxLength: 32, threads: 1 };
  const meanDifference = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, value, place) => sum + Math.abs(value - b[place]!), 0) / a.length;

  /** How far log-probs lie from their mean. */
  const spread = (values: readonly number[]): number => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.reduce((sum, value) => sum + Math.abs(value - mean), 0) / values.length;
  };

  test.each([1, 3])(
    'is the model of the rounded matrices, but for rounding on the way: batch %i',
    async (batch) => {
      const eightBit = await Decoder.create(source, { kind: 'none' }, { ...sizes, batch, weights: '8bit' });
      const fed = { family: source.family, config: source.config };
      const full = await Decoder.create(fed, { kind: 'full' }, sizes);
      const plain = await Decoder.create(source, { kind: 'none' }, sizes);
      const found = await logProbs(eightBit);
      const wanted = await logProbs(full, roundedModel());
      // This model's log-probs lie further apart than a trained one's.
      expect(meanDifference(found, wanted)).toBeLessThan(0.02 * spread(wanted));
      // Not the weights as they are, and not far from them.
      const exact = await logProbs(plain);
      expect(meanDifference(wanted, exact)).toBeGreaterThan(1e-4);
      expect(meanDifference(found, exact)).toBeLessThan(0.02 * spread(exact));
      expect(eightBit.contextHash('base', '')).not.toBe(plain.contextHash('base', ''));
    },
  );

  test('an adapter lies on top in float32: one of zeros changes nothing', async () => {
    const lora: LoraTrainable = {
      kind: 'lora',
      rank: 4,
      scale: 2,
      targets: selectTargets(source, 'all-linear'),
    };
    const plain = await Decoder.create(source, { kind: 'none' }, { ...sizes, weights: '8bit' });
    const adapted = await Decoder.create(source, lora, { ...sizes, weights: '8bit' });
    const base = await logProbs(plain);
    expect(await logProbs(adapted)).toEqual(base);
    const parameters = startAdapter(lora, 5).map((value, place) => value + 0.1 * Math.sin(place));
    const exact = await logProbs(await Decoder.create(source, lora, sizes), parameters);
    const found = await logProbs(adapted, parameters);
    expect(meanDifference(found, exact)).toBeLessThan(0.02 * spread(exact));
    expect(meanDifference(found, base)).toBeGreaterThan(0.1 * spread(base));
  });

  test('weights that were all trained are refused', async () => {
    const full = Decoder.create(source, { kind: 'full' }, { ...sizes, weights: '8bit' });
    await expect(full).rejects.toThrow('there are none that could be rounded');
  });
});
