import { warmupSteps, type RunConfig } from '../../shared/config.ts';
import type { TokenizingNotes } from '../engine/tokens/pairs.ts';
import type { TrainingPair } from '../engine/train/trainer.ts';
import type { CallOptions, RowCounts } from './contract.ts';

const some = (indices: readonly number[]): string =>
  `${indices.slice(0, 5).join(', ')}${indices.length > 5 ? `, … (${indices.length} in all)` : ''}`;

/** Tells what became of rows: skipped, cut, or with a boundary that shifts. */
export function tellNotes(notes: TokenizingNotes, call: CallOptions): void {
  const tell = (text: string): void => call.onProgress?.({ kind: 'note', text });
  const { skipped, truncated, shifted } = notes;
  if (skipped.length > 0)
    tell(`rows skipped: ${some(skipped.map(({ index }) => index))}: ${skipped[0]!.reason}`);
  if (truncated.length > 0)
    tell(`answers cut to the length in rows ${some(truncated.map(({ index }) => index))}`);
  if (shifted.length > 0) {
    tell(`prompt and answer merge into one token in rows ${some(shifted.map(({ index }) => index))}`);
  }
}

/** Tells of prompts that are measured on and were trained on as well: such a measure says nothing of new questions. */
export function tellLeaks(
  training: readonly Pick<TrainingPair, 'prompt'>[],
  measured: readonly Int32Array[],
  what: string,
  call: CallOptions,
): void {
  const trained = new Set(training.map(({ prompt }) => prompt.join()));
  const leaked = measured.filter((prompt) => trained.has(prompt.join())).length;
  if (leaked === 0) return;
  call.onProgress?.({ kind: 'note', text: `${leaked} of ${measured.length} ${what} are trained on as well` });
}

/** Tells of a warm-up that leaves no step at the learning rate asked for: the first has one of 0. */
export function tellWarmup({ warmup }: Pick<RunConfig, 'warmup'>, steps: number, call: CallOptions): void {
  const warm = warmupSteps(warmup, steps);
  if (warm < steps) return;
  const told =
    steps === 1
      ? 'its only step has a learning rate of 0 and changes nothing'
      : 'the learning rate is never reached';
  call.onProgress?.({
    kind: 'note',
    text: `the warm-up takes ${warm} of ${steps} steps: ${told}; lower --warmup`,
  });
}

export function countsOf(data: TokenizingNotes & { readonly rows: number }): RowCounts {
  return { rows: data.rows, skipped: data.skipped.length, truncated: data.truncated.length };
}
