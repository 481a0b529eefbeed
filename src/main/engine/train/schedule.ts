import type { SchedulerName } from '../../../shared/config.ts';

/**
 * Factor on the peak learning rate at a step counted from 0: linear warm-up from 0, then constant, linear to 0, or half
 * a cosine to 0 (transformers' get_*_schedule_with_warmup). With warm-up the very first step has a learning rate of 0.
 */
export function scheduleFactor(
  name: SchedulerName,
  step: number,
  warmup: number,
  totalSteps: number,
): number {
  if (step < warmup) return step / Math.max(1, warmup);
  const progress = (step - warmup) / Math.max(1, totalSteps - warmup);
  switch (name) {
    case 'constant':
      return 1;
    case 'linear':
      return Math.max(0, 1 - progress);
    case 'cosine':
      return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
  }
}
