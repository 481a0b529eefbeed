import { join } from 'node:path';
import { InputError } from '../../../shared/errors.ts';
import { readJsonObject } from '../../formats/files.ts';
import { openWeights } from '../../formats/weights.ts';
import type { FrozenTensor, ModelSource } from './family.ts';
import { families } from './index.ts';

/**
 * Opens a model: config.json from its folder, weights from theirs. Checks that every tensor the family needs is
 * there with the right shape; reads no weights.
 * @throws InputError naming the file and what is missing, wrongly shaped or not supported
 */
export function openModel(folder: string, weightsFolder: string): ModelSource {
  const { family, config } = openConfig(join(folder, 'config.json'));
  const weights = openWeights(weightsFolder);
  const tensors = new Map<string, FrozenTensor>();
  for (const [name, shape] of family.parameterShapes(config)) {
    const tensor = weights.tensors.get(name);
    if (!tensor) throw new InputError(`tensor ${name} is missing`, { file: weightsFolder });
    const file = join(weights.folder, tensor.file);
    if (tensor.shape.join() !== shape.join()) {
      throw new InputError(
        `tensor ${name} is [${tensor.shape.join(', ')}], config.json asks for [${shape.join(', ')}]`,
        {
          file,
        },
      );
    }
    const { dtype } = tensor;
    if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16')
      throw new InputError(`tensor ${name} is ${dtype}; F32, F16 or BF16 is needed`, { file });
    tensors.set(name, { ...tensor, dtype });
  }
  return { family, config, weights: { folder: weights.folder, tensors } };
}

/**
 * Reads a config.json by itself: a model to be trained from scratch.
 * @throws InputError if it is missing, broken, or of an unsupported architecture
 */
export function openConfig(file: string): Pick<ModelSource, 'family' | 'config'> {
  const json = readJsonObject(file);
  const named = json['architectures'];
  const architecture = Array.isArray(named) ? String(named[0]) : 'none';
  const family = families.find((each) => each.architecture === architecture);
  if (!family) {
    const known = families.map((each) => each.architecture).join(', ');
    throw new InputError(`architecture ${architecture} is not supported (supported: ${known})`, { file });
  }
  return { family, config: family.parseConfig(json, file) };
}
