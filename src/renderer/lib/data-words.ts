import type { ChangeView, DatasetSummary } from '../../shared/contract.ts';
import type { DatasetChange, SplitRule } from '../../shared/dataset-changes.ts';
import { formatCount, formatPercent } from '../../shared/format.ts';
import { problemKinds, type ProblemKind } from '../../shared/preferences.ts';

/** What is wrong with rows, in a heading's words, and what to do about it on these screens. */
export const problemWords: Record<ProblemKind, { readonly title: string; readonly advice: string }> = {
  malformed: { title: 'Malformed', advice: 'mend these rows where they come from, or leave them out' },
  'missing-field': { title: 'A field is missing', advice: 'name the columns above, or leave these rows out' },
  empty: { title: 'Empty prompt or answer', advice: problemKinds.empty },
  identical: { title: 'Equal answers', advice: problemKinds.identical },
  tie: { title: 'Ties', advice: problemKinds.tie },
  duplicate: { title: 'Repeated pairs', advice: problemKinds.duplicate },
  'prompt-differs': { title: 'Prompts differ', advice: problemKinds['prompt-differs'] },
  'role-order': { title: 'Order of speakers', advice: problemKinds['role-order'] },
  'truncated-completion': { title: 'Answers that break off', advice: problemKinds['truncated-completion'] },
  'too-long': {
    title: 'Too long for the model',
    advice: 'raise the maximum length, or exclude these rows after the import: their answers would be cut',
  },
  'boundary-shift': { title: 'Tokens across the boundary', advice: problemKinds['boundary-shift'] },
  'swapped-suspect': { title: 'Perhaps swapped', advice: problemKinds['swapped-suspect'] },
};

/** `1 row`, `2,000 rows`. */
export function countRows(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'row' : 'rows'}`;
}

export function splitWords(rule: SplitRule): string {
  return rule.by === 'share'
    ? `${formatPercent(rule.share)} held out, seed ${rule.seed}`
    : `by column ${rule.column}`;
}

/** What a dataset's rows are. */
export function kindWords({ kind, text }: Pick<DatasetSummary, 'kind' | 'text'>): string {
  return `${kind === 'preference' ? 'pairs' : 'completions'}, ${text === 'strings' ? 'text' : 'chat'}`;
}

/** What a change did, as a line of the history. */
export function changeWords({ change, rows, some }: Pick<ChangeView, 'change' | 'rows' | 'some'>): string {
  const which = rows === 1 && some.length === 1 ? `row ${some[0]}` : countRows(rows);
  switch (change.kind) {
    case 'edit':
      return `Edited ${change.fields.join(', ')} of ${which}`;
    case 'exclude':
      return `Excluded ${which}`;
    case 'include':
      return `Included ${which} again`;
    case 'tag':
      return `Tagged ${which} "${change.tag}"`;
    case 'untag':
      return `Took the tag "${change.tag}" off ${which}`;
    case 'note':
      return change.note === null ? `Removed the note of ${which}` : `Noted on ${which}: ${change.note}`;
    case 'split':
      return `Split: ${splitWords(change.rule)}`;
    case 'undo':
      return `Undid change ${change.revision}`;
  }
}

/** The same of a change that was undone. */
export function undoneWords(view: {
  readonly change: DatasetChange;
  readonly rows: number;
  readonly some: readonly number[];
}): string {
  const words = changeWords(view);
  return `Undone: ${words.charAt(0).toLowerCase()}${words.slice(1)}`;
}
