import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';
import { decodeJson, encodeJson } from './json.ts';
import { checkTransition, type Status } from './status.ts';

/** A training run as it is asked for. */
export interface NewRun {
  /** The comparison whose arm it is; absent for a run of its own. */
  readonly comparisonId?: number | null;
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
}

type Stored = Omit<Run, 'config'> & { readonly config: string };
type NewStored = [
  number | null,
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

const columns = `id, comparison_id AS comparisonId, loss, seed, order_seed AS orderSeed,
  learning_rate AS learningRate, beta, config_json AS config, base_hash AS baseHash, data_hash AS dataHash,
  adapter_start_hash AS adapterStartHash, order_hash AS orderHash, status, created_at AS createdAt,
  started_at AS startedAt, ended_at AS endedAt, error`;

/** Training runs. */
export class Runs {
  readonly #connection: Connection;
  readonly #insert: Statement<NewStored, Stored>;
  readonly #all: Statement<[], Stored>;
  readonly #byId: Statement<[number], Stored>;
  readonly #byComparison: Statement<[number], Stored>;
  readonly #byStatus: Statement<[Status], Stored>;
  readonly #setStart: Statement<[string, string, number, number]>;
  readonly #setStatus: Statement<[Status, string | null, number | null, number], Stored>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insert = connection.prepare(
      `INSERT INTO runs (comparison_id, loss, seed, order_seed, learning_rate, beta, config_json, base_hash,
         data_hash, status, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?) RETURNING ${columns}`,
    );
    this.#all = connection.prepare(`SELECT ${columns} FROM runs ORDER BY id`);
    this.#byId = connection.prepare(`SELECT ${columns} FROM runs WHERE id = ?`);
    this.#byComparison = connection.prepare(
      `SELECT ${columns} FROM runs WHERE comparison_id = ? ORDER BY id`,
    );
    this.#byStatus = connection.prepare(`SELECT ${columns} FROM runs WHERE status = ? ORDER BY id`);
    this.#setStart = connection.prepare(
      `UPDATE runs SET adapter_start_hash = ?, order_hash = ?, started_at = coalesce(started_at, ?) WHERE id = ?`,
    );
    this.#setStatus = connection.prepare(
      `UPDATE runs SET status = ?, error = ?, ended_at = ? WHERE id = ? RETURNING ${columns}`,
    );
  }

  /** Records a queued run. */
  add(run: NewRun): Run {
    const {
      comparisonId = null,
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

  /** Every run, oldest first; of one comparison or with one status where that is asked. */
  list(only: { readonly comparisonId: number } | { readonly status: Status } | undefined = undefined): Run[] {
    if (only === undefined) return this.#all.all().map(fromStored);
    const stored =
      'status' in only ? this.#byStatus.all(only.status) : this.#byComparison.all(only.comparisonId);
    return stored.map(fromStored);
  }

  get(id: number): Run | undefined {
    const stored = this.#byId.get(id);
    return stored && fromStored(stored);
  }

  /**
   * Marks a run as running, for the first time or again.
   * @throws Error where it starts again from another adapter or order: that would be another run
   */
  start(id: number, { adapterStartHash, orderHash }: RunStart): Run {
    return this.#connection.write(() => {
      const run = this.get(id);
      if (run && (run.adapterStartHash ?? adapterStartHash) !== adapterStartHash) {
        throw new Error(`run ${id} started from another adapter before`);
      }
      if (run && (run.orderHash ?? orderHash) !== orderHash) {
        throw new Error(`run ${id} started with another order of batches before`);
      }
      this.#setStart.run(adapterStartHash, orderHash, Date.now(), id);
      return this.#change(id, 'running', null, null);
    });
  }

  finish(id: number): Run {
    return this.#change(id, 'finished', null, Date.now());
  }

  fail(id: number, error: string): Run {
    return this.#change(id, 'failed', error, Date.now());
  }

  interrupt(id: number): Run {
    return this.#change(id, 'interrupted', null, Date.now());
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
