import { mul, relu, sub } from '../graph/ops/index.ts';
import { scalar } from '../graph/types.ts';
import type { Loss } from './loss.ts';

/**
 * Hinge: max(0, 1 − β(c − r)). Zhao et al. 2023 (SLiC-HF), arXiv 2305.10425, on log-ratios as TRL's `hinge`. A pair whose
 * margin has reached 1/β gets no gradient; the derivative at exactly 1/β is 0.
 */
export const hinge: Loss = {
  name: 'hinge',
  normalise: 'pairs',
  needsReference: true,
  needsRejected: true,
  build({ c, r, beta }) {
    const score = mul(beta, sub(c, r));
    return { loss: relu(sub(scalar(1, score.dtype), score)), score };
  },
};
