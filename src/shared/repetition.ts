/** Neighbouring tokens that are compared as one. */
const length = 4;

/** A sample that repeats itself more than this is broken, where the untrained model's own answer does not. */
export const repetitionLimit = 0.5;

/**
 * How much a text repeats itself: the share of its runs of four tokens that stood there before,
 * 1 − distinct runs / all runs; runs overlap, so that n tokens have n − 3. 0 where all differ, or there are fewer than
 * four tokens; near 1 where one phrase comes over and over.
 * @param tokens token ids or words
 */
export function repetition(tokens: readonly (number | string)[]): number {
  const all = tokens.length - length + 1;
  if (all < 1) return 0;
  const distinct = new Set<string>();
  for (let start = 0; start < all; start++) {
    // As JSON no two different runs of words read the same.
    distinct.add(JSON.stringify(tokens.slice(start, start + length)));
  }
  return 1 - distinct.size / all;
}

interface Repeating {
  readonly repetition: number;
}

/**
 * Places of the samples that have begun to repeat themselves while the model's answer before training does not.
 * @param start answers to the same prompts before the first step, where there are any
 */
export function repeating(samples: readonly Repeating[], start: readonly Repeating[] = []): number[] {
  return samples.flatMap((sample, place) =>
    sample.repetition > repetitionLimit && !((start[place]?.repetition ?? 0) > repetitionLimit)
      ? [place]
      : [],
  );
}
