import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';

/** An adapter that a run wrote. The file must lie there, complete and synced, before it is recorded. */
export interface NewAdapter {
  readonly runId: number;
  /** Optimizer steps done. */
  readonly step: number;
  readonly path: string;
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

export interface Adapter extends NewAdapter {
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

const columns = 'id, run_id AS runId, step, path, sha256, size, created_at AS createdAt';

/** Adapters of runs: the record; their tensors lie in files. */
export class Adapters {
  readonly #connection: Connection;
  readonly #insert: Statement<[number, number, string, string, number, number], Adapter>;
  readonly #all: Statement<[], Adapter>;
  readonly #ofRun: Statement<[number], Adapter>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insert = connection.prepare(
      `INSERT INTO adapters (run_id, step, path, sha256, size, created_at) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (run_id, step) DO UPDATE SET path = excluded.path, sha256 = excluded.sha256,
         size = excluded.size, created_at = excluded.created_at
       RETURNING ${columns}`,
    );
    this.#all = connection.prepare(`SELECT ${columns} FROM adapters ORDER BY id`);
    this.#ofRun = connection.prepare(`SELECT ${columns} FROM adapters WHERE run_id = ? ORDER BY step`);
  }

  /** Records an adapter; the same step written again, as after a resume, replaces the record. */
  add({ runId, step, path, sha256, size }: NewAdapter): Adapter {
    return this.#connection.write(() => this.#insert.get(runId, step, path, sha256, size, Date.now())!);
  }

  /** Every adapter, in the order of their records. */
  list(): Adapter[] {
    return this.#all.all();
  }

  /** A run's adapters by ascending step. */
  listOfRun(runId: number): Adapter[] {
    return this.#ofRun.all(runId);
  }
}
