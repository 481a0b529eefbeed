import { existsSync, statSync } from 'node:fs';
import type { CallOptions } from '../../shared/contract.ts';
import { InputError } from '../../shared/errors.ts';
import { hashModel } from '../formats/import-model.ts';
import { openWeights, type WeightIndex } from '../formats/weights.ts';
import type { Model } from '../store/models.ts';
import { supportedArchitectures } from '../training/model.ts';
import { stampsOf, type Library } from './library.ts';

/**
 * The folder of a converted model's own weights, where they are safetensors with two bytes a number and still what was
 * imported: training in little memory reads them there, at half the size of the float32 copy and with the same numbers.
 * Undefined where the converted copy is all there is.
 */
export async function originalWeights(
  library: Library,
  model: Model,
  call: CallOptions,
): Promise<string | undefined> {
  const { source, weightsFolder } = model;
  if (source === weightsFolder || !existsSync(source) || !statSync(source).isDirectory()) return undefined;
  if (!haveTwoBytes(source)) return undefined;
  if (await isUnchanged(library, model, call)) return source;
  const text = `the files that model ${model.name} was made of have changed; its float32 copy is used`;
  call.onProgress?.({ kind: 'note', text });
  return undefined;
}

function haveTwoBytes(folder: string): boolean {
  let weights: WeightIndex;
  try {
    weights = openWeights(folder);
  } catch (error) {
    // A GGUF file, or something else by now.
    if (error instanceof InputError) return false;
    throw error;
  }
  const dtypes = new Set([...weights.tensors.values()].map(({ dtype }) => dtype));
  const readable = [...dtypes].every((dtype) => dtype === 'F32' || dtype === 'F16' || dtype === 'BF16');
  return readable && (dtypes.has('F16') || dtypes.has('BF16'));
}

/** By the stamps kept when it was imported, or else by reading it. */
async function isUnchanged({ store }: Library, model: Model, call: CallOptions): Promise<boolean> {
  const stamps = stampsOf(model.source);
  if (stamps.every((stamp) => store.modelFiles.get(stamp) === model.hash)) return true;
  const total = stamps.reduce((sum, { size }) => sum + Number(size), 0);
  let done = 0;
  const onBytes = (bytes: number): void => {
    call.signal?.throwIfAborted();
    done += bytes;
    call.onProgress?.({ kind: 'progress', label: 'reading the model', done, total, unit: 'B' });
  };
  try {
    if ((await hashModel(model.source, { supported: supportedArchitectures, onBytes })) !== model.hash)
      return false;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
  for (const stamp of stamps) store.modelFiles.put(stamp, model.hash);
  return true;
}
