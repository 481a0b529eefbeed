import type { Migration } from '../migrate.ts';

/**
 * Blind judgings of two policies' answers. `first_output` and `second_output` are those of the judging's first and second
 * policy; `first_side` is where the first is shown: 0 as A, 1 as B.
 */
export const judgings: Migration = {
  version: 7,
  apply: (database) => database.exec(sql),
};

const sql = `
CREATE TABLE judgings (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project_id INTEGER NOT NULL DEFAULT 1 REFERENCES projects (id),
  name TEXT NOT NULL,
  policies_json TEXT NOT NULL,
  prompts_json TEXT NOT NULL,
  settings_json TEXT NOT NULL,
  seed INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  revealed_at INTEGER
) STRICT;
CREATE INDEX judgings_by_project ON judgings (project_id);

CREATE TABLE judging_items (
  judging_id INTEGER NOT NULL REFERENCES judgings (id) ON DELETE CASCADE,
  idx INTEGER NOT NULL,
  prompt_json TEXT NOT NULL,
  first_output TEXT,
  second_output TEXT,
  first_side INTEGER NOT NULL CHECK (first_side IN (0, 1)),
  vote TEXT CHECK (vote IN ('a', 'b', 'tie', 'both-bad', 'skip')),
  voted_at INTEGER,
  PRIMARY KEY (judging_id, idx),
  CHECK ((first_output IS NULL) = (second_output IS NULL)),
  CHECK ((vote IS NULL) = (voted_at IS NULL)),
  CHECK (vote IS NULL OR vote = 'skip' OR first_output IS NOT NULL)
) STRICT, WITHOUT ROWID;
`;
