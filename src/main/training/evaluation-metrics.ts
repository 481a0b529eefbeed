import type { PairLogProbs } from '../../shared/comparison.ts';
import type { RunConfig } from '../../shared/config.ts';
import { describeLoss } from '../../shared/losses.ts';
import type { EvaluationMetrics } from '../../shared/metrics.ts';
import type { LossMeter } from '../engine/train/loss-meter.ts';
import type { TrainingPair } from './prepare.ts';

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Metrics of one evaluation as a training step has them (engine/train/telemetry), over held-out pairs. Log-ratios are
 * float32 as in the training graph.
 * @param scores, reference log-probs of the pairs, in their order
 */
export async function evaluationMetrics(
  meter: LossMeter,
  run: Pick<RunConfig, 'loss' | 'beta' | 'lossParameters'>,
  pairs: readonly TrainingPair[],
  scores: readonly PairLogProbs[],
  reference: readonly PairLogProbs[],
): Promise<EvaluationMetrics> {
  const { loss, beta } = run;
  const c = scores.map(({ chosen }, place) => Math.fround(chosen - reference[place]!.chosen));
  const r = scores.map(({ rejected }, place) => Math.fround(rejected - reference[place]!.rejected));
  const share = (is: (place: number) => boolean): number =>
    scores.filter((_, place) => is(place)).length / scores.length;
  return {
    eval_loss: await meter.loss(run, pairs, scores, reference),
    ...(describeLoss(loss).needsReference && {
      'eval_rewards/chosen': beta * mean(c),
      'eval_rewards/rejected': beta * mean(r),
      'eval_rewards/margins': beta * (mean(c) - mean(r)),
      'eval_rewards/accuracies': share((place) => c[place]! > r[place]!),
      'eval_gate/open': share((place) => r[place]! > 0),
    }),
    'eval_logps/chosen': mean(scores.map(({ chosen }) => chosen)),
    'eval_logps/rejected': mean(scores.map(({ rejected }) => rejected)),
  };
}
