import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { repetition } from '../../shared/repetition.ts';
import type { GenerateOptions, Reader } from '../engine/generate/generator.ts';
import { NonFiniteLogitsError } from '../engine/generate/sampling.ts';
import type { Trainable } from '../engine/train/graphs.ts';
import { readJsonObject } from '../formats/files.ts';
import {
  fewPromptsAtOnce,
  FedSession,
  openDecodingSessions,
  slotBytes,
  type DecodingOptions,
  type DecodingSessions,
} from './decoding-sessions.ts';
import type { OpenModel } from './model.ts';
import { hashOf } from './recall.ts';
import type { WorkOptions } from './work.ts';

export { NonFiniteLogitsError, type DecodingOptions };

/** Tokens after which a rehearsal may be given up. */
const fewestRehearsed = 8;

const generationConfig = z.object({
  eos_token_id: z.union([z.number().int(), z.array(z.number().int())]).nullish(),
});

/**
 * Ids that end a model's answer: those of generation_config.json, which transformers' `generate` goes by (chat models
 * of the Llama 3 kind name several there), config.json and the tokenizer.
 */
export function endTokens(model: OpenModel): number[] {
  const file = join(model.folder, 'generation_config.json');
  const parsed = existsSync(file) ? generationConfig.safeParse(readJsonObject(file)) : undefined;
  const named = parsed?.data?.eos_token_id ?? [];
  const ids = typeof named === 'number' ? [named] : named;
  return [...new Set([...ids, ...model.source.config.eosTokenIds, model.tokenizer.eosTokenId])];
}

export interface Answer {
  /** Without special tokens and outer space. */
  readonly text: string;
  /** Ids of all that was generated, one that ended the answer included. */
  readonly tokens: readonly number[];
  /** Whether it was cut at the longest. */
  readonly isCut: boolean;
  /** Of its tokens but one that ends it, as shared/repetition.ts defines it. */
  readonly repetition: number;
}

/** An answer drawn at temperature 1. */
export interface SampledAnswer extends Answer {
  /** KL to the policy that reads along, in nats at each token; absent where none does. */
  readonly divergences?: readonly number[];
}

/** The same prompts answered greedily by one policy after another, in one session and one order. */
export class Answerer {
  readonly #model: OpenModel;
  /** Token ids of each question as it is asked. */
  readonly prompts: readonly Int32Array[];
  readonly #sessions: DecodingSessions;
  readonly #maxTokens: number;

  private constructor(
    model: OpenModel,
    prompts: readonly Int32Array[],
    sessions: DecodingSessions,
    maxTokens: number,
  ) {
    this.#model = model;
    this.prompts = prompts;
    this.#sessions = sessions;
    this.#maxTokens = maxTokens;
  }

  /**
   * @param trainable the shape of the policies; their numbers come with each call
   * @param prompts token ids; at least one prompt
   */
  static async openFor(
    model: OpenModel,
    trainable: Trainable,
    prompts: readonly Int32Array[],
    options: DecodingOptions,
  ): Promise<Answerer> {
    const sessions = await openDecodingSessions(model, trainable, prompts, options);
    return new Answerer(model, prompts, sessions, options.maxTokens);
  }

  /**
   * @param parameters trained numbers; absent for the base
   * @returns one answer per prompt
   * @throws NonFiniteLogitsError where the policy gives no numbers; the signal's reason where that is aborted
   */
  answer(parameters: Float32Array | undefined, options: WorkOptions): Promise<Answer[]> {
    return this.#generate(parameters, options, { temperature: 0 });
  }

  /**
   * As `answer`, drawn at temperature 1 by the same random streams for every policy.
   * @param against a policy that reads along, as `GenerateOptions.against`
   */
  sample(
    parameters: Float32Array | undefined,
    against: Reader | undefined,
    options: WorkOptions,
  ): Promise<SampledAnswer[]> {
    return this.#generate(parameters, options, { temperature: 1, against });
  }

