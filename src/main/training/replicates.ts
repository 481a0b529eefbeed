import { UsageError } from '../../shared/errors.ts';
import type { CompareRequest } from '../../shared/contract.ts';

/**
 * Refuses seeds that change neither the start nor the batches: one run several times over has no spread, and any
 * difference would look certain.
 * @param pairs number of training pairs
 * @throws UsageError
 */
export function refuseEmptySeeds({ seeds, shared }: CompareRequest, pairs: number): void {
  const sameStart = shared.full || shared.initAdapter !== undefined;
  const sameBatches = !shared.shuffle || shared.batchSize * shared.gradAccum >= pairs;
  if (seeds.length < 2 || !sameStart || !sameBatches) return;
  const start = shared.full ? "the model's own weights" : 'one initial adapter';
  const batches = shared.shuffle ? 'every step takes all pairs' : 'the pairs keep their order';
  throw new UsageError(
    `seeds would change nothing: every run starts from ${start} and ${batches}; give one seed`,
  );
}
