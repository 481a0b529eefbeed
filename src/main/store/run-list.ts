import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';
import type { Status } from './status.ts';

/** A run as lists show it: nothing of it needs its config. */
export interface RunSummary {
  readonly id: number;
  readonly projectId: number;
  readonly jobId: number | null;
  /** Null for a run of an earlier version. */
  readonly jobStatus: Status | null;
  readonly comparisonId: number | null;
  readonly loss: string;
  readonly learningRate: number;
  readonly beta: number | null;
  readonly seed: number;
  readonly status: Status;
  /** The last step whose metrics are kept. */
  readonly step: number;
  readonly totalSteps: number | null;
  /** Time at work. */
  readonly seconds: number;
  /** The step that was not finite. */
  readonly divergedAt: number | null;
  readonly error: string | null;
  /** Milliseconds since 1970, as `endedAt`. */
  readonly createdAt: number;
  readonly endedAt: number | null;
  readonly baseHash: string;
  readonly dataHash: string;
  /** Names of the oldest model and dataset of this content; null where none is recorded. */
  readonly model: string | null;
  readonly dataset: string | null;
}

/** Which runs a list shows; each condition narrows it. */
export interface RunListRequest {
  readonly projectId?: number | undefined;
  readonly status?: Status | undefined;
  /** At most so many, the newest ones. */
  readonly limit?: number | undefined;
  /** Only runs older than the one of this id: the page after it. */
  readonly before?: number | undefined;
}

const columns = `runs.id, runs.project_id AS projectId, job_id AS jobId, jobs.status AS jobStatus,
  runs.comparison_id AS comparisonId, loss, learning_rate AS learningRate, beta, seed, runs.status,
  last_step AS step, total_steps AS totalSteps, seconds, diverged_at AS divergedAt, runs.error,
  runs.created_at AS createdAt, runs.ended_at AS endedAt, base_hash AS baseHash, data_hash AS dataHash`;

/** Runs for lists, the newest first: ten thousand take tens of milliseconds. */
export class RunSummaries {
  readonly #connection: Connection;
  readonly #statements = new Map<string, Statement<(string | number)[], Listed>>();
  readonly #models: Statement<[], [hash: string, name: string]>;
  readonly #datasets: Statement<[], [hash: string, name: string]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    // The oldest comes last, so that it is the one a map keeps.
    this.#models = connection
      .prepare<[], [string, string]>('SELECT hash, name FROM models ORDER BY id DESC')
      .raw();
    this.#datasets = connection
      .prepare<[], [string, string]>('SELECT hash, name FROM datasets ORDER BY id DESC')
      .raw();
  }

  list({ projectId, status, limit, before }: RunListRequest = {}): RunSummary[] {
    const conditions: string[] = [];
    const values: (string | number)[] = [];
    const narrow = (condition: string, value: string | number | undefined): void => {
      if (value === undefined) return;
      conditions.push(condition);
      values.push(value);
    };
    narrow('runs.project_id = ?', projectId);
    narrow('runs.status = ?', status);
    narrow('runs.id < ?', before);
    const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
    const sql = `SELECT ${columns} FROM runs LEFT JOIN jobs ON jobs.id = job_id${where} ORDER BY runs.id DESC LIMIT ?`;
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare<(string | number)[], Listed>(sql);
      this.#statements.set(sql, statement);
    }
    const prepared = statement;
    return this.#connection.read(() => {
      const models = new Map(this.#models.all());
      const datasets = new Map(this.#datasets.all());
      // SQLite takes a negative limit for none.
      return prepared.all(...values, limit ?? -1).map((run) => {
        const listed = run as RunSummary & { model: string | null; dataset: string | null };
        listed.model = models.get(run.baseHash) ?? null;
        listed.dataset = datasets.get(run.dataHash) ?? null;
        return listed;
      });
    });
  }
}

type Listed = Omit<RunSummary, 'model' | 'dataset'>;
