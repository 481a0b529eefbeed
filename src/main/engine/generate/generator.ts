import { InputError } from '../../../shared/errors.ts';
import type { ModelSource } from '../models/family.ts';
import type { Trainable } from '../train/graphs.ts';
import { commonLength } from '../train/packing.ts';
import { Random } from '../train/random.ts';
import { breathe, Decoder, promptPiece, type BaseWeights, type Piece } from './decoder.ts';
import { divergenceOf } from './divergence.ts';
import { chooseToken, logProbOf, type SamplingOptions } from './sampling.ts';

export interface GeneratorOptions {
  /** Threads of one operation; 0 or absent lets the runtime choose. */
  readonly threads?: number | undefined;
  /** Sequences decoded side by side; 1 if absent. */
  readonly batch?: number;
  /** Most tokens of a sequence, prompt and answer together. */
  readonly maxLength: number;
  /** Repacks frozen weights: faster prompts for one more copy of the weights. */
  readonly prepack?: boolean | undefined;
  /** As `DecoderOptions.weights`. */
  readonly weights?: BaseWeights | undefined;
}

export interface GenerateOptions extends SamplingOptions {
  /** Flat trainable numbers; absent means the base (an adapter of zeros). */
  readonly parameters?: Float32Array | undefined;
  /** Most new tokens per sequence. */
  readonly maxTokens: number;
  readonly seed: number;
  /** Tokens that end a sequence. */
  readonly eosTokenIds: readonly number[];
  /**
   * Called for each new token, the one that ends a sequence included. `sequence` is the prompt's index. `logProb`: the token's
   * in nats, at temperature 1 whatever it was drawn at, where `logProbs` asks for it, else NaN.
   */
  readonly onToken?: (sequence: number, tokenId: number, logProb: number) => void;
  /** Whether log-probs are told: they take all logits of a token out of the runtime. */
  readonly logProbs?: boolean;
  /** A policy that reads along: how far what is generated lies from it is measured at every token. */
  readonly against?: Reader | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A policy of the same vocabulary, on a generator of the same batch (the same one, if it has that shape). */
export interface Reader {
  readonly generator: Generator;
  /** As `GenerateOptions.parameters`. */
  readonly parameters: Float32Array | undefined;
}

export interface Generated {
  /** New token ids; where `finish` is `end`, the last one is the token that ended the sequence. */
  readonly tokens: number[];
  /** `length`: maxTokens, or the generator's maxLength, was reached first. */
  readonly finish: 'end' | 'length';
  /**
   * Where a policy reads along: KL(generating ‖ reading) in nats over the whole vocabulary at each new token's place, at
   * temperature 1 whatever it was drawn at.
   */
  readonly divergences?: number[];
}

/** Tokens whose logits are held at once when a text is scored: 128 × 49,152 × 4 bytes = 25 MB. */
const scoredPiece = 128;

interface Sequence {
  readonly index: number;
  readonly prompt: Int32Array;
  readonly tokens: number[];
  readonly random: Random;
  readonly divergences: number[];
  readonly mostTokens: number;
  finish?: 'end' | 'length';
}

/** Continues prompts, token by token, on one session for the base and every adapter of one shape. */
export class Generator {
  readonly #decoder: Decoder;

  private constructor(decoder: Decoder) {
    this.#decoder = decoder;
  }

  /** @param trainable the shape of what may be fed as `parameters`; its numbers come with each call */
  static async create(
    source: ModelSource,
    trainable: Trainable,
    { batch = 1, ...options }: GeneratorOptions,
  ): Promise<Generator> {
    return new Generator(await Decoder.create(source, trainable, { batch, ...options }));
  }

  /**
   * Continues each prompt. Every sequence has a random stream of its own, from the seed and its index, so that what
   * comes out does not depend on which sequences share a batch.
   * @param prompts token ids, at least one each
   * @returns in the order of the prompts
   * @throws InputError for an option outside its range, an empty prompt or one that leaves no room in `maxLength`, and
   *   logits that are not finite; `signal.reason` when aborted
   */
  async generate(prompts: readonly Int32Array[], options: GenerateOptions): Promise<Generated[]> {
    checkOptions(options);
    const sequences = prompts.map((prompt, index) => this.#begin(prompt, index, options));
    options.signal?.throwIfAborted();
    await this.#generateAll(sequences, options);
    return sequences.map(({ tokens, finish, divergences }) => ({
      tokens,
      finish: finish!,
      ...(options.against ? { divergences } : {}),
    }));
  }

  #begin(prompt: Int32Array, index: number, { maxTokens, seed }: GenerateOptions): Sequence {
    const { maxLength } = this.#decoder;
    if (prompt.length === 0) throw new InputError('the prompt is empty', { row: index });
    if (prompt.length >= maxLength) {
      throw new InputError(
        `the prompt has ${prompt.length} tokens: no room for an answer within ${maxLength}`,
        { row: index },
      );
    }
    return {
      index,
      prompt,
      tokens: [],
      divergences: [],
      random: new Random(seed, `generate/${index}`),
      mostTokens: Math.min(maxTokens, maxLength - prompt.length),
    };
  }

