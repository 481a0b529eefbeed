import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { RunConfig } from '../../shared/config.ts';
import { InputError } from '../../shared/errors.ts';
import type { ModelSource } from '../engine/models/family.ts';
import { openConfig, openModel } from '../engine/models/load.ts';
import { supportedArchitectures } from '../engine/models/index.ts';
import { loadTokenizer, type Tokenizer } from '../engine/tokens/tokenizer.ts';
import { fromPeft, selectTargets, startAdapter, toPeft } from '../engine/train/adapter.ts';
import { trainableLayout, type Trainable } from '../engine/train/graphs.ts';
import { Random } from '../engine/train/random.ts';
import { readJsonObject, sha256OfFile, writeFileWhole, whyUnwritten } from '../formats/files.ts';
import { readAdapter, writeAdapter } from '../formats/peft.ts';
import { readTensorFloat32, writeSafetensors } from '../formats/safetensors.ts';

export { openConfig, supportedArchitectures };

/** A base model opened for work. */
export interface OpenModel {
  readonly name: string;
  /** Identifies the base: SHA-256 over its content. */
  readonly hash: string;
  readonly folder: string;
  /** Where it is not the folder's `config.json`. */
  readonly configFile?: string;
  readonly source: ModelSource;
  readonly tokenizer: Tokenizer;
  /** Bytes of the weights with two bytes a number, where they lie in that form too. */
  readonly originalBytes?: number;
}

/** @param lowMemory opens the weights with two bytes a number, where the place has them */
export function openBase(
  place: {
    readonly name: string;
    readonly hash: string;
    readonly folder: string;
    readonly weightsFolder: string;
    readonly original?: string | undefined;
  },
  lowMemory = false,
): OpenModel {
  const { name, hash, folder, weightsFolder, original } = place;
  const narrow = original === undefined ? undefined : openModel(folder, original);
  const source = lowMemory && narrow ? narrow : openModel(folder, weightsFolder);
  const opened = { name, hash, folder, source, tokenizer: loadTokenizer(folder) };
  return narrow ? { ...opened, originalBytes: weightBytes(narrow) } : opened;
}

/** Bytes of all weights as they are stored. */
function weightBytes({ weights }: ModelSource): number {
  return [...(weights?.tensors.values() ?? [])].reduce((sum, { length }) => sum + length, 0);
}

/**
 * A model without weights yet, from its config.json; its tokenizer lies beside that.
 * @param configFile path of the config.json
 */
export function openFresh(configFile: string): OpenModel {
  const folder = dirname(configFile);
  // First: it names what is wrong with the file, a missing one included.
  const source = openConfig(configFile);
  return {
    name: configFile,
    // The weights are part of the policy, which is hashed by itself; what they mean is said by the config.
    hash: freshHash(configFile),
    folder,
    configFile,
    source,
    tokenizer: loadTokenizer(folder),
  };
}

/** What `openFresh` gives as the base's hash. @throws InputError where there is no such file */
export function freshHash(configFile: string): string {
  return sha256OfFile(configFile);
}

/** How many numbers the model's tensors hold. */
export function parameterCount({ source }: OpenModel): number {
  return [...source.family.parameterShapes(source.config).values()].reduce(
    (sum, shape) => sum + shape.reduce((product, dim) => product * dim, 1),
    0,
  );
}

/** Names of the linear layers that an adapter can be put on, as PEFT names them, in forward order. */
export function adaptableLayers({ source }: OpenModel): string[] {
  const paths = source.family.linearLayers(source.config).map(({ path }) => path);
  return [...new Set(paths.map((path) => path.slice(path.lastIndexOf('.') + 1)))];
}

/** How many numbers a policy of this shape has. */
export function parametersOf({ source }: OpenModel, trainable: Trainable): number {
  return trainableLayout(source, trainable).size;
}

/** What a policy is: which numbers are trained on top of what, and their values. */
export interface Policy {
  readonly trainable: Trainable;
  readonly parameters: Float32Array;
}

/** The policy that a run starts from. Its log-probs are also the reference, unless that is named otherwise. */
export function startPolicy(model: OpenModel, config: RunConfig): Policy {
  if (config.full) return { trainable: { kind: 'full' }, parameters: readAll(model.source) };
  if (config.initAdapter !== undefined) return loadPolicy(model, config.initAdapter);
  const trainable = freshAdapter(model, config);
  return { trainable, parameters: startAdapter(trainable, config.seed) };
}

/** What `startPolicy` would train, without the numbers: no weights are read and none are drawn. */
export function trainableOf(model: OpenModel, config: RunConfig): Trainable {
  if (config.full) return { kind: 'full' };
  if (config.initAdapter !== undefined) return loadPolicy(model, config.initAdapter).trainable;
  return freshAdapter(model, config);
}

function freshAdapter({ source }: OpenModel, config: RunConfig): Trainable & { kind: 'lora' } {
  const { rank, alpha, targets } = config.lora!;
  return { kind: 'lora', rank, scale: alpha / rank, targets: selectTargets(source, targets) };
}

