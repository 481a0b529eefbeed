import type { StepMetrics } from '../../../shared/metrics.ts';
import type { Loss } from '../losses/loss.ts';
import type { TensorData } from '../session/session.ts';
import type { PackedPair } from './packing.ts';
import type { Reference, TrainingPair } from './trainer.ts';

/** One pair's part in a step. c and r are present where the loss has a reference, r where it looks at rejected. */
export interface PairTelemetry {
  readonly index: number;
  readonly chosen: number;
  readonly rejected: number;
  readonly c?: number;
  readonly r?: number;
  /** Loss of this pair alone, as the loss defines it. */
  readonly loss: number;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** As the graph has it. */
function logRatio(answer: 'chosen' | 'rejected', logProb: number, reference: Reference): number {
  return Math.fround(logProb - (reference === 'own' ? logProb : reference[answer]));
}

/**
 * Gathers a step's metrics over its passes, in double precision. Definitions are those of TRL 1.16's DPOTrainer
 * (`_compute_loss`): logits and entropy average over tokens, rewards and log-probs over pairs, accuracy is strict.
 */
export class StepTelemetry {
  readonly pairs: PairTelemetry[] = [];
  /** Tokens of prompt + chosen and of prompt + rejected. */
  tokens = 0;
  readonly #beta: number;
  readonly #scores: number[] = [];
  #preference = false;
  #loss = 0;
  #chosenPush = 0;
  #rejectedPush = 0;
  #chosenTokens = 0;
  #rejectedTokens = 0;
  #chosenLogits = 0;
  #rejectedLogits = 0;
  #entropy = 0;
  #topTokens = 0;

  constructor(beta: number) {
    this.#beta = beta;
  }

  /**
   * @param packed where each of the pairs lies
   * @returns row indices whose loss or log-probs are not finite
   */
  add(
    group: readonly TrainingPair[],
    packed: readonly PackedPair[],
    results: Readonly<Record<string, TensorData>>,
    loss: Loss,
    weight: number,
  ): readonly number[] {
    const at = (name: string, place: number): number => Number(results[name]![place]);
    const bad: number[] = [];
    this.#preference = loss.needsRejected;
    group.forEach((pair, own) => {
      const { slot, firstRow, firstRejectedRow, chosenRows, rejectedRows } = packed[own]!;
      const pairLoss = at('losses', slot);
      const chosen = at('chosen', slot);
      const rejected = at('rejected', slot);
      if (![pairLoss, chosen, rejected].every(Number.isFinite)) bad.push(pair.index);
      this.#loss += pairLoss * weight;
      this.#scores.push(at('scores', slot));
      this.#chosenPush += Math.abs(at('chosen_slope', slot));
      this.#rejectedPush += Math.abs(at('rejected_slope', slot));
      const { reference } = pair;
      this.pairs.push({
        index: pair.index,
        chosen,
        rejected,
        loss: pairLoss,
        ...(reference && loss.needsReference
          ? {
              c: logRatio('chosen', chosen, reference),
              ...(loss.needsRejected && { r: logRatio('rejected', rejected, reference) }),
            }
          : {}),
      });
      this.tokens += pair.prompt.length + pair.chosen.length;
      this.#addRows(results, firstRow, chosenRows, true);
      if (!loss.needsRejected) return;
      this.tokens += pair.prompt.length + pair.rejected.length;
      this.#addRows(results, firstRejectedRow, rejectedRows, false);
    });
    return bad;
  }

  /** Puts pairs in the order of the step, whichever pass they came from. */
  sort(step: readonly TrainingPair[]): void {
    const places = new Map(step.map(({ index }, place) => [index, place]));
    this.pairs.sort((a, b) => places.get(a.index)! - places.get(b.index)!);
  }

  #addRows(
    results: Readonly<Record<string, TensorData>>,
    from: number,
    count: number,
    chosen: boolean,
  ): void {
    const sum = (name: string): number => {
      let total = 0;
      for (let row = from; row < from + count; row++) total += Number(results[name]![row]);
      return total;
    };
    this.#entropy += sum('entropy');
    if (chosen) {
      this.#chosenTokens += count;
      this.#chosenLogits += sum('mean_logits');
      this.#topTokens += sum('top_tokens');
    } else {
      this.#rejectedTokens += count;
      this.#rejectedLogits += sum('mean_logits');
    }
  }

  metrics(): Omit<StepMetrics, 'step'> {
    const beta = this.#beta;
    const c = this.pairs.flatMap((pair) => pair.c ?? []);
    const r = this.pairs.flatMap((pair) => pair.r ?? []);
    const push = this.#chosenPush + this.#rejectedPush;
    return {
      loss: this.#loss,
      'logps/chosen': mean(this.pairs.map(({ chosen }) => chosen)),
      'logits/chosen': this.#chosenLogits / this.#chosenTokens,
      entropy: this.#entropy / (this.#chosenTokens + this.#rejectedTokens),
      mean_token_accuracy: this.#topTokens / this.#chosenTokens,
      ...(this.#preference && {
        'logps/rejected': mean(this.pairs.map(({ rejected }) => rejected)),
        'logits/rejected': this.#rejectedLogits / this.#rejectedTokens,
        'score/difference': mean(this.#scores),
        ...(push > 0 && { 'grad/chosen_share': this.#chosenPush / push }),
      }),
      ...(c.length > 0 && {
        'rewards/chosen': beta * mean(c),
        'logratio/chosen_per_token': (mean(c) * c.length) / this.#chosenTokens,
      }),
      // Where there is an r there is a c.
      ...(r.length > 0 && {
        'rewards/rejected': beta * mean(r),
        'rewards/margins': beta * (mean(c) - mean(r)),
        'rewards/accuracies': mean(r.map((value, place) => (c[place]! > value ? 1 : 0))),
        'gate/open': mean(r.map((value) => (value > 0 ? 1 : 0))),
        'logratio/rejected_per_token': (mean(r) * r.length) / this.#rejectedTokens,
      }),
    };
  }
}
