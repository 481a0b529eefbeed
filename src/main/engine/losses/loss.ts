import type { Value } from '../graph/types.ts';

/**
 * What a loss sees of each pair, all [pairs] and float: summed log-probs in nats over completion tokens, those of the
 * reference, and token counts. c and r are the log-ratios of losses in the literature.
 */
export interface LossInputs {
  readonly chosen: Value;
  readonly rejected: Value;
  /** log π(y_w|x) − log π_ref(y_w|x) */
  readonly c: Value;
  /** log π(y_l|x) − log π_ref(y_l|x) */
  readonly r: Value;
  readonly chosenTokens: Value;
  readonly rejectedTokens: Value;
  readonly beta: Value;
}

export interface LossValues {
  /** Per pair; the step's loss is its mean (or, normalised by tokens, its sum over all chosen tokens). */
  readonly loss: Value;
  /** The loss's own score difference, for telemetry. */
  readonly score: Value;
}

/** A preference loss as a pure function of log-probs; its gradient follows from the operations it uses. */
export interface Loss {
  readonly name: string;
  /** What the sum over a step is divided by. */
  readonly normalise: 'pairs' | 'chosen-tokens';
  readonly needsReference: boolean;
  readonly needsRejected: boolean;
  build(inputs: LossInputs): LossValues;
}
