import type { RunSummary } from '../../shared/contract.ts';

/** Filters of the list of runs, as its address holds them. */
export interface RunFilter {
  readonly project?: string | undefined;
  readonly status?: string | undefined;
  readonly loss?: string | undefined;
  readonly model?: string | undefined;
  /** Words that all occur in what a row says, in any case. */
  readonly search?: string | undefined;
}

export function filterRuns(runs: readonly RunSummary[], filter: RunFilter): RunSummary[] {
  const { project, status, loss, model, search = '' } = filter;
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return runs.filter((run) => {
    if (project && run.project !== project) return false;
    // Diverged runs have failed; people look for them by either word.
    if (status && run.status !== status && !(status === 'diverged' && run.divergedAt !== undefined))
      return false;
    if (loss && run.loss !== loss) return false;
    if (model && run.model !== model) return false;
    if (words.length === 0) return true;
    const { id, comparison, seed, data, status: state, error = '' } = run;
    const said = `${id} ${run.loss} ${run.model} ${data} ${run.project} ${state} seed ${seed} ${error} ${comparison ? `comparison ${comparison}` : ''}`;
    return words.every((word) => said.toLowerCase().includes(word));
  });
}

export const sortKeys = [
  'id',
  'loss',
  'learningRate',
  'beta',
  'seed',
  'status',
  'step',
  'model',
  'data',
  'createdAt',
  'seconds',
] as const;
export type SortKey = (typeof sortKeys)[number];

/** Sorts by one column; runs that are equal in it stay as they were, and those without a value come last. */
export function sortRuns(runs: readonly RunSummary[], key: SortKey, descending: boolean): RunSummary[] {
  const sign = descending ? -1 : 1;
  return [...runs].sort((a, b) => {
    const [left, right] = [a[key], b[key]];
    if (left === undefined || right === undefined)
      return Number(left === undefined) - Number(right === undefined);
    if (left === right) return 0;
    return sign * (left < right ? -1 : 1);
  });
}

/** Different values of one column, in their order. */
export function valuesOf(
  runs: readonly RunSummary[],
  key: 'project' | 'loss' | 'model' | 'status',
): string[] {
  return [...new Set(runs.map((run) => run[key]))].sort();
}
