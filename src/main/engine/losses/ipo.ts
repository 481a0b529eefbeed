import { div, mul, sub } from '../graph/ops/index.ts';
import { scalar } from '../graph/types.ts';
import { perToken, type Loss } from './loss.ts';

/**
 * IPO: (c/|y_w| − r/|y_l| − 1/(2β))². Azar et al. 2023, arXiv 2310.12036, equation 17, with log-ratios averaged over the
 * answers' tokens as TRL's `ipo` does on its authors' advice. The gap has a target, 1/(2β) nats per token, which it is
 * pushed back to from above as well.
 */
export const ipo: Loss = {
  name: 'ipo',
  normalise: 'pairs',
  needsReference: true,
  needsRejected: true,
  build({ c, r, chosenTokens, rejectedTokens, beta }) {
    const score = sub(perToken(c, chosenTokens), perToken(r, rejectedTokens));
    const away = sub(score, div(scalar(0.5, beta.dtype), beta));
    return { loss: mul(away, away), score };
  },
};
