import type { Migration } from '../migrate.ts';

/**
 * What a run is in its job: `run`, or `stage` for one that only makes what others start from, and is compared with
 * nothing. All runs of earlier versions are `run`.
 */
export const runRoles: Migration = {
  version: 5,
  apply: (database) => database.exec(sql),
};

const sql = `
ALTER TABLE runs ADD COLUMN role TEXT NOT NULL DEFAULT 'run' CHECK (role IN ('run', 'stage'));
`;
