import type { LossName } from '../../../shared/losses.ts';
import { add, div, relu, sub } from '../graph/ops/index.ts';
import { scalar, type Value } from '../graph/types.ts';

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
  /** Parameters of the loss's own, [1] each, by the names of its description (shared/losses.ts). */
  readonly parameters: Readonly<Record<string, Value>>;
}

export interface LossValues {
  /** Per pair; the step's loss is its mean (or, normalised by tokens, its sum over all chosen tokens). */
  readonly loss: Value;
  /** The loss's own score difference, for telemetry. */
  readonly score: Value;
}

/** A preference loss as a pure function of log-probs; its gradient follows from the operations it uses. */
export interface Loss {
  readonly name: LossName;
  /** What the sum over a step is divided by. */
  readonly normalise: 'pairs' | 'chosen-tokens';
  readonly needsReference: boolean;
  readonly needsRejected: boolean;
  build(inputs: LossInputs): LossValues;
}

/** Counts of tokens to divide by: an answer of none has a log-prob of 0, and is to count as 0 per token. */
export function atLeastOne(tokens: Value): Value {
  const one = scalar(1, tokens.dtype);
  return add(relu(sub(tokens, one)), one);
}

/** A sum over an answer's tokens as its mean. */
export function perToken(sum: Value, tokens: Value): Value {
  return div(sum, atLeastOne(tokens));
}
