import type { Migration } from '../migrate.ts';

/**
 * Parts of evaluations that need not be computed again, by a hash of all that decides them. `sha256` is over key and result, so
 * that damage shows. `cached_json` names the parts of an evaluation that came from there; null in those of earlier versions
 * and where none did.
 */
export const evaluationCache: Migration = {
  version: 8,
  apply: (database) => database.exec(sql),
};

const sql = `
CREATE TABLE evaluation_cache (
  key TEXT PRIMARY KEY,
  part TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  result_json TEXT NOT NULL,
  bytes INTEGER NOT NULL CHECK (bytes > 0),
  used_at INTEGER NOT NULL
) STRICT;
CREATE INDEX evaluation_cache_by_use ON evaluation_cache (used_at, bytes);
ALTER TABLE evaluations ADD COLUMN cached_json TEXT;
`;
