import { add, logSigmoid, mul, neg, relu, sub } from '../graph/ops/index.ts';
import type { Loss } from './loss.ts';

/**
 * The continuum between DPO and MinorDPO: −log σ(β(c − [max(0, r) + κ·min(0, r)])). κ = 1 is DPO, κ = 0 MinorDPO; between
 * them a rejected answer that the policy likes less than the reference does is pushed down κ times as hard. The derivative
 * of the bracket at r = 0 is κ.
 */
export const kappaDpo: Loss = {
  name: 'kappa-dpo',
  normalise: 'pairs',
  needsReference: true,
  needsRejected: true,
  build({ c, r, beta, parameters: { kappa } }) {
    const above = relu(r);
    // min(0, r) = r − max(0, r): exact, and at r = 0 it has the slope 1 where max(0, r) has 0.
    const score = mul(beta, sub(c, add(above, mul(kappa!, sub(r, above)))));
    return { loss: neg(logSigmoid(score)), score };
  },
};
