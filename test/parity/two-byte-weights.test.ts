import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { Decoder } from '../../src/main/engine/generate/decoder.ts';
import type { FrozenWeights, ModelSource } from '../../src/main/engine/models/family.ts';
import { openModel } from '../../src/main/engine/models/load.ts';
import { frozenParameters } from '../../src/main/engine/models/parameters.ts';
import { startAdapter } from '../../src/main/engine/train/adapter.ts';
import { Scorer, type EngineOptions } from '../../src/main/engine/train/scorer.ts';
import { StepTelemetry } from '../../src/main/engine/train/telemetry.ts';
import { Trainer } from '../../src/main/engine/train/trainer.ts';
import { bfloatsToFloat32, float32ToHalves, halvesToFloat32 } from '../../src/main/formats/float16.ts';
import { readSafetensorsHeader, writeSafetensors } from '../../src/main/formats/safetensors.ts';
import { readAll } from '../../src/main/training/model.ts';
import { fixture, loraOn, randomPairs, readTensors, trainingPairs } from './support.ts';

const folders = mkdtempSync(join(tmpdir(), 'two-byte-weights-'));
afterAll(() => {
  rmSync(folders, { recursive: true, force: true });
});

const formats = {
  F16: { narrow: float32ToHalves, widen: halvesToFloat32 },
  BF16: {
    narrow: (values: Float32Array) =>
      Uint16Array.from(new Uint32Array(values.slice().buffer), (bits) => bits >>> 16),
    widen: bfloatsToFloat32,
  },
} as const;

