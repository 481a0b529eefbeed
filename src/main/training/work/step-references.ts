import { InputError } from '../../../shared/errors.ts';
import { predictedTokens } from '../../engine/train/packing.ts';
import { NonFiniteError, type StepResult, type TrainingPair } from '../../engine/train/trainer.ts';
import { brokenReference, withReference, type References } from '../reference.ts';

/**
 * Reference log-probs of a run's steps, found before each for the pairs that lack them. A first step whose policy is the
 * reference needs none: what it finds of its pairs are their reference log-probs, to the last bit.
 */
export class StepReferences {
  readonly #references: References;
  readonly #startsAsReference: boolean;
  readonly #file: string;
  readonly #signal: AbortSignal;
  /** Pairs of the step under way, where its policy is the reference. */
  #own: readonly TrainingPair[] = [];

  /**
   * @param startsAsReference whether the policy before the first step is what pairs are measured against
   * @param file of the pairs, for errors
   */
  constructor(
    references: References,
    {
      startsAsReference,
      file,
      signal,
    }: { readonly startsAsReference: boolean; readonly file: string; readonly signal: AbortSignal },
  ) {
    this.#references = references;
    this.#startsAsReference = startsAsReference;
    this.#file = file;
    this.#signal = signal;
  }

  /** @param place of the step, from 0. @throws InputError naming the row where the reference gives no numbers */
  async before(pairs: readonly TrainingPair[], place: number): Promise<readonly TrainingPair[]> {
    if (place === 0 && this.#startsAsReference) {
      this.#own = pairs;
      return pairs.map((pair) => ({ ...pair, reference: 'own' }));
    }
    const options = { signal: this.#signal, fileOf: () => this.#file };
    return withReference(pairs, await this.#references.find(pairs, options));
  }

  after(found: StepResult['pairs']): void {
    if (this.#own.length === 0) return;
    const byIndex = new Map(found.map((pair) => [pair.index, pair]));
    const scores = this.#own.map((pair) => {
      const { chosen, rejected } = byIndex.get(pair.index)!;
      return {
        ...{ chosen, rejected },
        chosenTokens: predictedTokens(pair, pair.chosen),
        rejectedTokens: predictedTokens(pair, pair.rejected),
      };
    });
    this.#references.keep(this.#own, scores);
    this.#own = [];
  }

  /** What ended a step: without numbers from a policy that is the reference, nothing that was trained is to blame. */
  explain(error: unknown): unknown {
    if (this.#own.length === 0 || !(error instanceof InputError)) return error;
    const { cause } = error;
    return cause instanceof NonFiniteError && cause.quantity === 'loss'
      ? brokenReference(this.#file, cause.rows[0]!)
      : error;
  }
}
