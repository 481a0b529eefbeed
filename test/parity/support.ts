import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openModel } from '../../src/main/engine/models/load.ts';
import type { ModelSource } from '../../src/main/engine/models/family.ts';
import { selectTargets, type LoraTrainable } from '../../src/main/engine/train/adapter.ts';
import type { PackablePair } from '../../src/main/engine/train/packing.ts';
import { Random } from '../../src/main/engine/train/random.ts';
import type { TrainingPair } from '../../src/main/engine/train/trainer.ts';
import { readSafetensorsHeader, readTensorFloat32 } from '../../src/main/formats/safetensors.ts';

/** Path of a committed fixture, made by the scripts beside this file. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
}

export function readJson<Content>(name: string): Content {
  return JSON.parse(readFileSync(fixture(name), 'utf8')) as Content;
}

/** The tiny models that transformers made: see make_llama_fixtures.py. */
export const llamaCases = ['tied', 'untied', 'llama3-rope', 'biases'] as const;

export function llamaModel(name: string): ModelSource {
  const folder = fixture(`llama/${name}`);
  return openModel(folder, folder);
}

/** An adapter on every linear layer. */
export function loraOn(source: ModelSource, rank = 4, alpha = 8): LoraTrainable {
  return { kind: 'lora', rank, scale: alpha / rank, targets: selectTargets(source, 'all-linear') };
}

/** Token ids as fixtures write them. */
export interface FixturePair {
  readonly prompt: readonly number[];
  readonly chosen: readonly number[];
  readonly rejected: readonly number[];
}

export function packable(pair: FixturePair): PackablePair {
  return {
    prompt: Int32Array.from(pair.prompt),
    chosen: Int32Array.from(pair.chosen),
    rejected: Int32Array.from(pair.rejected),
  };
}

/** Pairs of random ids below the tiny models' vocabulary of 97. */
export function randomPairs(seed: number, lengths: readonly (readonly [number, number, number])[]) {
  const random = new Random(seed, 'test pairs');
  const ids = (length: number): Int32Array => Int32Array.from({ length }, () => 3 + random.below(94));
  return lengths.map(([prompt, chosen, rejected]) => ({
    prompt: ids(prompt),
    chosen: ids(chosen),
    rejected: ids(rejected),
  }));
}

/** Pairs to train on, with their reference log-probs where given. */
export function trainingPairs(
  pairs: readonly PackablePair[],
  reference?: readonly { readonly chosen: number; readonly rejected: number }[],
): TrainingPair[] {
  return pairs.map((pair, index) => {
    const own = reference?.[index];
    return { ...pair, index, ...(own && { reference: { chosen: own.chosen, rejected: own.rejected } }) };
  });
}

/** All tensors of a safetensors file in the fixtures. */
export function readTensors(name: string): ReadonlyMap<string, Float32Array> {
  const file = readSafetensorsHeader(fixture(name));
  return new Map([...file.tensors].map(([key, tensor]) => [key, readTensorFloat32(file, tensor)]));
}

type Numbers = ArrayLike<number>;

/** max |a − b|; infinite where lengths differ or anything is not a number, so that no comparison passes by accident. */
export function largestDifference(a: Numbers, b: Numbers): number {
  if (a.length !== b.length) return Infinity;
  let largest = 0;
  for (let place = 0; place < a.length; place++) {
    const difference = Math.abs(a[place]! - b[place]!);
    if (Number.isNaN(difference)) return Infinity;
    largest = Math.max(largest, difference);
  }
  return largest;
}

/** |found − expected| / |expected|, Euclidean; infinite where lengths differ or anything is not a number. */
export function relativeDistance(found: Numbers, expected: Numbers): number {
  if (found.length !== expected.length) return Infinity;
  let difference = 0;
  let size = 0;
  for (let place = 0; place < found.length; place++) {
    difference += (found[place]! - expected[place]!) ** 2;
    size += expected[place]! ** 2;
  }
  const distance = Math.sqrt(difference / size);
  return Number.isNaN(distance) ? Infinity : distance;
}

/** Path in the folder of models and data beside the repository. */
export function sharedPath(name: string): string {
  return join(fileURLToPath(new URL('../../../shared/', import.meta.url)), name);
}
