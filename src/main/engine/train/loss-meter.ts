import { sub } from '../graph/ops/index.ts';
import { input, type Value } from '../graph/types.ts';
import { lossByName } from '../losses/index.ts';
import type { Loss } from '../losses/loss.ts';
import { buildLoss, lossFeeds, type LossSettings } from '../losses/parameters.ts';
import { GraphSession } from '../session/session.ts';
import { predictedTokens } from './packing.ts';
import type { TrainingPair } from './trainer.ts';

interface SummedLogProbs {
  readonly chosen: number;
  readonly rejected: number;
}

/**
 * What losses say of pairs whose log-probs are known: the loss of the training graph without the model, on one small
 * session for any number of pairs.
 */
export class LossMeter {
  readonly #session: GraphSession;
  readonly #losses: readonly Loss[];

  private constructor(session: GraphSession, losses: readonly Loss[]) {
    this.#session = session;
    this.#losses = losses;
  }

  /** @param losses names of those that are asked for */
  static async create(losses: readonly string[], threads?: number): Promise<LossMeter> {
    const perPair = (name: string): Value => input(name, 'float32', ['P']);
    const [chosen, rejected] = [perPair('chosen'), perPair('rejected')];
    const inputs = {
      chosen,
      rejected,
      c: sub(chosen, perPair('reference_chosen')),
      r: sub(rejected, perPair('reference_rejected')),
      chosenTokens: perPair('chosen_tokens'),
      rejectedTokens: perPair('rejected_tokens'),
      beta: input('beta', 'float32', [1]),
    };
    const own = losses.map(lossByName);
    const outputs = own.map((loss) => [loss.name, buildLoss(loss, inputs).loss] as const);
    return new LossMeter(await GraphSession.create(Object.fromEntries(outputs), { threads }), own);
  }

  /**
   * The loss of all pairs together: its mean over them, or over their chosen tokens where the loss is one per token.
   * @param scores summed log-probs under the policy and under the reference, in the order of the pairs; at least one
   */
  async loss(
    settings: LossSettings,
    pairs: readonly TrainingPair[],
    scores: readonly SummedLogProbs[],
    reference: readonly SummedLogProbs[],
  ): Promise<number> {
    const feed = (of: (place: number) => number) => ({
      data: Float32Array.from(pairs, (_, place) => of(place)),
      shape: [pairs.length],
    });
    const chosenTokens = pairs.map((pair) => predictedTokens(pair, pair.chosen));
    const results = await this.#session.run(
      {
        chosen: feed((place) => scores[place]!.chosen),
        rejected: feed((place) => scores[place]!.rejected),
        reference_chosen: feed((place) => reference[place]!.chosen),
        reference_rejected: feed((place) => reference[place]!.rejected),
        chosen_tokens: feed((place) => chosenTokens[place]!),
        rejected_tokens: feed((place) => predictedTokens(pairs[place]!, pairs[place]!.rejected)),
        ...lossFeeds(this.#losses, settings),
      },
      [settings.loss],
    );
    const { normalise } = lossByName(settings.loss);
    const weight =
      normalise === 'pairs' ? pairs.length : chosenTokens.reduce((sum, tokens) => sum + tokens, 0);
    return (results[settings.loss] as Float32Array).reduce((sum, loss) => sum + loss / weight, 0);
  }

  release(): Promise<void> {
    return this.#session.release();
  }
}
