/** How a dataset was split into rows to train on and rows to evaluate on. */
export type SplitRule =
  /** A share of the prompts, drawn by the seed. */
  | { readonly by: 'share'; readonly share: number; readonly seed: number }
  /** The file's own column: rows with one of these values are for evaluation. */
  | { readonly by: 'column'; readonly column: string; readonly evalValues: readonly string[] };

/** What a person changed in a dataset. */
export type DatasetChange =
  | { readonly kind: 'edit'; readonly fields: readonly string[] }
  | { readonly kind: 'exclude' }
  | { readonly kind: 'include' }
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'untag'; readonly tag: string }
  | { readonly kind: 'note'; readonly note: string | null }
  | { readonly kind: 'split'; readonly rule: SplitRule }
  | { readonly kind: 'undo'; readonly revision: number };
