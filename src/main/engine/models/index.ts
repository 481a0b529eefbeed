import { llama } from './llama.ts';
import type { ModelFamily } from './family.ts';

export const families: readonly ModelFamily[] = [llama];

/** Architectures that can be imported and trained. */
export const supportedArchitectures: readonly string[] = families.map(({ architecture }) => architecture);
