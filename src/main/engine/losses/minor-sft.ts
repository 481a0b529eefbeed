import { div, logSigmoid, mul, neg } from '../graph/ops/index.ts';
import { scalar } from '../graph/types.ts';
import { atLeastOne, type Loss } from './loss.ts';

/**
 * MinorSFT: −(2/(β·|y_w|)) log σ(β·c). After Xie et al. 2024, arXiv 2408.10642, of which only the gradient is at hand: this
 * is the function with that gradient, d/dc = −(2/|y_w|)·σ(−β·c). At c = 0 that is SFT averaged over the answer's tokens; it
 * fades as the policy moves away from the reference. Its level means nothing: 2·ln 2/(β·|y_w|) at the start.
 */
export const minorSft: Loss = {
  name: 'minor-sft',
  normalise: 'pairs',
  needsReference: true,
  needsRejected: false,
  build({ c, chosenTokens, beta }) {
    const score = mul(beta, c);
    const scale = div(scalar(2, beta.dtype), mul(beta, atLeastOne(chosenTokens)));
    return { loss: neg(mul(scale, logSigmoid(score))), score };
  },
};
