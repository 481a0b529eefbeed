import type { JudgingPrompts } from '../../shared/app/api.ts';
import type { Vote } from '../../shared/judging.ts';

/** What a key does while answers are judged. */
export type JudgeAction =
  { readonly vote: Vote } | { readonly go: 'previous' | 'next' } | { readonly undo: true };

/** Votes in the order of their buttons, each with its two keys. */
export const voteKeys: readonly {
  readonly vote: Vote;
  readonly label: string;
  readonly keys: readonly string[];
}[] = [
  { vote: 'a', label: 'A is better', keys: ['1', 'A'] },
  { vote: 'b', label: 'B is better', keys: ['2', 'B'] },
  { vote: 'tie', label: 'Tie', keys: ['3', 'T'] },
  { vote: 'both-bad', label: 'Neither: both bad', keys: ['4', 'N'] },
  { vote: 'skip', label: 'Skip', keys: ['5', 'S'] },
];

/** Undefined for a key that means nothing here. */
export function judgeAction(key: string): JudgeAction | undefined {
  if (key === 'ArrowLeft') return { go: 'previous' };
  if (key === 'ArrowRight') return { go: 'next' };
  const pressed = key.toUpperCase();
  if (pressed === 'U') return { undo: true };
  const found = voteKeys.find(({ keys }) => keys.includes(pressed));
  return found && { vote: found.vote };
}

/** What a vote was, in a word or two. */
export function voteWords(vote: Vote | null): string {
  return {
    a: 'A is better',
    b: 'B is better',
    tie: 'tie',
    'both-bad': 'both bad',
    skip: 'skipped',
    none: 'not judged',
  }[vote ?? 'none'];
}

/** Prompts as a person types them: one a line, blank lines left out. */
export function typedPrompts(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

export function promptsWords(prompts: JudgingPrompts): string {
  if ('comparison' in prompts) return `prompts that comparison ${prompts.comparison} held out`;
  if ('texts' in prompts) return prompts.texts.length === 1 ? 'one typed prompt' : 'typed prompts';
  const side = { all: 'prompts of', train: 'training prompts of', eval: 'held-out prompts of' }[prompts.side];
  return `${side} ${prompts.data}`;
}
