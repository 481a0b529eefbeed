import { logSigmoid, mul, neg, relu, sub } from '../graph/ops/index.ts';
import type { Loss } from './loss.ts';

/**
 * DPO-Positive: −log σ(β(c − r − λ·max(0, −c))). Pal et al. 2024 (Smaug), arXiv 2402.13228, equation 3. DPO with a penalty
 * as soon as the chosen answer is less likely than under the reference. The derivative of max(0, −c) at c = 0 is 0.
 */
export const dpop: Loss = {
  name: 'dpop',
  normalise: 'pairs',
  needsReference: true,
  needsRejected: true,
  build({ c, r, beta, parameters: { lambda } }) {
    const score = mul(beta, sub(sub(c, r), mul(lambda!, relu(neg(c)))));
    return { loss: neg(logSigmoid(score)), score };
  },
};
