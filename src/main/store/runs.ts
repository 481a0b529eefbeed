import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';
import { decodeJson, encodeJson } from './json.ts';
import { activeStatuses, checkTransition, type Status } from './status.ts';

/** What a run is in its job: a `stage` only makes what others start from, and is compared with nothing. */
export type RunRole = 'run' | 'stage';

/** A training run as it is asked for. */
export interface NewRun {
  /** The comparison whose arm it is; absent for a run of its own. */
  readonly comparisonId?: number | null;
  /** The job that carries it out. */
  readonly jobId?: number | null;
  readonly projectId?: number;
  /** The checkpoint of another run that it goes on from. */
  readonly parentCheckpointId?: number | null;
  /** Default: `run`. */
  readonly role?: RunRole;
  readonly loss: string;
  /** Seed of the adapter's initial values. */
  readonly seed: number;
  /** Seed of the batch order; equal in all arms of a comparison. */
  readonly orderSeed: number;
  readonly learningRate: number;
  /** Null for a loss without β. */
  readonly beta: number | null;
  /** Everything else it was started with; any JSON. */
  readonly config: unknown;
  readonly baseHash: string;
  readonly dataHash: string;
}

export interface Run extends NewRun {
  readonly id: number;
  readonly comparisonId: number | null;
  readonly jobId: number | null;
  readonly projectId: number;
  readonly parentCheckpointId: number | null;
  readonly role: RunRole;
  /** Optimizer steps planned; null until it starts. */
  readonly totalSteps: number | null;
  /** The last step whose metrics are kept. */
  readonly lastStep: number;
  /** The step that was not finite. */
  readonly divergedAt: number | null;
  /** Time at work, over all its stretches. */
  readonly seconds: number;
  /** Hash of the trainable parameters before the first step; null until it starts. */
  readonly adapterStartHash: string | null;
  /** Hash of the batches' order; null until it starts. */
  readonly orderHash: string | null;
  readonly status: Status;
  /** Milliseconds since 1970, as `startedAt` and `endedAt`. */
  readonly createdAt: number;
  /** When it started first. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Why it failed. */
  readonly error: string | null;
}

/** What is known only when a run starts. */
export interface RunStart {
  readonly adapterStartHash: string;
  readonly orderHash: string;
  readonly totalSteps: number;
}

type Stored = Omit<Run, 'config'> & { readonly config: string };
type NewStored = [
  number | null,
  number | null,
  number,
  number | null,
  RunRole,
  string,
  number,
  number,
  number,
  number | null,
  string,
  string,
  string,
  number,
];

const columns = `id, comparison_id AS comparisonId, job_id AS jobId, project_id AS projectId,
  parent_checkpoint_id AS parentCheckpointId, role, total_steps AS totalSteps, last_step AS lastStep,
  diverged_at AS divergedAt, seconds, loss, seed, order_seed AS orderSeed,
  learning_rate AS learningRate, beta, config_json AS config, base_hash AS baseHash, data_hash AS dataHash,
  adapter_start_hash AS adapterStartHash, order_hash AS orderHash, status, created_at AS createdAt,
  started_at AS startedAt, ended_at AS endedAt, error`;

const active = activeStatuses.map((status) => `'${status}'`).join(', ');

