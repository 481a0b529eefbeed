import type { PeftAdapter } from '../../formats/peft.ts';
import { InputError } from '../../../shared/errors.ts';
import type { LinearLayer, ModelSource } from '../models/family.ts';
import { loraA, loraB, loraLayout } from '../models/parameters.ts';
import type { Trainable } from './graphs.ts';
import { Random } from './random.ts';

export type LoraTrainable = Extract<Trainable, { kind: 'lora' }>;

/**
 * The linear layers that target names pick, as PEFT matches a list: a module path equal to a name or ending in it
 * after a dot. `all-linear` is every linear layer but the output head.
 * @throws InputError naming a target that matches nothing
 */
export function selectTargets(
  { family, config }: ModelSource,
  targets: 'all-linear' | readonly string[],
): readonly LinearLayer[] {
  const layers = family.linearLayers(config);
  if (targets === 'all-linear') return layers;
  const matches = (path: string, name: string): boolean => path === name || path.endsWith(`.${name}`);
  for (const name of targets) {
    if (!layers.some(({ path }) => matches(path, name))) {
      const known = [...new Set(layers.map(({ path }) => path.split('.').at(-1)!))].join(', ');
      throw new InputError(`adapter target ${name} matches no linear layer (there are ${known})`);
    }
  }
  return layers.filter(({ path }) => targets.some((name) => matches(path, name)));
}

/** A new adapter as PEFT starts it: A uniform in ±1/√in (Kaiming with a = √5), B zero. Flat, in layout order. */
export function startAdapter(trainable: LoraTrainable, seed: number): Float32Array {
  const layout = loraLayout(trainable.targets, trainable.rank);
  const flat = new Float32Array(layout.size);
  const random = new Random(seed, 'adapter');
  for (const { name, offset, size, shape } of layout.entries) {
    if (!name.endsWith('lora_A')) continue;
    const bound = 1 / Math.sqrt(shape[1]!);
    for (let place = 0; place < size; place++) flat[offset + place] = (2 * random.uniform() - 1) * bound;
  }
  return flat;
}

/**
 * What an adapter read from disk trains, with its numbers flat in layout order.
 * @throws InputError where it does not fit the model
 */
export function fromPeft(
  source: ModelSource,
  adapter: PeftAdapter,
  file: string,
): { readonly trainable: LoraTrainable; readonly parameters: Float32Array } {
  const layers = source.family.linearLayers(source.config);
  const unknown = [...adapter.tensors.keys()].find((path) => !layers.some((layer) => layer.path === path));
  if (unknown !== undefined) throw new InputError(`the model has no linear layer ${unknown}`, { file });
  const targets = layers.filter(({ path }) => adapter.tensors.has(path));
  for (const target of targets) {
    const { aShape, bShape } = adapter.tensors.get(target.path)!;
    if (aShape[1] !== target.in || bShape[0] !== target.out) {
      throw new InputError(
        `${target.path} is adapted as ${aShape[1]} → ${bShape[0]}, the model has ${target.in} → ${target.out}`,
        { file },
      );
    }
  }
  const trainable: LoraTrainable = {
    kind: 'lora',
    rank: adapter.rank,
    scale: adapter.alpha / adapter.rank,
    targets,
  };
  const layout = loraLayout(targets, adapter.rank);
  const parameters = new Float32Array(layout.size);
  for (const { name, offset } of layout.entries) {
    const pair = adapter.tensors.get(name.replace(/\.lora_[AB]$/, ''))!;
    parameters.set(name.endsWith('lora_A') ? pair.a : pair.b, offset);
  }
  return { trainable, parameters };
}

/**
 * An adapter's flat numbers as PEFT stores them.
 * @param layers every linear layer of the model. Where the last parts of the targets' paths match more of them, the
 *   targets are named in full: PEFT would adapt the others as well, and complain that it has no numbers for them.
 */
export function toPeft(
  trainable: LoraTrainable,
  parameters: Float32Array,
  baseModel?: string,
  layers: readonly LinearLayer[] = trainable.targets,
): PeftAdapter {
  const { rank, scale, targets } = trainable;
  const layout = loraLayout(targets, rank);
  const piece = (name: string): Float32Array => {
    const entry = layout.entries.find((each) => each.name === name)!;
    return parameters.slice(entry.offset, entry.offset + entry.size);
  };
  const paths = targets.map(({ path }) => path);
  const lastPart = (path: string): string => path.split('.').at(-1)!;
  const names = [...new Set(paths.map(lastPart))];
  const isExact = layers.every(({ path }) => paths.includes(path) || !names.includes(lastPart(path)));
  return {
    rank,
    alpha: scale * rank,
    targets: isExact ? names : paths,
    ...(baseModel === undefined ? {} : { baseModel }),
    tensors: new Map(
      targets.map((target) => [
        target.path,
        {
          a: piece(loraA(target.path)),
          aShape: [rank, target.in] as const,
          b: piece(loraB(target.path)),
          bShape: [target.out, rank] as const,
        },
      ]),
    ),
  };
}
