import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../shared/errors.ts';
import { decoderContext } from '../engine/generate/decoder.ts';
import { Generator, type GeneratorOptions } from '../engine/generate/generator.ts';
import type { DecoderConfig } from '../engine/models/config.ts';
import type { Trainable } from '../engine/train/graphs.ts';
import { mergePolicy } from '../engine/train/merge.ts';
import { whyUnwritten } from '../formats/files.ts';
import { parameterCount, type OpenModel } from './model.ts';
import { volumeOf } from './plan/resources.ts';

/**
 * Prompts answered side by side, where memory is short and where it is not: 32 take an eighth less time for each than 16, 48 another
 * tenth.
 */
export const fewPromptsAtOnce = 16;
const manyPromptsAtOnce = 48;
/** Bytes that the keys and values of more than a few may take. */
const mostCached = 2 ** 30;

export interface DecodingOptions {
  readonly maxTokens: number;
  readonly threads?: number | undefined;
  /** Weights are not repacked: less memory, more time, other last bits. */
  readonly lowMemory?: boolean | undefined;
  /** Where many answers may have policies merged into weights of their own (`MergedSessions`); absent: policies are fed. */
  readonly mergeFolder?: string | undefined;
}

/** Tokens of all answers from which on merging pays: at 16 side by side it saves some 13 ms a pass of SmolLM2-135M, and takes a second. */
const worthMerging = 4096;
/** Bytes of merged weights at most: what is written for every policy must not wear out a disk. */
const mostMerged = 4 * 2 ** 30;

/** Whether policies are merged. */
function isMerging(
  model: OpenModel,
  trainable: Trainable,
  prompts: number,
  { maxTokens, lowMemory, mergeFolder }: DecodingOptions,
): boolean {
  const bytes = 4 * parameterCount(model);
  return (
    mergeFolder !== undefined &&
    !lowMemory &&
    trainable.kind !== 'none' &&
    prompts * maxTokens >= worthMerging &&
    bytes <= mostMerged &&
    (volumeOf(mergeFolder)?.free ?? Infinity) > 2 * bytes
  );
}

/**
 * Sessions for answers of policies of one shape to the same prompts.
 * @param prompts token ids; at least one prompt
 */
export async function openDecodingSessions(
  model: OpenModel,
  trainable: Trainable,
  prompts: readonly Int32Array[],
  options: DecodingOptions,
): Promise<DecodingSessions> {
  const maxLength = prompts.reduce((most, { length }) => Math.max(most, length), 0) + options.maxTokens;
  const fitting = Math.floor(mostCached / (maxLength * slotBytes(model.source.config)));
  const most = options.lowMemory ? fewPromptsAtOnce : Math.min(fitting, manyPromptsAtOnce);
  const sizes = {
    batch: Math.min(Math.max(most, fewPromptsAtOnce), prompts.length),
    maxLength,
    threads: options.threads,
    prepack: options.lowMemory ? false : undefined,
  };
  return isMerging(model, trainable, prompts.length, options)
    ? new MergedSessions(model, trainable, sizes, options.mergeFolder!)
    : FedSession.open(model, trainable, sizes);
}

/** Bytes of one token's keys and values, in float32. */
export function slotBytes({ layers, keyValueHeads, headSize }: DecoderConfig): number {
  return 2 * 4 * layers * keyValueHeads * headSize;
}

/** Generators for policies of one shape. */
export interface DecodingSessions {
  /** Sequences side by side. */
  readonly batch: number;
  /**
   * Gives work a generator, and the parameters to feed it with.
   * @param parameters of the policy; absent for the base
   */
  use<Result>(parameters: Float32Array | undefined, work: DecodingWork<Result>): Promise<Result>;
  /** As `Generator.contextHash`; of the base, `policy` is `base`. */
  contextHash(policy: string): string;
  release(): Promise<void>;
}

export type DecodingWork<Result> = (
  generator: Generator,
  parameters: Float32Array | undefined,
) => Promise<Result>;

/** One session that every policy is fed to. */
export class FedSession implements DecodingSessions {
  readonly generator: Generator;
  readonly batch: number;
  readonly #model: OpenModel;

  private constructor(model: OpenModel, generator: Generator, batch: number) {
    this.#model = model;
    this.generator = generator;
    this.batch = batch;
  }

  static async open(model: OpenModel, trainable: Trainable, options: GeneratorOptions): Promise<FedSession> {
    return new FedSession(
      model,
      await Generator.create(model.source, trainable, options),
      options.batch ?? 1,
    );
  }

  use<Result>(parameters: Float32Array | undefined, work: DecodingWork<Result>): Promise<Result> {
    return work(this.generator, parameters);
  }

  contextHash(policy: string): string {
    return this.generator.contextHash(this.#model.hash, policy);
  }

  release(): Promise<void> {
    return this.generator.release();
  }
}

/**
 * A session for each policy, its weights merged (`mergePolicy`): passes take a fifth to a quarter less time than with an
 * adapter beside the weights, for about a second before the first. It is there while it is in use; the merged weights are a file only until
 * it is open.
 */
export class MergedSessions implements DecodingSessions {
  readonly batch: number;
  readonly #model: OpenModel;
  readonly #trainable: Trainable;
  readonly #options: GeneratorOptions;
  readonly #folder: string;
  #context: ReturnType<typeof decoderContext> | undefined;

  /** @param folder what is merged lies in, for a second; made where it is not there */
  constructor(model: OpenModel, trainable: Trainable, options: GeneratorOptions, folder: string) {
    this.#model = model;
    this.#trainable = trainable;
    this.#options = options;
    this.batch = options.batch ?? 1;
    this.#folder = folder;
  }

  /** @throws InputError where there is no room for the merged weights */
  async use<Result>(parameters: Float32Array | undefined, work: DecodingWork<Result>): Promise<Result> {
    const isBase = this.#trainable.kind === 'lora' && parameters === undefined;
    const folder = join(this.#folder, `.merged-${randomBytes(6).toString('hex')}.partial`);
    let generator: Generator | undefined;
    try {
      generator = isBase ? await this.#open(this.#model.source) : await this.#openMerged(parameters, folder);
      remove(folder);
      return await work(generator, undefined);
    } finally {
      await generator?.release();
      remove(folder);
    }
  }

  async #openMerged(parameters: Float32Array | undefined, folder: string): Promise<Generator> {
    const { source } = this.#model;
    let merged: OpenModel['source'];
    try {
      mkdirSync(folder, { recursive: true });
      merged = await mergePolicy(source, this.#trainable, parameters, folder, this.#options.threads);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new InputError(`merged weights cannot be written: ${whyUnwritten(error)}`, {
        file: this.#folder,
      });
    }
    return this.#open(merged);
  }

  #open(source: OpenModel['source']): Promise<Generator> {
    return Generator.create(source, { kind: 'none' }, this.#options);
  }

  contextHash(policy: string): string {
    const { source, hash } = this.#model;
    // Where all is trained there may be no base to name.
    const shape: Trainable = this.#trainable.kind === 'full' ? this.#trainable : { kind: 'none' };
    this.#context ??= decoderContext(source, shape, { ...this.#options, batch: this.batch });
    return this.#context(hash, policy === 'base' ? policy : `${policy}, merged`);
  }

  release(): Promise<void> {
    return Promise.resolve();
  }
}

/** Windows keeps a file as long as it is mapped. */
function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // Found by `plumbline doctor` where it stays.
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
