import type { Migration } from '../migrate.ts';

/**
 * Summaries of metrics over stretches of steps, so that a chart of a long run reads thousands of rows, not a million:
 * level 0 over 16 steps, each next level over four times as many (rollups.ts). `minimum`, `maximum` and `sum` are over
 * the finite values; `last_value` is NULL for NaN, as in `metrics`.
 */
export const metricRollups: Migration = {
  version: 4,
  apply: (database) => {
    database.exec(table);
    database.exec(first);
    for (let level = 1; level < 7; level += 1) database.prepare(next).run({ level });
  },
};

const table = `
CREATE TABLE metric_rollups (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  metric_id INTEGER NOT NULL REFERENCES metric_names (id),
  level INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  first_step INTEGER NOT NULL,
  last_step INTEGER NOT NULL,
  points INTEGER NOT NULL,
  finite_points INTEGER NOT NULL,
  sum REAL,
  minimum REAL,
  maximum REAL,
  last_value ANY CHECK (typeof(last_value) IN ('real', 'null')),
  PRIMARY KEY (run_id, metric_id, level, bucket)
) STRICT, WITHOUT ROWID;
`;

// 9e999 is SQLite's way to write infinity.
const first = `
INSERT INTO metric_rollups
SELECT grouped.*, (
  SELECT value FROM metrics AS each
  WHERE each.run_id = grouped.run_id AND each.metric_id = grouped.metric_id AND each.step = grouped.last_step
)
FROM (
  SELECT run_id, metric_id, 0, step / 16, min(step), max(step) AS last_step, count(*),
    count(value) FILTER (WHERE abs(value) < 9e999), sum(value) FILTER (WHERE abs(value) < 9e999),
    min(value) FILTER (WHERE abs(value) < 9e999), max(value) FILTER (WHERE abs(value) < 9e999)
  FROM metrics GROUP BY run_id, metric_id, step / 16
) AS grouped;
`;

const next = `
INSERT INTO metric_rollups
SELECT run_id, metric_id, $level, bucket, first_step, last_step, points, finite_points, sum, minimum, maximum, (
  SELECT last_value FROM metric_rollups AS each
  WHERE each.run_id = grouped.run_id AND each.metric_id = grouped.metric_id AND each.level = $level - 1
    AND each.bucket = grouped.last_child
)
FROM (
  SELECT run_id, metric_id, bucket / 4 AS bucket, min(first_step) AS first_step, max(last_step) AS last_step,
    sum(points) AS points, sum(finite_points) AS finite_points, sum(sum) AS sum, min(minimum) AS minimum,
    max(maximum) AS maximum, max(bucket) AS last_child
  FROM metric_rollups WHERE level = $level - 1 GROUP BY run_id, metric_id, bucket / 4
) AS grouped;
`;
