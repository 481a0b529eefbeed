import type { DataRow } from '../../../shared/preferences.ts';
import type { Migration } from '../migrate.ts';
import { promptHash } from '../prompt-hash.ts';

/**
 * Datasets that are imported in many transactions and change afterwards. A dataset is seen only when its status is
 * ready; every other is an import or a removal that its owner has not ended. Rows are kept as they are now; what they
 * were before a revision lies in the two histories. Conventions are those of the first schema.
 */
export const datasets: Migration = {
  version: 3,
  apply: (database) => {
    database.function('row_prompt_hash', { deterministic: true }, (json: unknown) =>
      promptHash(JSON.parse(json as string) as DataRow),
    );
    database.exec(sql);
  },
};

const sql = `
CREATE TABLE new_datasets (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  owner_json TEXT,
  hash TEXT,
  source TEXT NOT NULL,
  format TEXT NOT NULL CHECK (format IN ('preference', 'completion')),
  conversational INTEGER NOT NULL CHECK (conversational IN (0, 1)),
  row_count INTEGER NOT NULL,
  answer_count INTEGER NOT NULL,
  excluded_count INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL,
  split_column TEXT,
  revision INTEGER NOT NULL DEFAULT 0,
  indexed_to INTEGER,
  added_at INTEGER NOT NULL
) STRICT;
INSERT INTO new_datasets
  (id, name, status, hash, source, format, conversational, row_count, answer_count, bytes, added_at)
  SELECT id, name, 'ready', hash, source, format, conversational, row_count,
    (SELECT count(*) FROM dataset_rows WHERE dataset_id = datasets.id AND row_json ->> '$.answer' IS NOT NULL),
    (SELECT coalesce(sum(octet_length(row_json)), 0) FROM dataset_rows WHERE dataset_id = datasets.id),
    added_at
  FROM datasets;
-- The ids of removed datasets are not given again.
DELETE FROM sqlite_sequence WHERE name = 'new_datasets';
INSERT INTO sqlite_sequence (name, seq) SELECT 'new_datasets', seq FROM sqlite_sequence WHERE name = 'datasets';

CREATE TABLE new_dataset_rows (
  dataset_id INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
  idx INTEGER NOT NULL,
  prompt_hash INTEGER NOT NULL,
  source_split TEXT,
  row_json TEXT NOT NULL,
  PRIMARY KEY (dataset_id, idx)
) STRICT;
INSERT INTO new_dataset_rows (dataset_id, idx, prompt_hash, row_json)
  SELECT dataset_id, idx, row_prompt_hash(row_json), row_json FROM dataset_rows ORDER BY dataset_id, idx;

DROP TABLE dataset_rows;
DROP TABLE datasets;
ALTER TABLE new_datasets RENAME TO datasets;
ALTER TABLE new_dataset_rows RENAME TO dataset_rows;
CREATE UNIQUE INDEX datasets_by_name ON datasets (name) WHERE status = 'ready';
CREATE INDEX datasets_by_hash ON datasets (hash);

CREATE TABLE dataset_marks (
  dataset_id INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
  idx INTEGER NOT NULL,
  excluded INTEGER NOT NULL CHECK (excluded IN (0, 1)),
  tags_json TEXT NOT NULL,
  note TEXT,
  PRIMARY KEY (dataset_id, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE dataset_changes (
  dataset_id INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
  revision INTEGER NOT NULL,
  change_json TEXT NOT NULL,
  row_count INTEGER NOT NULL,
  undoes INTEGER,
  hash_before TEXT,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (dataset_id, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE dataset_row_history (
  dataset_id INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
  idx INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  prompt_hash INTEGER NOT NULL,
  row_json TEXT NOT NULL,
  PRIMARY KEY (dataset_id, idx, revision)
) STRICT;
CREATE INDEX dataset_row_history_by_revision ON dataset_row_history (dataset_id, revision);

CREATE TABLE dataset_mark_history (
  dataset_id INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
  idx INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  excluded INTEGER NOT NULL,
  tags_json TEXT NOT NULL,
  note TEXT,
  PRIMARY KEY (dataset_id, idx, revision)
) STRICT, WITHOUT ROWID;
CREATE INDEX dataset_mark_history_by_revision ON dataset_mark_history (dataset_id, revision);

CREATE TABLE dataset_splits (
  dataset_id INTEGER NOT NULL REFERENCES datasets (id) ON DELETE CASCADE,
  revision INTEGER NOT NULL,
  rule_json TEXT,
  eval_prompts BLOB NOT NULL,
  PRIMARY KEY (dataset_id, revision)
) STRICT;
`;
