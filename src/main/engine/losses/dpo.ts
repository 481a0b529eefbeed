import { logSigmoid, mul, neg, sub } from '../graph/ops/index.ts';
import type { Loss } from './loss.ts';

/**
 * DPO: −log σ(β(c − r)). Rafailov et al. 2023, arXiv 2305.18290, equation 7; TRL's `sigmoid`.
 * d/dc = −β σ(−β(c − r)), d/dr its opposite; ln 2 at c = r = 0.
 */
export const dpo: Loss = {
  name: 'dpo',
  normalise: 'pairs',
  needsReference: true,
  needsRejected: true,
  build({ c, r, beta }) {
    const score = mul(beta, sub(c, r));
    return { loss: neg(logSigmoid(score)), score };
  },
};
