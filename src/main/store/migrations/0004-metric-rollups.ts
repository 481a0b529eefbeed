import type { Migration } from '../migrate.ts';

/**
 * Summaries of metrics over 8, 64, 512 … steps, so that a chart of a million steps reads a few thousand rows.
 * Level k has buckets of 8^k steps: bucket b covers the steps from b · 8^k up to before (b + 1) · 8^k. A row exists where
 * a bucket holds a point and the metric's last step is its last step or a later one. `finite` counts the values that
 * `minimum`, `maximum` and `mean` are taken over; the others are counted by kind.
 */
export const metricRollups: Migration = {
  version: 4,
  apply: (database) => {
    database.exec(table);
    database.exec(fromPoints);
    for (let level = 2; database.prepare(fromLevelBelow(level)).run().changes > 0; level += 1);
  },
};

const table = `
CREATE TABLE metric_rollups (
  run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  metric_id INTEGER NOT NULL,
  level INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  first_step INTEGER NOT NULL,
  last_step INTEGER NOT NULL,
  finite INTEGER NOT NULL,
  minimum REAL,
  maximum REAL,
  mean REAL,
  nans INTEGER NOT NULL,
  positive_infinities INTEGER NOT NULL,
  negative_infinities INTEGER NOT NULL,
  PRIMARY KEY (run_id, metric_id, level, bucket)
) STRICT, WITHOUT ROWID;`;

// 9e999 is how SQLite writes Infinity; NULL stands for NaN.
const fromPoints = `
INSERT INTO metric_rollups
SELECT run_id, metric_id, 1, step / 8, min(step), max(step),
  count(*) FILTER (WHERE abs(value) < 9e999),
  min(value) FILTER (WHERE abs(value) < 9e999),
  max(value) FILTER (WHERE abs(value) < 9e999),
  avg(value) FILTER (WHERE abs(value) < 9e999),
  count(*) FILTER (WHERE value IS NULL),
  count(*) FILTER (WHERE value = 9e999),
  count(*) FILTER (WHERE value = -9e999)
FROM metrics AS point
GROUP BY run_id, metric_id, step / 8
HAVING step / 8 * 8 + 7 <= (
  SELECT max(step) FROM metrics WHERE run_id = point.run_id AND metric_id = point.metric_id
);`;

const fromLevelBelow = (level: number): string => `
INSERT INTO metric_rollups
SELECT run_id, metric_id, ${level}, bucket / 8, min(first_step), max(last_step), sum(finite), min(minimum), max(maximum),
  sum(mean * finite) / sum(finite), sum(nans), sum(positive_infinities), sum(negative_infinities)
FROM metric_rollups AS part
WHERE level = ${level - 1}
GROUP BY run_id, metric_id, bucket / 8
HAVING (bucket / 8 + 1) * ${8 ** level} <= 1 + (
  SELECT max(step) FROM metrics WHERE run_id = part.run_id AND metric_id = part.metric_id
);`;
