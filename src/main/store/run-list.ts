import type { Statement } from 'better-sqlite3';
import { armName } from '../../shared/arms.ts';
import type { RunStatus, RunSummary } from '../../shared/contract.ts';
import type { Connection } from './connection.ts';
import type { RunRole } from './runs.ts';

export interface RunListOptions {
  readonly projectId?: number | undefined;
  readonly status?: RunStatus | undefined;
  /** The newest so many. */
  readonly limit?: number | undefined;
}

interface Row {
  readonly id: number;
  readonly job: number | null;
  readonly comparison: number | null;
  readonly project: string;
  readonly role: RunRole;
  readonly loss: string;
  /** JSON; null where its loss has none. */
  readonly lossParameters: string | null;
  readonly learningRate: number;
  readonly beta: number | null;
  readonly seed: number;
  readonly status: RunStatus;
  readonly step: number;
  readonly totalSteps: number | null;
  readonly baseHash: string;
  readonly dataHash: string;
  readonly seconds: number;
  readonly divergedAt: number | null;
  readonly error: string | null;
  readonly createdAt: number;
  readonly endedAt: number | null;
}

// A run at work goes by its job's word; one that has not begun waits as its job does.
const status = `CASE
  WHEN jobs.status <> 'finished' AND (runs.status = 'running' OR (runs.status = 'queued' AND jobs.status <> 'running'))
  THEN jobs.status ELSE runs.status END`;
const select = `SELECT runs.id, job_id AS job, runs.comparison_id AS comparison, projects.name AS project, role, loss,
    config_json ->> '$.lossParameters' AS lossParameters,
    learning_rate AS learningRate, beta, seed, ${status} AS status, last_step AS step, total_steps AS totalSteps,
    base_hash AS baseHash, data_hash AS dataHash, seconds, diverged_at AS divergedAt, runs.error,
    runs.created_at AS createdAt, runs.ended_at AS endedAt
  FROM runs JOIN projects ON projects.id = runs.project_id LEFT JOIN jobs ON jobs.id = runs.job_id`;

/** Runs as a list shows them: of a config only the loss's parameters are read, and no name is looked up twice. */
export class RunList {
  readonly #some: Statement<[{ project: number | null; status: string | null; limit: number }], Row>;
  readonly #byIds: Statement<[string], Row>;
  readonly #models: Statement<[], [hash: string, name: string]>;
  readonly #datasets: Statement<[], [hash: string, name: string]>;
  readonly #asked: Statement<[number], string | null>;

  constructor(connection: Connection) {
    this.#some = connection.prepare(
      `${select} WHERE ($project IS NULL OR runs.project_id = $project) AND ($status IS NULL OR ${status} = $status)
       ORDER BY runs.id DESC LIMIT $limit`,
    );
    this.#byIds = connection.prepare(
      `${select} WHERE runs.id IN (SELECT value FROM json_each(?)) ORDER BY runs.id DESC`,
    );
    const names = (table: string): Statement<[], [string, string]> =>
      // Of several names for the same content the oldest counts, which comes last here.
      connection.prepare<[], [string, string]>(`SELECT hash, name FROM ${table} ORDER BY id DESC`).raw();
    this.#models = names('models');
    this.#datasets = names('datasets');
    this.#asked = connection
      .prepare<[number], string | null>(`SELECT request_json ->> '$.asked.data' FROM jobs WHERE id = ?`)
      .pluck();
  }

  /** By ascending number. */
  list({ projectId, status, limit }: RunListOptions = {}): RunSummary[] {
    return this.#summaries(
      this.#some.all({ project: projectId ?? null, status: status ?? null, limit: limit ?? -1 }),
    );
  }

  /** Certain runs, by ascending number. */
  of(ids: readonly number[]): RunSummary[] {
    return this.#summaries(this.#byIds.all(JSON.stringify(ids)));
  }

  #summaries(newestFirst: readonly Row[]): RunSummary[] {
    const models = new Map(this.#models.all());
    const datasets = new Map(this.#datasets.all());
    return newestFirst
      .map((row): RunSummary => {
        const {
          job,
          comparison,
          role,
          beta,
          lossParameters,
          totalSteps,
          baseHash,
          dataHash,
          divergedAt,
          error,
          createdAt,
          endedAt,
          ...rest
        } = row;
        let data = datasets.get(dataHash);
        if (data === undefined) {
          // The file it was read from, as the newest of these runs named it.
          const path = job === null ? null : this.#asked.get(job);
          data = path?.split(/[/\\]/).at(-1) ?? dataHash.slice(0, 12);
          datasets.set(dataHash, data);
        }
        return {
          ...rest,
          ...(job === null ? {} : { job }),
          ...(comparison === null ? {} : { comparison }),
          ...(role === 'stage' ? { role } : {}),
          loss: armName({
            loss: row.loss,
            ...(lossParameters === null
              ? {}
              : { lossParameters: JSON.parse(lossParameters) as Record<string, number> }),
          }),
          ...(beta === null ? {} : { beta }),
          ...(totalSteps === null ? {} : { totalSteps }),
          model: models.get(baseHash) ?? baseHash.slice(0, 12),
          data,
          ...(divergedAt === null ? {} : { divergedAt }),
          ...(error === null ? {} : { error }),
          createdAt: new Date(createdAt).toISOString(),
          ...(endedAt === null ? {} : { endedAt: new Date(endedAt).toISOString() }),
        };
      })
      .reverse();
  }
}
