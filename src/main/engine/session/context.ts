import { createHash } from 'node:crypto';
import { availableParallelism, cpus } from 'node:os';
import { runtimeVersion } from './session.ts';

/**
 * Names everything that may change the last bit of what a graph computes, for what is kept of it.
 * @param base hash of the base weights
 * @param policy hash of adapter or trained weights, empty for the base itself
 * @param graph hash of the encoded graph
 * @param packing how sequences are fed to it
 * @param weights precision of frozen weights, float32 if absent
 */
export function contextHash({
  base,
  policy,
  graph,
  packing,
  threads,
  prepack,
  weights,
}: {
  readonly base: string;
  readonly policy: string;
  readonly graph: string;
  readonly packing: string;
  readonly threads: number | undefined;
  readonly prepack: boolean | undefined;
  readonly weights?: string | undefined;
}): string {
  // What is kept is found by this text: its keys and their order stay.
  const context = {
    base,
    policy,
    graph,
    packing,
    dtype: weights ?? 'float32',
    provider: 'cpu',
    // Left to the runtime, the number of threads follows the machine, as its kernels follow the processor.
    threads: threads ?? `all of ${availableParallelism()}`,
    runtime: runtimeVersion,
    platform: `${process.platform}-${process.arch}`,
    processor: cpus()[0]?.model ?? '',
    // Products with repacked weights are summed in another order.
    ...(prepack === false ? { prepack } : {}),
  };
  return createHash('sha256').update(JSON.stringify(context)).digest('hex');
}
