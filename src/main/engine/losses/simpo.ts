import { logSigmoid, mul, neg, sub } from '../graph/ops/index.ts';
import { perToken, type Loss } from './loss.ts';

/**
 * SimPO: −log σ(β(log π(y_w)/|y_w| − log π(y_l)/|y_l|) − γ). Meng et al. 2024, arXiv 2405.14734, equation 6. No reference:
 * log-probs per token are compared with each other, and the chosen answer's has to lead by γ/β nats.
 */
export const simpo: Loss = {
  name: 'simpo',
  normalise: 'pairs',
  needsReference: false,
  needsRejected: true,
  build({ chosen, rejected, chosenTokens, rejectedTokens, beta, parameters: { gamma } }) {
    const lead = sub(perToken(chosen, chosenTokens), perToken(rejected, rejectedTokens));
    const score = sub(mul(beta, lead), gamma!);
    return { loss: neg(logSigmoid(score)), score };
  },
};
