import type { Migration } from '../migrate.ts';

/**
 * Conventions of every table:
 * - times are whole milliseconds since 1970 (UTC); hashes are lower-case hexadecimal SHA-256;
 * - ids are AUTOINCREMENT, so that the name of a removed thing's files is never taken again;
 * - float64 values that must come back bit for bit are ANY with a type check, for a REAL column turns −0 into 0;
 *   where NULL is allowed it stands for NaN, which SQLite cannot store;
 * - `*_json` columns are written by json.ts;
 * - which statuses exist is checked in status.ts, so that a later one needs no rebuilt table.
 */
export const firstSchema: Migration = {
  version: 1,
  apply: (database) => database.exec(sql),
};

const sql = `
CREATE TABLE models (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  hash TEXT NOT NULL,
  source TEXT NOT NULL,
  folder TEXT NOT NULL,
  weights_folder TEXT NOT NULL,
  architecture TEXT NOT NULL,
  parameters INTEGER NOT NULL,
  added_at INTEGER NOT NULL
) STRICT;
CREATE INDEX models_by_hash ON models (hash);

CREATE TABLE datasets (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  hash TEXT NOT NULL,
  source TEXT NOT NULL,
  format TEXT NOT NULL CHECK (format IN ('preference', 'completion')),
  conversational INTEGER NOT NULL CHECK (conversational IN (0, 1)),
  row_count INTEGER NOT NULL,
  added_at INTEGER NOT NULL
) STRICT;
CREATE INDEX datasets_by_hash ON datasets (hash);

CREATE TABLE dataset_rows (
  dataset_id INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
  idx INTEGER NOT NULL,
  row_json TEXT NOT NULL,
  PRIMARY KEY (dataset_id, idx)
) STRICT;

CREATE TABLE reference_contexts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  hash TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE reference_log_probs (
  context_id INTEGER NOT NULL REFERENCES reference_contexts (id) ON DELETE CASCADE,
  pair_hash TEXT NOT NULL,
  chosen ANY NOT NULL CHECK (typeof(chosen) = 'real'),
  rejected ANY NOT NULL CHECK (typeof(rejected) = 'real'),
  chosen_tokens INTEGER NOT NULL,
  rejected_tokens INTEGER NOT NULL,
  PRIMARY KEY (context_id, pair_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE comparisons (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  config_json TEXT NOT NULL,
  base_hash TEXT NOT NULL,
  data_hash TEXT NOT NULL,
  status TEXT NOT NULL,
  verdict_json TEXT,
  report_path TEXT,
  error TEXT,
  created_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT;

CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  comparison_id INTEGER REFERENCES comparisons (id),
  loss TEXT NOT NULL,
  seed INTEGER NOT NULL,
  order_seed INTEGER NOT NULL,
  learning_rate REAL NOT NULL,
  beta REAL,
  config_json TEXT NOT NULL,
  base_hash TEXT NOT NULL,
  data_hash TEXT NOT NULL,
  adapter_start_hash TEXT,
  order_hash TEXT,
  status TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  error TEXT
) STRICT;
CREATE INDEX runs_by_comparison ON runs (comparison_id);
CREATE INDEX runs_by_status ON runs (status);

CREATE TABLE metric_names (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE metrics (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  metric_id INTEGER NOT NULL REFERENCES metric_names (id),
  step INTEGER NOT NULL,
  value ANY CHECK (typeof(value) IN ('real', 'null')),
  PRIMARY KEY (run_id, metric_id, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE evaluations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER REFERENCES runs (id) ON DELETE CASCADE,
  base_hash TEXT NOT NULL,
  data_hash TEXT NOT NULL,
  step INTEGER NOT NULL,
  result_json TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX evaluations_by_run ON evaluations (run_id);
CREATE INDEX evaluations_by_hashes ON evaluations (base_hash, data_hash);

CREATE TABLE adapters (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  step INTEGER NOT NULL,
  path TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (run_id, step)
) STRICT;

CREATE TABLE model_files (
  path TEXT PRIMARY KEY,
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  sha256 TEXT NOT NULL
) STRICT;
`;
