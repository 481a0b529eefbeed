import type { Migration } from '../migrate.ts';

/**
 * Jobs (one training process each, which may carry the runs of a comparison), checkpoints, projects and settings.
 * Conventions are those of the first schema.
 */
export const jobs: Migration = {
  version: 2,
  apply: (database) => database.exec(sql),
};

const sql = `
CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value_json TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE projects (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL
) STRICT;
INSERT INTO projects (id, name, created_at) VALUES (1, 'default', 0);

CREATE TABLE jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project_id INTEGER NOT NULL DEFAULT 1 REFERENCES projects (id),
  kind TEXT NOT NULL,
  request_json TEXT NOT NULL,
  sources_json TEXT,
  comparison_id INTEGER REFERENCES comparisons (id),
  status TEXT NOT NULL,
  position INTEGER NOT NULL,
  owner_json TEXT,
  worker_pid INTEGER,
  heartbeat_at INTEGER,
  wanted TEXT CHECK (wanted IN ('pause', 'stop')),
  progress_json TEXT,
  plan_json TEXT,
  result_json TEXT,
  error TEXT,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER
) STRICT;
CREATE INDEX jobs_by_status ON jobs (status, position);

ALTER TABLE runs ADD COLUMN project_id INTEGER NOT NULL DEFAULT 1 REFERENCES projects (id);
ALTER TABLE runs ADD COLUMN job_id INTEGER REFERENCES jobs (id);
ALTER TABLE runs ADD COLUMN parent_checkpoint_id INTEGER REFERENCES checkpoints (id) ON DELETE SET NULL;
ALTER TABLE runs ADD COLUMN total_steps INTEGER;
ALTER TABLE runs ADD COLUMN last_step INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN diverged_at INTEGER;
ALTER TABLE runs ADD COLUMN seconds REAL NOT NULL DEFAULT 0;
CREATE INDEX runs_by_job ON runs (job_id);
CREATE INDEX runs_by_project ON runs (project_id);

CREATE TABLE checkpoints (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  parent_id INTEGER REFERENCES checkpoints (id) ON DELETE SET NULL,
  step INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  size INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (run_id, step)
) STRICT;
CREATE INDEX checkpoints_by_hash ON checkpoints (sha256);
`;
