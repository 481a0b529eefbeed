import type { RunConfig } from '../../shared/config.ts';
import { InputError } from '../../shared/errors.ts';
import { splitRows, type TrainingPair } from './prepare.ts';
import type { Store } from '../store/database.ts';
import { resolveData, type OpenData } from './data.ts';

/** Training rows and held-out rows, as the settings say. */
export async function holdOut(
  store: Store,
  data: OpenData,
  file: string,
  config: Pick<RunConfig, 'evalData' | 'evalShare' | 'evalSplit'>,
): Promise<{
  readonly train: OpenData['rows'];
  readonly held: OpenData['rows'] | undefined;
  /** Of the data that is only held out. */
  readonly evalHash?: string;
}> {
  if (config.evalData !== undefined) {
    const { rows, hash } = await resolveData(store, config.evalData);
    return { train: data.rows, held: rows, evalHash: hash };
  }
  if (config.evalSplit) {
    const { revision } = data.imported ?? {};
    // A `pairs` limit holds for what is trained on; the held-out side stays whole.
    const [train, held] = await Promise.all(
      (['train', 'eval'] as const).map((split) => resolveData(store, file, { revision, split })),
    );
    const kept = new Set(data.rows.map(({ index }) => index));
    return { train: train!.rows.filter(({ index }) => kept.has(index)), held: held!.rows };
  }
  if (config.evalShare !== undefined) return splitRows(data.rows, config.evalShare, file);
  return { train: data.rows, held: undefined };
}

/**
 * A question on both sides would be held out in name only.
 * @throws InputError naming the held-out row in `file`
 */
export function refuseLeaks(
  training: readonly TrainingPair[],
  held: readonly TrainingPair[],
  file: string,
): void {
  const key = ({ prompt }: TrainingPair): string => prompt.join();
  const trained = new Set(training.map(key));
  const leaked = held.find((pair) => trained.has(key(pair)));
  if (leaked) {
    throw new InputError('this held-out prompt is trained on as well', { file, row: leaked.index });
  }
}
