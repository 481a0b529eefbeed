import { neg } from '../graph/ops/index.ts';
import type { Loss } from './loss.ts';

/**
 * Supervised fine-tuning: −mean of log π over all chosen tokens of the step. TRL's `sft` loss type. Per pair it is the
 * plain sum; the step divides by its chosen tokens, so that accumulation over batches weighs every token alike.
 */
export const sft: Loss = {
  name: 'sft',
  normalise: 'chosen-tokens',
  needsReference: false,
  needsRejected: false,
  build({ chosen }) {
    return { loss: neg(chosen), score: chosen };
  },
};
