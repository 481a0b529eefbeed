import type { Migration } from '../migrate.ts';

/** Taken by the schema of datasets. */
export const placeholder: Migration = { version: 3, apply: () => undefined };
