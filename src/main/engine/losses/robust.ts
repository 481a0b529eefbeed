import { div, logSigmoid, mul, neg, sub } from '../graph/ops/index.ts';
import { scalar } from '../graph/types.ts';
import type { Loss } from './loss.ts';

/**
 * Robust DPO: [−(1 − ε) log σ(β(c − r)) + ε log σ(−β(c − r))] / (1 − 2ε). Chowdhury et al. 2024, arXiv 2403.00409; TRL's
 * `robust`. In expectation over labels of which a share ε is flipped it is DPO's loss on the clean ones; of a single pair
 * it may be negative.
 */
export const robust: Loss = {
  name: 'robust',
  normalise: 'pairs',
  needsReference: true,
  needsRejected: true,
  build({ c, r, beta, parameters: { epsilon } }) {
    const one = scalar(1, beta.dtype);
    const score = mul(beta, sub(c, r));
    const asLabelled = mul(sub(one, epsilon!), logSigmoid(score));
    const flipped = mul(epsilon!, logSigmoid(neg(score)));
    const clean = sub(sub(one, epsilon!), epsilon!);
    return { loss: div(sub(flipped, asLabelled), clean), score };
  },
};
