import { repetitionLimit } from './repetition.ts';
import { mean } from './statistics/descriptive.ts';

/** How long a model's answers are, and how far they repeat themselves. */
export interface GenerationMeasures {
  readonly answers: number;
  /** `greedy`: the answers to the task's questions; `sampled`: drawn at temperature 1 after held-out prompts. */
  readonly decoding: 'greedy' | 'sampled';
  /** Tokens of an answer, the one that ends it included. */
  readonly meanTokens: number;
  /** Share of the answers that were cut at the longest. */
  readonly cutShare: number;
  /** Mean over the answers of `repetition` (shared/repetition.ts). */
  readonly meanRepetition: number;
  /** Share of the answers whose repetition is above one half. */
  readonly repeatingShare: number;
}

/** One answer, as its measures need it. */
export interface MeasuredAnswer {
  /** All that was generated, a token that ended it included. */
  readonly tokens: number;
  readonly isCut: boolean;
  readonly repetition: number;
}

/** @param answers at least one */
export function generationMeasures(
  answers: readonly MeasuredAnswer[],
  decoding: GenerationMeasures['decoding'],
): GenerationMeasures {
  const share = (count: number): number => count / answers.length;
  return {
    answers: answers.length,
    decoding,
    meanTokens: mean(answers.map(({ tokens }) => tokens)),
    cutShare: share(answers.filter(({ isCut }) => isCut).length),
    meanRepetition: mean(answers.map(({ repetition }) => repetition)),
    repeatingShare: share(answers.filter(({ repetition }) => repetition > repetitionLimit).length),
  };
}

/** KL(π ‖ π_ref) on the policy's own samples, drawn at temperature 1. */
export interface KlToReference {
  readonly samples: number;
  /** Places it was computed at: all generated tokens. */
  readonly tokens: number;
  /** Mean over the tokens of Σ p·(log p − log p_ref) over the whole vocabulary, in nats. */
  readonly perToken: number;
  /** Of `perToken`, over samples: tokens of one sample are not independent. Absent for a single sample. */
  readonly standardError?: number;
}

/**
 * The mean per token of divergences found sample by sample. It is a ratio of two means over samples, of their sums and
 * lengths, and its standard error is that of a ratio (the delta method).
 * @param samples in nats at each token; at least one token in all
 */
export function klToReference(samples: readonly (readonly number[])[]): KlToReference {
  const sums = samples.map((values) => values.reduce((sum, value) => sum + value, 0));
  const tokens = samples.reduce((sum, { length }) => sum + length, 0);
  const perToken = sums.reduce((sum, value) => sum + value, 0) / tokens;
  const count = samples.length;
  if (count < 2) return { samples: count, tokens, perToken };
  const squares = sums.reduce(
    (sum, value, place) => sum + (value - perToken * samples[place]!.length) ** 2,
    0,
  );
  return {
    samples: count,
    tokens,
    perToken,
    standardError: Math.sqrt((count / (count - 1)) * squares) / tokens,
  };
}
