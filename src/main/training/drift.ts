import type { Evaluation } from '../../shared/comparison.ts';
import { generationMeasures, klToReference } from '../../shared/generation-measures.ts';
import { Answerer, NonFiniteLogitsError, type DecodingOptions } from './decode.ts';
import type { OpenModel, Policy } from './model.ts';
import { hashOf } from './recall.ts';
import type { WorkOptions } from './work.ts';

/** What a policy's own samples say of it. */
export type Drift = Required<Pick<Evaluation, 'generation'>> & Pick<Evaluation, 'klToReference'>;

/**
 * Samples of policies of one shape after the same prompts, drawn at temperature 1, with the KL to a reference that reads
 * along token by token: no more logits are held than of one token a sequence, twice.
 */
export class DriftMeter {
  readonly #answerer: Answerer;
  /** For a reference of another shape than the policies. */
  readonly #other: Answerer | undefined;
  readonly #starts = new Map<string, Drift | undefined>();

  private constructor(answerer: Answerer, other: Answerer | undefined) {
    this.#answerer = answerer;
    this.#other = other;
  }

  /**
   * @param reference of whose shape every reference is; absent for the base
   * @param prompts token ids
   * @returns undefined without prompts
   */
  static async open(
    model: OpenModel,
    trainable: Policy['trainable'],
    reference: Policy | undefined,
    prompts: readonly Int32Array[],
    options: DecodingOptions,
  ): Promise<DriftMeter | undefined> {
    if (prompts.length === 0) return undefined;
    const answerer = await Answerer.openFor(model, trainable, prompts, options);
    const isAlike = !reference || JSON.stringify(reference.trainable) === JSON.stringify(trainable);
    return new DriftMeter(
      answerer,
      isAlike ? undefined : await Answerer.openFor(model, reference.trainable, prompts, options),
    );
  }

  /** Token ids of each prompt. */
  get prompts(): readonly Int32Array[] {
    return this.#answerer.prompts;
  }

  /**
   * @param parameters trained numbers; absent for the base
   * @param against what the KL is measured to, its parameters absent for the base; absent: no KL is measured
   * @returns undefined where logits are not finite
   * @throws the signal's reason where that is aborted
   */
  async measure(
    parameters: Float32Array | undefined,
    against: { readonly parameters: Float32Array | undefined } | undefined,
    options: WorkOptions,
  ): Promise<Drift | undefined> {
    try {
      const reader = against && (this.#other ?? this.#answerer).reader(against.parameters);
      const answers = await this.#answerer.sample(parameters, reader, options);
      const generation = generationMeasures(
        answers.map(({ tokens, isCut, repetition }) => ({ tokens: tokens.length, isCut, repetition })),
        'sampled',
      );
      if (!reader) return { generation };
      return { generation, klToReference: klToReference(answers.map(({ divergences = [] }) => divergences)) };
    } catch (error) {
      if (options.signal?.aborted || !(error instanceof NonFiniteLogitsError)) throw error;
      return undefined;
    }
  }

  /**
   * As `Answerer.contextHash`, of what `measure` finds.
   * @param reference hash of what the KL is measured to; absent: no KL is measured
   */
  contextHash(policy: string, reference: string | undefined): string {
    const reader = reference === undefined ? null : (this.#other ?? this.#answerer).contextHash(reference);
    return hashOf([this.#answerer.contextHash(policy), reader]);
  }

  /** As `measure`, once for all runs that start from the policy, and are held against the reference, that `key` names. */
  async measureStart(key: string, ...given: Parameters<DriftMeter['measure']>): Promise<Drift | undefined> {
    if (!this.#starts.has(key)) this.#starts.set(key, await this.measure(...given));
    return this.#starts.get(key);
  }

  /** As `Answerer.rehearse` (training/decode), of the policy alone. */
  rehearse(...given: Parameters<Answerer['rehearse']>): ReturnType<Answerer['rehearse']> {
    return this.#answerer.rehearse(...given);
  }

  async release(): Promise<void> {
    await this.#answerer.release();
    await this.#other?.release();
  }
}
