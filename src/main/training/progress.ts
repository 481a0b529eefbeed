import { warmupSteps, type RunConfig } from '../../shared/config.ts';
import type { PreparedData, TrainingPair } from './prepare.ts';
import type { WorkOptions } from './work.ts';
import type { EvaluationPart } from '../../shared/comparison.ts';
import { partWords } from '../../shared/evaluation-parts.ts';
import type { CallOptions, RowCounts } from '../../shared/contract.ts';

/** A call's signal, and its progress as a bar of its own for one piece of the work. */
export function asBar(call: CallOptions, label: string, unit: string): WorkOptions {
  return {
    signal: call.signal,
    onProgress: (done, total) => call.onProgress?.({ kind: 'progress', label, done, total, unit }),
  };
}

/** A call whose bars are told under a run's name, so that one always sees which run they belong to. */
export function underName(call: CallOptions, run: string): CallOptions {
  const { onProgress, signal } = call;
  return {
    signal,
    onProgress: (event) =>
      onProgress?.(event.kind === 'progress' ? { ...event, label: `${run}: ${event.label}` } : event),
  };
}

const some = (indices: readonly number[]): string =>
  `${indices.slice(0, 5).join(', ')}${indices.length > 5 ? `, … (${indices.length} in all)` : ''}`;

/** Tells what became of rows: skipped, cut, or with a boundary that shifts. */
export function tellNotes(data: PreparedData, call: CallOptions): void {
  const tell = (text: string): void => call.onProgress?.({ kind: 'note', text });
  const { skipped, truncated, shifted } = data;
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
  training: readonly TrainingPair[],
  measured: readonly Int32Array[],
  what: string,
  call: CallOptions,
): void {
  const trained = new Set(training.map(({ prompt }) => prompt.join()));
  const leaked = measured.filter((prompt) => trained.has(prompt.join())).length;
  if (leaked === 0) return;
  call.onProgress?.({ kind: 'note', text: `${leaked} of ${measured.length} ${what} are trained on as well` });
}

/** Tells that parts of an evaluation were found before, so that nobody wonders about the time it did not take. */
export function tellRecalled(parts: readonly EvaluationPart[], call: CallOptions, of: string): void {
  if (parts.length === 0) return;
  call.onProgress?.({ kind: 'note', text: `${of}: ${partWords(parts)} as an earlier evaluation found them` });
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

export function countsOf(data: PreparedData): RowCounts {
  return { rows: data.rows, skipped: data.skipped.length, truncated: data.truncated.length };
}