/** The policy at its start (undefined: the base itself), or what `reference` names. */
export function referencePolicy(model: OpenModel, config: RunConfig, start: Policy): Policy | undefined {
  if (config.reference === 'base') {
    if (!model.source.weights)
      throw new InputError('training from scratch has no base to refer to; leave out --reference base');
    return config.full ? start : undefined;
  }
  if (config.reference !== undefined) return loadPolicy(model, config.reference);
  if (config.initAdapter !== undefined) return start;
  // A fresh adapter adds exactly nothing. Weights that are trained are fed, though, and the runtime sums products with
  // fed weights in another order than those with the base's frozen ones, which it repacks: c and r would not start at 0.
  return config.full ? start : undefined;
}

/** A PEFT adapter's folder as a policy. */
export function loadPolicy(model: OpenModel, folder: string): Policy {
  return fromPeft(model.source, readAdapter(folder), folder);
}

/** Random weights for training from scratch: normal with the config's standard deviation, norms 1, biases 0. */
export function randomWeights(source: ModelSource, seed: number): Float32Array {
  const layout = trainableLayout(source, { kind: 'full' });
  const flat = new Float32Array(layout.size);
  const random = new Random(seed, 'weights');
  for (const { name, offset, size } of layout.entries) {
    if (name.endsWith('.bias')) continue;
    const isNorm = name.endsWith('norm.weight');
    for (let place = offset; place < offset + size; place++) {
      flat[place] = isNorm ? 1 : random.normal() * source.config.initializerRange;
    }
  }
  return flat;
}

/** Every weight in float32, flat in the order of `trainableLayout`. */
export function readAll(source: ModelSource): Float32Array {
  const { weights } = source;
  if (!weights) throw new Error('a model without weights has none to read');
  const layout = trainableLayout(source, { kind: 'full' });
  const flat = new Float32Array(layout.size);
  for (const { name, offset } of layout.entries) {
    const tensor = weights.tensors.get(name)!;
    const file = { path: join(weights.folder, tensor.file) };
    flat.set(readTensorFloat32(file, { ...tensor, name }), offset);
  }
  return flat;
}

/** SHA-256 of trained numbers and their shape: tells two starting points apart. */
export function policyHash({ trainable, parameters }: Policy): string {
  const hash = createHash('sha256');
  hash.update(
    trainable.kind === 'lora'
      ? JSON.stringify([trainable.rank, trainable.scale, trainable.targets.map(({ path }) => path)])
      : trainable.kind,
  );
  hash.update(new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength));
  return hash.digest('hex');
}

/** Names what a policy computes: adapters that add exactly nothing are all one, whatever their first factors are. */
export function functionHash(model: OpenModel, policy: Policy): string {
  const { trainable, parameters } = policy;
  const addsNothing =
    trainable.kind === 'lora' &&
    trainableLayout(model.source, trainable).entries.every(
      ({ name, offset, size }) =>
        name.endsWith('lora_A') || parameters.subarray(offset, offset + size).every((value) => value === 0),
    );
  return addsNothing ? 'base' : policyHash(policy);
}

/**
 * Writes a trained policy: a PEFT adapter, or the whole model in Hugging Face's layout.
 * @param base where config and tokenizer are copied from for a whole model
 */
export function savePolicy(
  folder: string,
  policy: Policy,
  base: Pick<OpenModel, 'source' | 'folder' | 'configFile' | 'name'>,
  dtype: 'F32' | 'F16' = 'F32',
): void {
  const { trainable, parameters } = policy;
  if (trainable.kind === 'lora') {
    const layers = base.source.family.linearLayers(base.source.config);
    writeAdapter(folder, toPeft(trainable, parameters, base.name, layers));
    return;
  }
  const layout = trainableLayout(base.source, trainable);
  mkdirSync(dirname(folder), { recursive: true });
  const temporary = mkdtempSync(join(dirname(folder), `.${basename(folder)}-`));
  try {
    const tensors = layout.entries.map(({ name, shape, offset, size }) => ({
      name,
      shape,
      data: parameters.subarray(offset, offset + size),
    }));
    writeSafetensors(join(temporary, 'model.safetensors'), tensors, { metadata: { format: 'pt' }, dtype });
    for (const name of copied) {
      const from = (name === 'config.json' && base.configFile) || join(base.folder, name);
      if (existsSync(from)) copyFileSync(from, join(temporary, name));
    }
    nameDtype(join(temporary, 'config.json'), dtype === 'F32' ? 'float32' : 'float16');
    if (existsSync(folder)) {
      // Only files of a model are replaced; whatever else a person keeps there stays.
      for (const name of ['model.safetensors', ...copied]) {
        if (existsSync(join(temporary, name))) renameSync(join(temporary, name), join(folder, name));
      }
    } else {
      renameSync(temporary, folder);
    }
  } catch (error) {
    throw new InputError(`the model cannot be written: ${whyUnwritten(error)}`, { file: folder });
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Sets a config's dtype where it names another: transformers loads weights as the config says, and would round them. */
function nameDtype(configFile: string, dtype: string): void {
  const config = readJsonObject(configFile);
  const wrong = ['dtype', 'torch_dtype'].filter((key) => key in config && config[key] !== dtype);
  if (wrong.length === 0) return;
  for (const key of wrong) config[key] = dtype;
  writeFileWhole(configFile, `${JSON.stringify(config, undefined, 2)}\n`);
}

const copied = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
];
