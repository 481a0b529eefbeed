import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { writeAll } from '../../formats/files.ts';
import { readTensorFloat32 } from '../../formats/safetensors.ts';
import { add, matmul } from '../graph/ops/index.ts';
import { input } from '../graph/types.ts';
import type { FrozenTensor, ModelSource } from '../models/family.ts';
import { loraA, loraB } from '../models/parameters.ts';
import { discard } from '../session/garbage.ts';
import { GraphSession, type TensorData } from '../session/session.ts';
import { trainableLayout, type Trainable } from './graphs.ts';

const fileName = 'merged-weights.bin';

/**
 * Writes a policy as a model of its own: frozen weights that sessions may repack, and nothing that is fed. A low-rank update
 * is added to its layer's weight in float32, W + (B A)·scale, as PEFT's `merge_and_unload` does (peft/tuners/lora/layer.py).
 * What it computes differs from the fed policy by rounding alone.
 * @param parameters flat trained numbers; absent means an adapter of zeros
 * @param folder is there already, for one file as large as all weights in float32
 * @throws the system's error where the file cannot be written
 */
export async function mergePolicy(
  source: ModelSource,
  trainable: Trainable,
  parameters: Float32Array | undefined,
  folder: string,
  threads?: number,
): Promise<ModelSource> {
  const { family, config } = source;
  const entries = new Map(trainableLayout(source, trainable).entries.map((entry) => [entry.name, entry]));
  const trained = (name: string): Float32Array | undefined => {
    const entry = entries.get(name);
    return entry && parameters?.subarray(entry.offset, entry.offset + entry.size);
  };
  const merger = trainable.kind === 'lora' ? await Merger.create(trainable, threads) : undefined;
  const tensors = new Map<string, FrozenTensor>();
  const file = openSync(join(folder, fileName), 'wx');
  try {
    let offset = 0;
    for (const [name, shape] of family.parameterShapes(config)) {
      const path = name.replace(/\.weight$/, '');
      const [a, b] = [trained(loraA(path)), trained(loraB(path))];
      const own = trained(name);
      const frozen = own ? undefined : readFrozen(source, name);
      const merged = merger && frozen && a && b ? await merger.merge(frozen, shape, a, b) : undefined;
      const values = (merged ?? own ?? frozen)!;
      writeAll(file, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      const length = values.byteLength;
      tensors.set(name, { file: fileName, offset, length, dtype: 'F32', shape });
      offset += length;
      // Left to the collector, all weights could be there twice.
      for (const passing of [frozen, merged]) if (passing) discard(passing);
    }
  } finally {
    closeSync(file);
    await merger?.release();
  }
  return { family, config, weights: { folder, tensors } };
}

function readFrozen({ weights }: ModelSource, name: string): Float32Array {
  const tensor = weights?.tensors.get(name);
  if (!tensor) throw new Error(`the model has no tensor ${name}`);
  return readTensorFloat32({ path: join(weights!.folder, tensor.file) }, { ...tensor, name });
}

/** W + (B A)·scale of layers of any size, on one session. */
class Merger {
  readonly #session: GraphSession;
  readonly #rank: number;

  private constructor(session: GraphSession, rank: number) {
    this.#session = session;
    this.#rank = rank;
  }

  static async create(
    { rank, scale }: Extract<Trainable, { kind: 'lora' }>,
    threads: number | undefined,
  ): Promise<Merger> {
    const weight = input('weight', 'float32', ['out', 'in']);
    const update = matmul(input('b', 'float32', ['out', rank]), input('a', 'float32', [rank, 'in']), {
      alpha: scale,
    });
    return new Merger(await GraphSession.create({ merged: add(weight, update) }, { threads }), rank);
  }

  /** @param weight [out, in] @param a [rank, in] @param b [out, rank] */
  async merge(
    weight: Float32Array,
    shape: readonly number[],
    a: Float32Array,
    b: Float32Array,
  ): Promise<Float32Array> {
    const [out, inner] = shape as [number, number];
    const results: Record<string, TensorData> = await this.#session.run({
      weight: { data: weight, shape },
      a: { data: a, shape: [this.#rank, inner] },
      b: { data: b, shape: [out, this.#rank] },
    });
    return results['merged'] as Float32Array;
  }

  release(): Promise<void> {
    return this.#session.release();
  }
}
