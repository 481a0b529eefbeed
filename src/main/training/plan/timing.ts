import type { PassTime } from '../../../shared/plan.ts';
import type { DecoderConfig } from '../../engine/models/config.ts';
import { isSame, type PackablePair } from '../../engine/train/packing.ts';

/** What decides how long a pass takes. */
export interface PassSize {
  /**
   * Tokens that go through the layers, plus the output head's rows as so many tokens as they cost.
   */
  readonly tokens: number;
  /** Places that attention looks at, over the pass's sequences: grows with the square of their lengths. */
  readonly square: number;
}

/**
 * @param pairs what goes through the graph together
 * @param padded to the longest, side by side; else packed, neighbours with one prompt sharing it
 */
export function passSize(config: DecoderConfig, pairs: readonly PackablePair[], padded = false): PassSize {
  const rows = pairs.reduce((sum, { chosen, rejected }) => sum + chosen.length + rejected.length, 0);
  const { hiddenSize, intermediateSize, layers, heads, keyValueHeads, headSize, vocabularySize } = config;
  const perLayer = hiddenSize * (3 * intermediateSize + 2 * (heads + keyValueHeads) * headSize);
  const headShare = (vocabularySize * hiddenSize) / (layers * perLayer);
  if (padded) {
    const length = Math.max(...pairs.map(packedLength));
    return { tokens: length * pairs.length + rows * headShare, square: length * length * pairs.length };
  }
  let tokens = rows * headShare;
  let square = 0;
  const shared = sharedTokens(pairs);
  pairs.forEach((pair, place) => {
    tokens += packedLength(pair) - shared[place]!;
    square += attendedCells(pair) - shared[place]! ** 2 / 2;
  });
  return { tokens, square };
}

/**
 * Tokens of each pair of a pass that are there already: the prompt where the one before has it too, else what all prompts begin with.
 * @param prefix tokens of that
 */
export function sharedTokens(pairs: readonly PackablePair[], prefix = 0): readonly number[] {
  return pairs.map(({ prompt }, place) => {
    if (place === 0) return 0;
    return isSame(pairs[place - 1]!.prompt, prompt) ? prompt.length : prefix;
  });
}

/** Pairs of tokens that a pair's attention cannot do without: half of each part's square, and its answers by its prompt. */
export function attendedCells({ prompt, chosen, rejected }: PackablePair): number {
  const answer = ({ length }: Int32Array): number => length * (prompt.length + length / 2);
  return prompt.length ** 2 / 2 + answer(chosen) + answer(rejected);
}

/** Tokens of the packed sequence: an answer's last token is predicted, never read. */
export function packedLength({ prompt, chosen, rejected }: PackablePair): number {
  return prompt.length + Math.max(0, chosen.length - 1) + Math.max(0, rejected.length - 1);
}

export interface Sample {
  readonly size: PassSize;
  readonly seconds: number;
}

/**
 * Seconds of a pass as fixed + perToken · tokens + perSquare · square, none of them below 0: least squares on
 * relative residuals. With three terms every choice of which are 0 can be tried, so the best is exact.
 * @param samples at least one
 */
export function fitPassTime(samples: readonly Sample[]): PassTime {
  const rows = samples.map(({ size, seconds }) =>
    [1, size.tokens, size.square].map((term) => term / Math.max(seconds, 1e-9)),
  );
  let best: { readonly terms: readonly number[]; readonly error: number } | undefined;
  for (const used of [[1], [0], [0, 1], [1, 2], [0, 2], [2], [0, 1, 2]]) {
    // As many terms as samples would fit them to their last noise.
    if (used.length > 1 && used.length >= samples.length) continue;
    const found = solveLeastSquares(rows.map((row) => used.map((column) => row[column]!)));
    if (!found || found.some((term) => term < 0)) continue;
    const terms = [0, 0, 0];
    used.forEach((column, place) => (terms[column] = found[place]!));
    const error = rows.reduce(
      (sum, row) => sum + (row.reduce((value, each, place) => value + each * terms[place]!, 0) - 1) ** 2,
      0,
    );
    if (!best || error < best.error - 1e-12) best = { terms, error };
  }
  const [fixed = 0, perToken = 0, perSquare = 0] = best?.terms ?? [];
  return { fixed, perToken, perSquare };
}

export function passSeconds(time: PassTime, { tokens, square }: PassSize): number {
  return time.fixed + time.perToken * tokens + time.perSquare * square;
}

/** x that brings A x nearest to a vector of ones, by the normal equations; undefined where they have no one answer. */
function solveLeastSquares(rows: readonly (readonly number[])[]): number[] | undefined {
  const width = rows[0]!.length;
  // Columns differ by many orders of magnitude.
  const scales = Array.from({ length: width }, (_, column) =>
    Math.sqrt(rows.reduce((sum, row) => sum + row[column]! ** 2, 0)),
  );
  if (scales.some((scale) => scale === 0)) return undefined;
  const scaled = rows.map((row) => row.map((value, column) => value / scales[column]!));
  const matrix = Array.from({ length: width }, (_, a) => [
    ...Array.from({ length: width }, (_, b) => scaled.reduce((sum, row) => sum + row[a]! * row[b]!, 0)),
    scaled.reduce((sum, row) => sum + row[a]!, 0),
  ]);
  for (let pivot = 0; pivot < width; pivot++) {
    let largest = pivot;
    for (let row = pivot; row < width; row++) {
      if (Math.abs(matrix[row]![pivot]!) > Math.abs(matrix[largest]![pivot]!)) largest = row;
    }
    [matrix[pivot], matrix[largest]] = [matrix[largest]!, matrix[pivot]!];
    if (Math.abs(matrix[pivot]![pivot]!) < 1e-10) return undefined;
    for (let row = 0; row < width; row++) {
      if (row === pivot) continue;
      const factor = matrix[row]![pivot]! / matrix[pivot]![pivot]!;
      matrix[row] = matrix[row]!.map((value, column) => value - factor * matrix[pivot]![column]!);
    }
  }
  return matrix.map((row, place) => row[width]! / row[place]! / scales[place]!);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
