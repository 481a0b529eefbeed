import type { Migration } from '../migrate.ts';

/**
 * c and r of each pair, one row for a stretch of a run's steps: `data` holds four columns of `pairs` numbers each (step and row
 * as uint32, c and r as float32, little-endian; pair-blocks.ts). `side` is `train` for pairs in batches, `eval` for held-out ones.
 */
export const pairTelemetry: Migration = {
  version: 6,
  apply: (database) => database.exec(sql),
};

const sql = `
CREATE TABLE pair_telemetry (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  side TEXT NOT NULL CHECK (side IN ('train', 'eval')),
  first_step INTEGER NOT NULL CHECK (first_step >= 0),
  last_step INTEGER NOT NULL CHECK (last_step >= first_step),
  pairs INTEGER NOT NULL CHECK (pairs > 0),
  data BLOB NOT NULL CHECK (length(data) = 16 * pairs),
  PRIMARY KEY (run_id, side, first_step)
) STRICT;
`;
