import { UsageError } from '../../../src/shared/errors.ts';
import { settings } from './half-report.ts';

/** How TRL is set. What is absent is its own default. */
export interface TrlSettings {
  /** Pairs per pass; the rest of an update is accumulated. */
  readonly batch?: number;
  readonly checkpointing?: boolean;
  readonly bf16: boolean;
  /** Large thresholds, so that freed memory stays with the process and is not mapped anew. */
  readonly tunedAllocator: boolean;
}

/** As it is installed: DPOConfig's defaults, but for float32. */
export const installed: TrlSettings = { bf16: false, tunedAllocator: false };

/** Batch sizes among which the best is looked for. */
export const batchSizes: readonly number[] = [1, 2, 4, 8];

export function tuned(batch: number, bf16: boolean): TrlSettings {
  return { batch, checkpointing: false, bf16, tunedAllocator: true };
}

/** glibc's settings for `tunedAllocator`. */
const allocator: Readonly<Record<string, string>> = {
  MALLOC_MMAP_MAX_: '0',
  MALLOC_TRIM_THRESHOLD_: String(2 ** 36),
  MALLOC_TOP_PAD_: String(2 ** 26),
};

export function trlEnvironment({ tunedAllocator }: TrlSettings): Readonly<Record<string, string>> {
  return tunedAllocator ? allocator : {};
}

/** Arguments of trl_half.py and trl_grid.py. */
export function trlArguments({ batch, checkpointing, bf16 }: TrlSettings): readonly string[] {
  return [
    ...(batch === undefined ? [] : ['--batch', String(batch)]),
    ...(checkpointing === undefined ? [] : ['--checkpointing', checkpointing ? '1' : '0']),
    '--bf16',
    bf16 ? '1' : '0',
    '--update',
    String(settings.update),
    '--beta',
    String(settings.beta),
    '--rank',
    String(settings.rank),
    '--alpha',
    String(settings.alpha),
  ];
}

export function describeTrl({ batch, bf16 }: TrlSettings): string {
  return `batch ${batch ?? 'as installed'}, ${bf16 ? 'bf16' : 'fp32'}`;
}

/**
 * Reads `batch=1,bf16=0`.
 * @throws UsageError saying what is not understood
 */
export function parseBest(text: string): TrlSettings {
  const values = new Map<string, string>();
  for (const part of text.split(',')) {
    const [name, value, ...rest] = part.trim().split('=');
    if (!name || !value || rest.length > 0 || !['batch', 'bf16'].includes(name) || values.has(name)) {
      throw new UsageError(`--best should look like batch=1,bf16=0, not ${text}`);
    }
    values.set(name, value);
  }
  const batch = Number(values.get('batch') ?? NaN);
  const bf16 = values.get('bf16') ?? '0';
  if (!batchSizes.includes(batch)) {
    throw new UsageError(`--best: batch should be one of ${batchSizes.join(', ')}, as in batch=1,bf16=0`);
  }
  if (bf16 !== '0' && bf16 !== '1') throw new UsageError(`--best: bf16 should be 0 or 1, not ${bf16}`);
  return tuned(batch, bf16 === '1');
}
