import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { InputError } from '../../shared/errors.ts';
import { inWords, isObject, readJsonObject } from './files.ts';
import { readSafetensorsHeader, type SafetensorsDtype } from './safetensors.ts';

/** Where one weight lies. */
export interface WeightPlace {
  /** Plain file name inside the index's folder. */
  readonly file: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Absolute byte offset in the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** All weights of a model, by their Hugging Face names, ready to be mapped into memory. */
export interface WeightIndex {
  /**
   * The folder that really holds the files: symbolic links (as in Hugging Face's download cache) are followed,
   * because ONNX Runtime refuses to map a linked file. So it may differ from the folder that was opened.
   */
  readonly folder: string;
  readonly tensors: ReadonlyMap<string, WeightPlace>;
}

const single = 'model.safetensors';
const sharded = 'model.safetensors.index.json';
const pickled = /\.(bin|pt|pth|pkl|ckpt)$/;

/**
 * Indexes the weights of a model folder: `model.safetensors`, or the shards that `model.safetensors.index.json` names.
 * Reads headers only.
 * @throws InputError if there are no safetensors, a file is broken, or the index and its shards disagree.
 */
export function openWeights(dir: string): WeightIndex {
  if (!existsSync(dir) || !statSync(dir).isDirectory()) throw new InputError('no such folder', { file: dir });
  if (existsSync(join(dir, single))) return indexFiles(dir, [single]);
  if (existsSync(join(dir, sharded))) return openShards(dir);
  const names = readdirSync(dir);
  const pickle = names.find((name) => pickled.test(name));
  if (pickle !== undefined) {
    throw new InputError(
      'pickle weights are refused because loading them runs code; convert them to safetensors',
      {
        file: join(dir, pickle),
      },
    );
  }
  throw new InputError(`holds neither ${single} nor ${sharded}`, { file: dir });
}

function openShards(dir: string): WeightIndex {
  const indexPath = join(dir, sharded);
  const wrong = (cause: string) => new InputError(cause, { file: indexPath });
  const { weight_map: weightMap } = readJsonObject(indexPath);
  if (!isObject(weightMap) || Object.keys(weightMap).length === 0)
    throw wrong('weight_map is missing or empty');
  for (const [tensor, file] of Object.entries(weightMap)) {
    if (typeof file !== 'string' || file === '' || file === '.' || file === '..' || /[/\\:]/.test(file)) {
      throw wrong(`tensor ${tensor} points out of the folder, to ${inWords(file)}`);
    }
    if (!file.endsWith('.safetensors'))
      throw wrong(`tensor ${tensor} is in ${file}, which is not safetensors`);
  }
  const index = indexFiles(dir, [...new Set(Object.values(weightMap) as string[])].sort());
  for (const [tensor, file] of Object.entries(weightMap)) {
    const place = index.tensors.get(tensor);
    if (place === undefined) throw wrong(`tensor ${tensor} is not in ${String(file)}`);
  }
  return index;
}

function indexFiles(dir: string, names: readonly string[]): WeightIndex {
  const tensors = new Map<string, WeightPlace>();
  let folder: string | undefined;
  for (const name of names) {
    const path = join(dir, name);
    if (!existsSync(path)) throw new InputError('no such file', { file: path });
    const real = realpathSync(path);
    folder ??= dirname(real);
    if (dirname(real) !== folder) {
      throw new InputError(`is a link to another folder (${dirname(real)}) than the other weights`, {
        file: path,
      });
    }
    for (const tensor of readSafetensorsHeader(path).tensors.values()) {
      const { dtype, shape, offset, length } = tensor;
      if (tensors.has(tensor.name))
        throw new InputError(`holds tensor ${tensor.name} once more`, { file: path });
      tensors.set(tensor.name, { file: basename(real), dtype, shape, offset, length });
    }
  }
  return { folder: folder!, tensors };
}
