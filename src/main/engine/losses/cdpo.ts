import { add, logSigmoid, mul, neg, sub } from '../graph/ops/index.ts';
import { scalar } from '../graph/types.ts';
import type { Loss } from './loss.ts';

/**
 * Conservative DPO: −(1 − ε) log σ(β(c − r)) − ε log σ(−β(c − r)). Mitchell 2023 (cDPO note). DPO with smoothed labels: a
 * share ε of the preferences is taken to be the wrong way round, so the margin stops growing at log((1 − ε)/ε)/β.
 */
export const cdpo: Loss = {
  name: 'cdpo',
  normalise: 'pairs',
  needsReference: true,
  needsRejected: true,
  build({ c, r, beta, parameters: { epsilon } }) {
    const score = mul(beta, sub(c, r));
    const asLabelled = mul(sub(scalar(1, score.dtype), epsilon!), logSigmoid(score));
    return { loss: neg(add(asLabelled, mul(epsilon!, logSigmoid(neg(score))))), score };
  },
};
