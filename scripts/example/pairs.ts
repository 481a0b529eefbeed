import { isExactMatch } from '../../src/main/training/tasks.ts';
import type { Problem } from './problems.ts';

/** One line of train.jsonl and eval.jsonl. */
export interface PairLine {
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
  readonly answer: string;
}

/** One sampled completion. `ended`: the model ended it by itself, not the token limit. */
export interface Sample {
  readonly text: string;
  readonly ended: boolean;
}

/**
 * The model's own answers to one problem as a preference pair: its first right sample against its first wrong one.
 * Cut-off samples are left out, since a rejected answer without its end would teach never to end.
 * Undefined where the model was always right or always wrong.
 */
export function pairOf(problem: Problem, samples: readonly Sample[]): PairLine | undefined {
  const ended = samples.filter((sample) => sample.ended && sample.text !== '');
  const chosen = ended.find(({ text }) => isExactMatch(text, problem.answer));
  const rejected = ended.find(({ text }) => !isExactMatch(text, problem.answer));
  if (chosen === undefined || rejected === undefined) return undefined;
  return { prompt: problem.prompt, chosen: chosen.text, rejected: rejected.text, answer: problem.answer };
}
