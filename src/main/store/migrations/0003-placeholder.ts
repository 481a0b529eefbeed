import type { Migration } from '../migrate.ts';

/** Holds the version's place. */
export const placeholder: Migration = { version: 3, apply: () => undefined };