  /** A policy of this session's shape that reads along. */
  reader(parameters: Float32Array | undefined): Reader {
    if (!(this.#sessions instanceof FedSession)) throw new Error('a merged policy reads nothing along');
    return { generator: this.#sessions.generator, parameters };
  }

  async #generate(
    parameters: Float32Array | undefined,
    options: WorkOptions,
    how: Pick<GenerateOptions, 'temperature' | 'against'>,
  ): Promise<SampledAnswer[]> {
    let done = 0;
    const lengths = new Map<number, number>();
    const end = new Set(endTokens(this.#model));
    const given = {
      maxTokens: this.#maxTokens,
      ...how,
      topP: 1,
      seed: 0,
      eosTokenIds: [...end],
      signal: options.signal,
      onToken: (sequence: number, token: number) => {
        const length = (lengths.get(sequence) ?? 0) + 1;
        lengths.set(sequence, length);
        if (!end.has(token) && length < this.#maxTokens) return;
        done += 1;
        options.onProgress?.(done, this.prompts.length);
      },
    };
    const generated = await this.#sessions.use(parameters, (generator, fed) =>
      generator.generate(this.prompts, { ...given, parameters: fed }),
    );
    return generated.map(({ tokens, finish, divergences }) => ({
      text: this.#model.tokenizer.decode(tokens, { skipSpecialTokens: true }).trim(),
      tokens,
      isCut: finish === 'length',
      repetition: repetition(tokens.filter((token) => !end.has(token))),
      ...(divergences ? { divergences } : {}),
    }));
  }

  /**
   * Names all that decides answers and samples of a policy: weights, prompts, longest answer, what ends one, and engine.
   * @param policy as `functionHash` (model.ts) names it
   */
  contextHash(policy: string): string {
    return hashOf([
      this.#sessions.contextHash(policy),
      this.prompts.map((prompt) => prompt.join()),
      this.#maxTokens,
      endTokens(this.#model),
    ]);
  }

  /**
   * Answers one group of prompts of middle length and says how long it took, for an estimate of all of them. Given up
   * after `seconds`, what is left of the answers is taken to go on at the same pace to their longest.
   * @returns seconds that answering every prompt would take, and bytes of cache still to be filled
   */
  async rehearse(
    parameters: Float32Array | undefined,
    options: { readonly seconds: number; readonly signal?: AbortSignal | undefined },
  ): Promise<Rehearsal> {
    const sorted = [...this.prompts].sort((a, b) => b.length - a.length);
    // Fewer than will be side by side: that takes half the time, and a sixth too much is told of.
    const batch = Math.min(fewPromptsAtOnce, sorted.length);
    const groups = Math.ceil(sorted.length / batch);
    const middle = Math.min(Math.floor(groups / 2) * batch, sorted.length - batch);
    const enough = new AbortController();
    const signals = options.signal ? [options.signal, enough.signal] : [enough.signal];
    const called = performance.now();
    let started = called;
    const elapsed = (): number => (performance.now() - started) / 1000;
    let readSeconds = 0;
    /** Of the longest answer, now and when the last prompt had been read. */
    let tokens = 0;
    let tokensThen = 0;
    const lengths = new Map<number, number>();
    let wasGivenUp = false;
    let took = 0;
    try {
      const given = {
        maxTokens: this.#maxTokens,
        temperature: 0,
        topP: 1,
        seed: 0,
        eosTokenIds: endTokens(this.#model),
        signal: AbortSignal.any(signals),
        onToken: (sequence: number) => {
          const begun = lengths.size;
          const length = (lengths.get(sequence) ?? 0) + 1;
          lengths.set(sequence, length);
          tokens = Math.max(tokens, length);
          if (lengths.size > begun) {
            readSeconds = elapsed();
            tokensThen = tokens;
          }
          const isRead = lengths.size === batch && tokens - tokensThen >= fewestRehearsed;
          if (isRead && elapsed() > options.seconds) enough.abort(enough);
        },
      };
      await this.#sessions.use(parameters, (generator, fed) => {
        started = performance.now();
        const asked = sorted.slice(middle, middle + batch);
        return generator.generate(asked, { ...given, parameters: fed }).finally(() => (took = elapsed()));
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof NonFiniteLogitsError) {
        // The work itself will say so; until then its answers take no time.
      } else if (enough.signal.aborted) wasGivenUp = true;
      else throw error;
    }
    const passSeconds = tokens > tokensThen ? (took - readSeconds) / (tokens - tokensThen) : 0;
    const mean = wasGivenUp
      ? this.#maxTokens
      : [...lengths.values()].reduce((sum, length) => sum + length, 0) / Math.max(1, lengths.size);
    const mostTokens = wasGivenUp ? this.#maxTokens : tokens;
    // As many passes as give all tokens, a full batch at a time; while a prompt is read the others go on.
    const passes = Math.max((sorted.length * mean) / batch, mostTokens);
    const openSeconds = (started - called) / 1000;
    return {
      seconds: openSeconds + took,
      allSeconds:
        openSeconds +
        (sorted.length / batch) * readSeconds +
        passSeconds * Math.max(0, passes - sorted.length),
      // Keys and values; they are moved to where there is more room tensor by tensor.
      bytesToCome:
        slotBytes(this.#model.source.config) *
        (this.#sessions.batch * this.#longest() - batch * (sorted[middle]!.length + tokens)),
    };
  }

  #longest(): number {
    return this.prompts.reduce((most, prompt) => Math.max(most, prompt.length), 0) + this.#maxTokens;
  }

  release(): Promise<void> {
    return this.#sessions.release();
  }
}

/** How answering went on a part of the prompts. */
export interface Rehearsal {
  readonly seconds: number;
  readonly allSeconds: number;
  readonly bytesToCome: number;
}
