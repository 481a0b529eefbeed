import { add, logOneMinusExp, logSigmoid, mul, neg, relu, sub } from '../graph/ops/index.ts';
import { scalar, type Value } from '../graph/types.ts';
import { perToken, type Loss } from './loss.ts';

/** The smallest difference from 1 that a probability has in single precision: nearer than this counts as this. */
const nearestToOne = 2 ** -24;

/**
 * ORPO: −log π(y_w)/|y_w| − λ log σ(o(y_w) − o(y_l)) with the log-odds o(y) = log(p/(1 − p)) of p = exp(log π(y)/|y|). Hong
 * et al. 2024, arXiv 2403.07691, equations 6 and 7; over completion tokens only. No reference and no β: supervised
 * fine-tuning with a penalty on the odds of the rejected answer.
 */
export const orpo: Loss = {
  name: 'orpo',
  normalise: 'pairs',
  needsReference: false,
  needsRejected: true,
  build({ chosen, rejected, chosenTokens, rejectedTokens, parameters: { lambda } }) {
    const mean = perToken(chosen, chosenTokens);
    const score = sub(logOdds(mean), logOdds(perToken(rejected, rejectedTokens)));
    return { loss: neg(add(mean, mul(lambda!, logSigmoid(score)))), score };
  },
};

/** log(p/(1 − p)) of log p ≤ 0. Odds have no bound; 1 − p is held at what single precision can tell from 0. */
function logOdds(logProb: Value): Value {
  const least = scalar(nearestToOne, logProb.dtype);
  const below = neg(add(relu(sub(neg(logProb), least)), least));
  return sub(logProb, logOneMinusExp(below));
}
