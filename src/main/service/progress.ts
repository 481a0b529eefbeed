import type { PreparedData } from '../training/prepare.ts';
import type { WorkOptions } from '../training/work.ts';
import type { CallOptions, RowCounts } from './contract.ts';

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

export function countsOf(data: PreparedData): RowCounts {
  return { rows: data.rows, skipped: data.skipped.length, truncated: data.truncated.length };
}
