import { logSigmoid, mul, neg, relu, sub } from '../graph/ops/index.ts';
import type { Loss } from './loss.ts';

/**
 * MinorDPO: −log σ(β(c − max(0, r))). Xie et al. 2024, arXiv 2408.09834. DPO while the policy likes the rejected
 * answer more than the reference does (r > 0); from r ≤ 0 on that answer gets no gradient. The derivative of
 * max(0, r) at exactly 0 is 0. Equal to TRL's `sigmoid` with torch.relu on the rejected log-ratio.
 */
export const minorDpo: Loss = {
  name: 'minor-dpo',
  normalise: 'pairs',
  needsReference: true,
  needsRejected: true,
  build({ c, r, beta }) {
    const score = mul(beta, sub(c, relu(r)));
    return { loss: neg(logSigmoid(score)), score };
  },
};