/** Training runs. */
export class Runs {
  readonly #connection: Connection;
  readonly #insert: Statement<NewStored, Stored>;
  readonly #all: Statement<[], Stored>;
  readonly #byId: Statement<[number], Stored>;
  readonly #byComparison: Statement<[number], Stored>;
  readonly #onBase: Statement<[string], { id: number; waits: 0 | 1 }>;
  readonly #byStatus: Statement<[Status], Stored>;
  readonly #setStart: Statement<[string, string, number, number, number]>;
  readonly #byJob: Statement<[number], Stored>;
  readonly #setProgress: Statement<[number, number, number]>;
  readonly #setEnd: Statement<[number | null, number, number]>;
  readonly #delete: Statement<[number]>;
  readonly #setStatus: Statement<[Status, string | null, number | null, number], Stored>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insert = connection.prepare(
      `INSERT INTO runs (comparison_id, job_id, project_id, parent_checkpoint_id, role, loss, seed, order_seed, learning_rate, beta, config_json,
         base_hash, data_hash, status, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?) RETURNING ${columns}`,
    );
    this.#all = connection.prepare(`SELECT ${columns} FROM runs ORDER BY id`);
    this.#byId = connection.prepare(`SELECT ${columns} FROM runs WHERE id = ?`);
    this.#byComparison = connection.prepare(
      `SELECT ${columns} FROM runs WHERE comparison_id = ? ORDER BY id`,
    );
    this.#onBase = connection.prepare(
      `SELECT runs.id, jobs.status IS NOT NULL AND jobs.status IN ('queued', ${active}) AS waits
       FROM runs LEFT JOIN jobs ON jobs.id = runs.job_id WHERE base_hash = ? ORDER BY runs.id`,
    );
    this.#byStatus = connection.prepare(`SELECT ${columns} FROM runs WHERE status = ? ORDER BY id`);
    this.#setStart = connection.prepare(
      `UPDATE runs SET adapter_start_hash = ?, order_hash = ?, total_steps = ?, started_at = coalesce(started_at, ?)
       WHERE id = ?`,
    );
    this.#byJob = connection.prepare(`SELECT ${columns} FROM runs WHERE job_id = ? ORDER BY id`);
    this.#setProgress = connection.prepare(
      'UPDATE runs SET last_step = ?, seconds = seconds + ? WHERE id = ?',
    );
    this.#setEnd = connection.prepare('UPDATE runs SET diverged_at = ?, seconds = seconds + ? WHERE id = ?');
    this.#delete = connection.prepare('DELETE FROM runs WHERE id = ?');
    this.#setStatus = connection.prepare(
      `UPDATE runs SET status = ?, error = ?, ended_at = ? WHERE id = ? RETURNING ${columns}`,
    );
  }

  /** Records a queued run. */
  add(run: NewRun): Run {
    const {
      comparisonId = null,
      jobId = null,
      projectId = 1,
      parentCheckpointId = null,
      role = 'run',
      loss,
      seed,
      orderSeed,
      learningRate,
      beta,
      config,
      baseHash,
      dataHash,
    } = run;
    const json = encodeJson(config);
    return this.#connection.write(() => {
      const values: NewStored = [
        comparisonId,
        jobId,
        projectId,
        parentCheckpointId,
        role,
        loss,
        seed,
        orderSeed,
        learningRate,
        beta,
        json,
        baseHash,
        dataHash,
        Date.now(),
      ];
      return fromStored(this.#insert.get(...values)!);
    });
  }

  /** Every run, oldest first; of one comparison or job, or with one status, where that is asked. */
  list(
    only?:
      | { readonly comparisonId: number }
      | { readonly jobId: number }
      | { readonly status: Status }
      | undefined,
  ): Run[] {
    if (only === undefined) return this.#all.all().map(fromStored);
    if ('jobId' in only) return this.#byJob.all(only.jobId).map(fromStored);
    const stored =
      'status' in only ? this.#byStatus.all(only.status) : this.#byComparison.all(only.comparisonId);
    return stored.map(fromStored);
  }

  /** Keeps how far a run has come. @param seconds time at work since it was told last */
  advance(id: number, step: number, seconds: number): void {
    this.#connection.write(() => this.#setProgress.run(step, seconds, id));
  }

  /** @param divergedAt the step that was not finite */
  diverge(id: number, divergedAt: number, error: string): Run {
    return this.#connection.write(() => {
      this.#setEnd.run(divergedAt, 0, id);
      return this.#change(id, 'failed', error, Date.now());
    });
  }

  /** Puts a run that did not reach its end back into the queue, or marks it paused. */
  wait(id: number, status: 'queued' | 'paused'): Run {
    return this.#change(id, status, null, null);
  }

  /** Removes a run with its metrics, evaluations and records of checkpoints. Its files stay. */
  remove(id: number): boolean {
    return this.#connection.write(() => this.#delete.run(id).changes > 0);
  }

  /** Runs on a base, and whether their jobs wait or are at work. */
  onBase(baseHash: string): { readonly id: number; readonly busy: boolean }[] {
    return this.#onBase.all(baseHash).map(({ id, waits }) => ({ id, busy: waits === 1 }));
  }

  get(id: number): Run | undefined {
    const stored = this.#byId.get(id);
    return stored && fromStored(stored);
  }

  /**
   * Marks a run as running, for the first time or again.
   * @throws Error where it starts again from another adapter or order: that would be another run
   */
  start(id: number, { adapterStartHash, orderHash, totalSteps }: RunStart): Run {
    return this.#connection.write(() => {
      const run = this.get(id);
      if (run && (run.adapterStartHash ?? adapterStartHash) !== adapterStartHash) {
        throw new Error(`run ${id} started from another adapter before`);
      }
      if (run && (run.orderHash ?? orderHash) !== orderHash) {
        throw new Error(`run ${id} started with another order of batches before`);
      }
      this.#setStart.run(adapterStartHash, orderHash, totalSteps, Date.now(), id);
      return this.#change(id, 'running', null, null);
    });
  }

  finish(id: number): Run {
    return this.#change(id, 'finished', null, Date.now());
  }

  fail(id: number, error: string): Run {
    return this.#change(id, 'failed', error, Date.now());
  }

  interrupt(id: number, error: string | null = null): Run {
    return this.#change(id, 'interrupted', error, Date.now());
  }

  #change(id: number, status: Status, error: string | null, endedAt: number | null): Run {
    return this.#connection.write(() => {
      const stored = this.#byId.get(id);
      if (!stored) throw new Error(`there is no run ${id}`);
      checkTransition(`run ${id}`, stored.status, status);
      return fromStored(this.#setStatus.get(status, error, endedAt, id)!);
    });
  }
}

function fromStored(stored: Stored): Run {
  return { ...stored, config: decodeJson(stored.config) };
}