/** A tiny model rounded to a format, as a file of that format and as a float32 file of the same numbers. */
function sameNumbers(
  model: string,
  dtype: keyof typeof formats,
): readonly [narrow: ModelSource, wide: ModelSource] {
  const { narrow, widen } = formats[dtype];
  const name = `llama/${model}/model.safetensors`;
  const { tensors: shapes } = readSafetensorsHeader(fixture(name));
  const rounded = [...readTensors(name)].map(([tensor, values]) => {
    return { name: tensor, shape: shapes.get(tensor)!.shape, bits: narrow(values) };
  });
  const folder = (kind: string): string => {
    const path = join(folders, `${model}-${dtype}-${kind}`);
    mkdirSync(path);
    copyFileSync(fixture(`llama/${model}/config.json`), join(path, 'config.json'));
    return path;
  };
  const wide = folder('wide');
  writeSafetensors(
    join(wide, 'model.safetensors'),
    rounded.map(({ bits, ...tensor }) => ({ ...tensor, data: widen(bits) })),
  );
  const own = folder('narrow');
  let end = 0;
  const entries = rounded.map(({ name: tensor, shape, bits }) => {
    const start = end;
    end += bits.byteLength;
    return [tensor, { dtype, shape, data_offsets: [start, end] }] as const;
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const data = rounded.map(({ bits }) => Buffer.from(bits.buffer));
  writeFileSync(join(own, 'model.safetensors'), Buffer.concat([length, header, ...data]));
  return [openModel(own, own), openModel(wide, wide)];
}

const pairs = randomPairs(5, [
  [9, 6, 4],
  [3, 2, 7],
]);
const lengths = { longestSequence: 24, mostRows: 12, threads: 1 };

/** Loss telemetry, gradient and log-probs of two pairs. */
async function trainOnce(source: ModelSource, engine: EngineOptions) {
  const lora = loraOn(source);
  const scorer = new Scorer(source, { kind: 'none' }, engine);
  const scores = [];
  for await (const { score } of scorer.scoreAll(pairs)) scores.push(score);
  await scorer.release();
  const trainer = await Trainer.create(source, lora, ['dpo'], engine);
  const parameters = startAdapter(lora, 3).map((value, place) => value + 0.01 * Math.sin(place));
  const telemetry = new StepTelemetry(0.1);
  const ready = trainingPairs(pairs, scores);
  const gradient = await trainer.accumulate(parameters, ready, { loss: 'dpo', beta: 0.1 }, telemetry);
  await trainer.release();
  return { scores, gradient, metrics: telemetry.metrics() };
}

describe.each(['F16', 'BF16'] as const)('weights stored as %s', (dtype) => {
  test.each(['tied', 'biases'])(
    'train %s to the bits of a float32 file of the same numbers',
    async (model) => {
      const [narrow, wide] = sameNumbers(model, dtype);
      for (const lowMemory of [true, false]) {
        // Without repacking: numbers that are widened first are no constants, and only those are repacked.
        const engine = { ...lengths, lowMemory, prepack: false };
        const found = await trainOnce(narrow, engine);
        expect(found.gradient.some((value) => value !== 0)).toBe(true);
        expect(found).toEqual(await trainOnce(wide, engine));
      }
      expect(readAll(narrow)).toEqual(readAll(wide));
    },
  );

  test('decode to the same logits', async () => {
    const [narrow, wide] = sameNumbers('untied', dtype);
    const logits = async (source: ModelSource): Promise<Float32Array> => {
      const sizes = { batch: 1, maxLength: 32, threads: 1, prepack: false };
      const decoder = await Decoder.create(source, { kind: 'none' }, sizes);
      const decoding = decoder.begin(undefined);
      await decoding.readPrompt(pairs[0]!.prompt);
      const found = await decoding.pass([pairs[0]!.chosen[0]!]);
      await decoder.release();
      return found;
    };
    expect(await logits(narrow)).toEqual(await logits(wide));
  });
});

test('a float32 copy is made right before the node that reads it', async () => {
  const create = InferenceSession.create.bind(InferenceSession) as (
    ...given: unknown[]
  ) => Promise<InferenceSession>;
  const opened: InferenceSession[] = [];
  const profiling = { enableProfiling: true, profileFilePrefix: join(folders, 'profile') };
  const spy = vi.spyOn(InferenceSession, 'create') as unknown as {
    mockImplementation: (made: typeof create) => { mockRestore: () => void };
  };
  const restored = spy.mockImplementation(async (graph, options) => {
    opened.push(await create(graph, { ...(options as object), ...profiling }));
    return opened.at(-1)!;
  });
  const [source] = sameNumbers('llama3-rope', 'F16');
  const lora = loraOn(source);
  const trainer = await Trainer.create(source, lora, ['dpo'], { ...lengths, lowMemory: true });
  restored.mockRestore();
  const ready = trainingPairs(pairs.slice(0, 1), [{ chosen: -20, rejected: -20 }]);
  await trainer.accumulate(startAdapter(lora, 3), ready, { loss: 'dpo', beta: 0.1 }, new StepTelemetry(0.1));
  opened[0]!.endProfiling();
  const file = readdirSync(folders).find((name) => name.startsWith('profile'))!;
  const events = JSON.parse(readFileSync(join(folders, file), 'utf8')) as {
    readonly cat: string;
    readonly name: string;
    readonly ts: number;
    readonly args: { readonly op_name: string; readonly input_type_shape: readonly object[] };
  }[];
  const kernels = events
    .filter(({ cat, name }) => cat === 'Node' && name.endsWith('kernel_time'))
    .sort((a, b) => a.ts - b.ts)
    .map(({ args }) => args);
  // Behind a Gather its rows are widened, not a table.
  const widens = kernels.map(
    ({ op_name, input_type_shape }, at) =>
      op_name === 'Cast' &&
      input_type_shape.some((type) => 'float16' in type) &&
      kernels[at - 1]?.op_name !== 'Gather',
  );
  const { layers } = source.config;
  // Seven matrices and two norms a layer: forward and, for the backward pass, again; matrices once more for the gradient.
  expect(widens.filter(Boolean).length).toBeGreaterThan(layers * 20);
  expect(kernels.filter((_, at) => widens[at] && widens[at - 1])).toEqual([]);
  await trainer.release();
});

test('blocks of a large two-byte table follow each other in its file and make up the whole', () => {
  const [rows, columns] = [151_936, 1536];
  const weights = (dtype: 'F32' | 'F16', bytes: number): FrozenWeights => ({
    folder: '/nowhere',
    tensors: new Map([
      ['head', { file: 'f', offset: 1000, length: bytes * rows * columns, dtype, shape: [rows, columns] }],
    ]),
  });
  const locations = frozenParameters(weights('F16', 2))
    .blocks('head', [rows, columns])
    .map(({ shape, source }) => ({ shape, ...(source.kind === 'weight' ? source.location : undefined) }));
  expect(locations.length).toBeGreaterThan(10);
  let end = 1000;
  for (const { shape, offset, length } of locations) {
    expect(offset).toBe(end);
    expect(length).toBe(2 * (shape[0] as number) * columns);
    // No float32 copy above 64 MiB.
    expect(4 * (shape[0] as number) * columns).toBeLessThanOrEqual(2 ** 26);
    end += length!;
  }
  expect(end).toBe(1000 + 2 * rows * columns);
  expect(new Set(locations.map(({ name }) => name)).size).toBe(locations.length);
  expect(frozenParameters(weights('F32', 4)).blocks('head', [rows, columns])).toHaveLength(1);
});
