import type { Statement } from 'better-sqlite3';
import type { RunStatus } from '../../shared/contract.ts';
import type { Connection } from './connection.ts';
import { decodeJson } from './json.ts';

/** A comparison with its job and how far its runs have come. */
export interface ComparisonEntry {
  readonly id: number;
  readonly job: number;
  /** Its name. */
  readonly project: string;
  readonly config: unknown;
  readonly baseHash: string;
  readonly dataHash: string;
  /** Of its job; failed also where the job went well and its verdict or report did not. */
  readonly status: RunStatus;
  /** Null until there is one. */
  readonly verdict: unknown;
  readonly error: string | null;
  /** Milliseconds since 1970, as `endedAt`. */
  readonly createdAt: number;
  readonly endedAt: number | null;
  /** Runs that finished or diverged, of all. */
  readonly done: number;
  readonly total: number;
}

type Row = Omit<ComparisonEntry, 'config' | 'verdict'> & {
  readonly config: string;
  readonly verdict: string | null;
};

/** Comparisons as a list shows them, in one query. */
export class ComparisonList {
  readonly #some: Statement<[{ project: number | null; id: number | null }], Row>;

  constructor(connection: Connection) {
    this.#some = connection.prepare(
      `SELECT comparisons.id, jobs.id AS job, projects.name AS project, config_json AS config,
         comparisons.base_hash AS baseHash, comparisons.data_hash AS dataHash,
         CASE comparisons.status WHEN 'failed' THEN 'failed' ELSE jobs.status END AS status,
         verdict_json AS verdict, coalesce(comparisons.error, jobs.error) AS error,
         comparisons.created_at AS createdAt, comparisons.ended_at AS endedAt,
         (SELECT count(*) FROM runs WHERE runs.comparison_id = comparisons.id) AS total,
         (SELECT count(*) FROM runs WHERE runs.comparison_id = comparisons.id
            AND (runs.status = 'finished' OR runs.diverged_at IS NOT NULL)) AS done
       FROM comparisons JOIN jobs ON jobs.comparison_id = comparisons.id
         JOIN projects ON projects.id = jobs.project_id
       WHERE ($project IS NULL OR jobs.project_id = $project) AND ($id IS NULL OR comparisons.id = $id)
       ORDER BY comparisons.id`,
    );
  }

  /** By ascending number. */
  list(projectId?: number): ComparisonEntry[] {
    return this.#some.all({ project: projectId ?? null, id: null }).map(fromRow);
  }

  get(id: number): ComparisonEntry | undefined {
    const row = this.#some.get({ project: null, id });
    return row && fromRow(row);
  }
}

function fromRow(row: Row): ComparisonEntry {
  return {
    ...row,
    config: decodeJson(row.config),
    verdict: row.verdict === null ? null : decodeJson(row.verdict),
  };
}
