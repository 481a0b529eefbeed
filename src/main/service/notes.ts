import type { TokenizingNotes } from '../engine/tokens/pairs.ts';
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

export function countsOf(data: TokenizingNotes & { readonly rows: number }): RowCounts {
  return { rows: data.rows, skipped: data.skipped.length, truncated: data.truncated.length };
}
