import { armName } from '../../shared/arms.ts';
import type { PairLogProbs } from '../../shared/comparison.ts';
import type { RunConfig } from '../../shared/config.ts';
import type { LossValue } from '../../shared/cross-loss.ts';
import { usesBeta } from '../../shared/losses.ts';
import { LossMeter } from '../engine/train/loss-meter.ts';
import type { TrainingPair } from './prepare.ts';

/** What every arm's loss, at every β of a comparison, says of one policy: the losses of the training graph themselves. */
export class CrossLossMeter {
  readonly #meter: LossMeter;
  readonly #losses: readonly RunConfig[];

  private constructor(meter: LossMeter, losses: readonly RunConfig[]) {
    this.#meter = meter;
    this.#losses = losses;
  }

  /** @param configs of all arms' runs */
  static async open(configs: readonly RunConfig[], threads: number | undefined): Promise<CrossLossMeter> {
    const key = (config: RunConfig): string =>
      usesBeta(config.loss) ? `${armName(config)} ${config.beta}` : armName(config);
    const distinct = [...new Map(configs.map((config) => [key(config), config])).values()];
    const names = [...new Set(distinct.map(({ loss }) => loss))];
    return new CrossLossMeter(await LossMeter.create(names, threads), distinct);
  }

  /** @param scores summed log-probs under the policy and under the reference, in the order of the pairs; at least one */
  async measure(
    pairs: readonly TrainingPair[],
    scores: readonly PairLogProbs[],
    reference: readonly PairLogProbs[],
  ): Promise<LossValue[]> {
    const values: LossValue[] = [];
    for (const config of this.#losses) {
      const loss = await this.#meter.loss(config, pairs, scores, reference);
      values.push({ arm: armName(config), ...(usesBeta(config.loss) ? { beta: config.beta } : {}), loss });
    }
    return values;
  }

  release(): Promise<void> {
    return this.#meter.release();
  }
}
