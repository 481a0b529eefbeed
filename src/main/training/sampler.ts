import type { PromptSample } from '../../shared/comparison.ts';
import type { DataRow } from '../../shared/preferences.ts';
import { promptKey } from '../../shared/row-texts.ts';
import { Answerer, NonFiniteLogitsError } from './decode.ts';
import type { OpenModel, Policy } from './model.ts';
import type { TrainingPair } from './prepare.ts';
import { hashOf } from './recall.ts';
import type { WorkOptions } from './work.ts';

/** Greedy answers to the first held-out prompts, on one session for every policy of one shape. */
export class Sampler {
  readonly #answerer: Answerer;
  readonly #texts: readonly string[];
  readonly #starts = new Map<string, readonly PromptSample[] | undefined>();

  private constructor(answerer: Answerer, texts: readonly string[]) {
    this.#answerer = answerer;
    this.#texts = texts;
  }

  /**
   * @param held the pairs as they are scored, with the rows that they come from
   * @returns undefined where no sample is asked for
   */
  static async open(
    model: OpenModel,
    trainable: Policy['trainable'],
    held: { readonly pairs: readonly TrainingPair[]; readonly rows: readonly DataRow[] },
    options: {
      readonly samplePrompts?: number | undefined;
      readonly sampleTokens?: number | undefined;
      readonly threads?: number | undefined;
      readonly lowMemory?: boolean | undefined;
    },
  ): Promise<Sampler | undefined> {
    const { samplePrompts = 0, sampleTokens = 0, threads, lowMemory } = options;
    const distinct = firstPrompts(held.pairs, samplePrompts);
    if (distinct.length === 0) return undefined;
    const rows = new Map(held.rows.map((row) => [row.index, row]));
    const texts = distinct.map(({ index }) => promptKey(rows.get(index)!));
    const prompts = distinct.map(({ prompt }) => prompt);
    const answerer = await Answerer.openFor(model, trainable, prompts, {
      maxTokens: sampleTokens,
      threads,
      lowMemory,
    });
    return new Sampler(answerer, texts);
  }

  /** Token ids of each prompt. */
  get prompts(): readonly Int32Array[] {
    return this.#answerer.prompts;
  }

  /**
   * @param parameters trained numbers; absent for the base
   * @returns in the order of the prompts; undefined where logits are not finite
   * @throws the signal's reason where that is aborted
   */
  async answer(
    parameters: Float32Array | undefined,
    options: WorkOptions,
  ): Promise<readonly PromptSample[] | undefined> {
    try {
      const answers = await this.#answerer.answer(parameters, options);
      return answers.map(({ text, tokens, repetition }, place) => ({
        prompt: this.#texts[place]!,
        output: text,
        tokens: tokens.length,
        repetition,
      }));
    } catch (error) {
      if (options.signal?.aborted || !(error instanceof NonFiniteLogitsError)) throw error;
      return undefined;
    }
  }

  /** As `Answerer.contextHash`, of what `answer` finds. */
  contextHash(policy: string): string {
    return hashOf([this.#answerer.contextHash(policy), this.#texts]);
  }

  /** As `answer`, once for all runs that start from what `key` names. */
  async answerStart(
    key: string,
    parameters: Float32Array,
    options: WorkOptions,
  ): Promise<readonly PromptSample[] | undefined> {
    if (!this.#starts.has(key)) this.#starts.set(key, await this.answer(parameters, options));
    return this.#starts.get(key);
  }

  /** As `Answerer.rehearse` (training/decode). */
  rehearse(...given: Parameters<Answerer['rehearse']>): ReturnType<Answerer['rehearse']> {
    return this.#answerer.rehearse(...given);
  }

  release(): Promise<void> {
    return this.#answerer.release();
  }
}

/** Token ids of the first so many different prompts that have any. */
export function promptsToSample(pairs: readonly TrainingPair[], count: number): Int32Array[] {
  const asked = pairs.filter(({ prompt }) => prompt.length > 0);
  return firstPrompts(asked, count).map(({ prompt }) => prompt);
}

/** The first pairs with so many different prompts, token by token. */
function firstPrompts(pairs: readonly TrainingPair[], count: number): TrainingPair[] {
  const first = new Map<string, TrainingPair>();
  for (const pair of pairs) {
    if (first.size >= count) break;
    const key = pair.prompt.join();
    if (!first.has(key)) first.set(key, pair);
  }
  return [...first.values()];
}