  /** As soon as a sequence ends the next prompt is read, while the others go on: no place is left empty before the last prompt. */
  async #generateAll(sequences: readonly Sequence[], options: GenerateOptions): Promise<void> {
    const { batch, config } = this.#decoder;
    const { against, signal } = options;
    const isGreedy = options.temperature === 0 && !against && !options.logProbs;
    // From the longest on: the cache need not grow in the midst.
    const waiting = [...sequences].sort((a, b) => a.prompt.length - b.prompt.length);
    const decoding = this.#decoder.begin(options.parameters);
    const others = against && against.generator.#decoder.begin(against.parameters);
    const prefix = commonPrefix(sequences.map(({ prompt }) => prompt));
    if (prefix.length > 0) {
      await decoding.readPrefix(prefix, signal);
      await others?.readPrefix(prefix, signal);
    }
    /** By place. */
    const running: Sequence[] = [];
    let reading: { readonly sequence: Sequence; at: number } | undefined;
    while (running.length > 0 || reading || waiting.length > 0) {
      if (!reading && running.length < batch && waiting.length > 0)
        reading = { sequence: waiting.pop()!, at: prefix.length };
      const piece = reading && pieceOf(reading.sequence.prompt, reading.at);
      const tokens = running.map((sequence) => sequence.tokens.at(-1)!);
      const likeliest = isGreedy ? await decoding.likeliest(tokens, piece) : undefined;
      const logits = isGreedy ? undefined : await decoding.pass(tokens, piece);
      const otherLogits = await others?.pass(tokens, piece);
      if (reading) {
        reading.at += piece!.tokens.length;
        if (reading.at === reading.sequence.prompt.length) {
          running.push(reading.sequence);
          reading = undefined;
        }
      }
      running.forEach((sequence, place) => {
        const [from, to] = [place * config.vocabularySize, (place + 1) * config.vocabularySize];
        const row = logits?.subarray(from, to);
        if (otherLogits) sequence.divergences.push(divergenceOf(row!, otherLogits.subarray(from, to)));
        take(sequence, row ?? likeliest![place]!, options);
      });
      for (let place = running.length - 1; place >= 0; place--) {
        if (!running[place]!.finish) continue;
        decoding.end(place);
        others?.end(place);
        const last = running.pop()!;
        if (place < running.length) running[place] = last;
      }
      await breathe(signal);
    }
  }

  /**
   * Log-probs of a completion's tokens after a prompt, on the session that generates (of one sequence at a time).
   * @param prompt at least one token
   * @returns in nats, one per token of the completion
   * @throws InputError for an empty prompt, a text longer than `maxLength`, and logits that are not finite;
   *   `signal.reason` when aborted
   */
  async score(
    prompt: Int32Array,
    completion: Int32Array,
    { parameters, signal }: Pick<GenerateOptions, 'parameters' | 'signal'>,
  ): Promise<number[]> {
    const { maxLength, config } = this.#decoder;
    const length = prompt.length + completion.length;
    if (prompt.length === 0) throw new InputError('the prompt is empty');
    if (length > maxLength) throw new InputError(`the text has ${length} tokens, of ${maxLength} at most`);
    signal?.throwIfAborted();
    const logProbs: number[] = [];
    if (completion.length === 0) return logProbs;
    const decoding = this.#decoder.begin(parameters);
    let logits = await decoding.readPrompt(prompt, signal);
    for (;;) {
      for (let start = 0; start < logits.length; start += config.vocabularySize) {
        const row = logits.subarray(start, start + config.vocabularySize);
        logProbs.push(logProbOf(row, completion[logProbs.length]!));
      }
      const read = logProbs.length;
      if (read === completion.length) return logProbs;
      await breathe(signal);
      // The last token is never read.
      const end = Math.min(read - 1 + scoredPiece, completion.length - 1);
      logits = await decoding.pass([], { tokens: completion.subarray(read - 1, end), logits: 'all' });
    }
  }

  /** As `Scorer.contextHash`, of what is generated from the same prompts with the same options. */
  contextHash(base: string, policy: string): string {
    return this.#decoder.contextHash(base, policy);
  }

  async release(): Promise<void> {
    await this.#decoder.release();
  }
}

/** Tokens that need not be read again from which on a pass of their own pays. */
const worthSharing = 64;

/** What all prompts begin with (a system prompt, solved examples), but for a token of each; nothing where that is hardly worth it. */
function commonPrefix(prompts: readonly Int32Array[]): Int32Array {
  const [first = new Int32Array()] = prompts;
  const shortest = prompts.reduce((least, { length }) => Math.min(least, length), first.length);
  const length = Math.min(commonLength(prompts), shortest - 1);
  return first.subarray(0, length * (prompts.length - 1) < worthSharing ? 0 : length);
}

function pieceOf(prompt: Int32Array, at: number): Piece {
  const tokens = prompt.subarray(at, at + promptPiece);
  return { tokens, logits: at + tokens.length === prompt.length ? 'last' : 'none' };
}

/** @param found a token that has been chosen, or logits to choose one by */
function take(sequence: Sequence, found: number | Float32Array, options: GenerateOptions): void {
  const logits = typeof found === 'number' ? undefined : found;
  const token = typeof found === 'number' ? found : chooseToken(found, options, sequence.random);
  sequence.tokens.push(token);
  options.onToken?.(sequence.index, token, logits && options.logProbs ? logProbOf(logits, token) : NaN);
  if (options.eosTokenIds.includes(token)) sequence.finish = 'end';
  else if (sequence.tokens.length >= sequence.mostTokens) sequence.finish = 'length';
}

function checkOptions({ maxTokens, temperature, topP }: GenerateOptions): void {
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw new InputError(`max tokens must be a whole number from 1 up, not ${maxTokens}`);
  }
  if (!Number.isFinite(temperature) || temperature < 0) {
    throw new InputError(`the temperature must be a number from 0 up, not ${temperature}`);
  }
  if (!(topP > 0 && topP <= 1)) throw new InputError(`top-p must lie above 0 and at most at 1, not ${topP}`);
}
