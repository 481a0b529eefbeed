import type { Mutator } from './mutate.ts';

/** One reader under test. */
export interface Target {
  readonly name: string;
  /**
   * Makes the input of one case.
   * @param folder empty, for the input's files
   * @param store the only other folder that may be written to
   * @returns reads it. Returning, and throwing an InputError or UsageError, are fine; anything else is not
   */
  prepare(mutator: Mutator, folder: string, store: string): () => unknown;
}
