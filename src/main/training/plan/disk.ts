import type { DiskPlan } from '../../../shared/plan.ts';
import { volumeOf } from './resources.ts';

/** Something that a job will write. */
export interface Writing {
  readonly folder: string;
  readonly name: string;
  /** On disk at most at any time. */
  readonly bytes: number;
}

/** Bytes of one checkpoint: parameters and two moments in float32. */
export function checkpointBytes(trainedParameters: number): number {
  return 3 * 4 * trainedParameters;
}

/** Bytes that one step's metrics take as a JSON line, and about as many in the database. */
export const metricBytesPerStep = 700;

/**
 * What is written to each volume, and what is free there.
 * A volume that does not say how much is free is taken to have enough.
 */
export function planDisk(writings: readonly Writing[]): DiskPlan[] {
  const volumes = new Map<number | string, DiskPlan>();
  for (const { folder, name, bytes } of writings) {
    const volume = volumeOf(folder);
    const key = volume?.id ?? folder;
    const known = volumes.get(key);
    volumes.set(key, {
      folder: known?.folder ?? folder,
      free: volume?.free ?? Number.MAX_SAFE_INTEGER,
      bytes: (known?.bytes ?? 0) + bytes,
      parts: [...(known?.parts ?? []), { name, amount: bytes }],
    });
  }
  return [...volumes.values()];
}
