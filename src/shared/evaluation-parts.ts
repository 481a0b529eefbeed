import type { ComparisonResult, EvaluationPart } from './comparison.ts';

const words: Readonly<Record<EvaluationPart, string>> = {
  pairs: 'log-probs of held-out pairs',
  answers: 'answers to the task',
  samples: 'samples',
  'first-answers': 'answers to the first questions',
  'prompt-samples': 'answers to held-out prompts',
  kl: 'samples for the KL on the way',
};

/** Parts of an evaluation in words. */
export function partWords(parts: readonly EvaluationPart[]): string {
  return parts.map((part) => words[part] ?? part).join(', ');
}

/** Which evaluations of a result were known before, for people; undefined where all were made for it. */
export function knownBefore({ baseEvaluationCached: base, runs }: ComparisonResult): string | undefined {
  const known = runs.filter(({ evaluationCached, evaluations = [] }) =>
    [{ evaluationCached }, ...evaluations].some((each) => each.evaluationCached !== undefined),
  ).length;
  const parts = [
    ...(base ? [`base (${partWords(base)})`] : []),
    ...(known > 0 ? [`of ${known} of ${runs.length} runs in part or whole`] : []),
  ];
  return parts.length === 0 ? undefined : parts.join(', ');
}
