import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';

/** A checkpoint as it lies in its file, which is complete and synced before it is recorded here. */
export interface NewCheckpoint {
  readonly runId: number;
  /** Optimizer steps done. */
  readonly step: number;
  /** Of the file, which is named by it. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

export interface Checkpoint extends NewCheckpoint {
  readonly id: number;
  /** The checkpoint that the run went on from; null for one that began at its start. */
  readonly parentId: number | null;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

const columns = 'id, run_id AS runId, parent_id AS parentId, step, sha256, size, created_at AS createdAt';

/** Checkpoints of runs: this is the record, their tensors lie beside it in files named by content. */
export class Checkpoints {
  readonly #connection: Connection;
  readonly #insert: Statement<[number, number, number, string, number, number], Checkpoint>;
  readonly #ofRun: Statement<[number], Checkpoint>;
  readonly #all: Statement<[], Checkpoint>;
  readonly #byId: Statement<[number], Checkpoint>;
  readonly #users: Statement<[string], number>;
  readonly #delete: Statement<[number]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insert = connection.prepare(
      `INSERT INTO checkpoints (run_id, parent_id, step, sha256, size, created_at)
       VALUES (?, (SELECT id FROM checkpoints WHERE run_id = ? ORDER BY step DESC LIMIT 1), ?, ?, ?, ?)
       ON CONFLICT (run_id, step) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size,
         created_at = excluded.created_at
       RETURNING ${columns}`,
    );
    this.#ofRun = connection.prepare(`SELECT ${columns} FROM checkpoints WHERE run_id = ? ORDER BY step`);
    this.#all = connection.prepare(`SELECT ${columns} FROM checkpoints ORDER BY id`);
    this.#byId = connection.prepare(`SELECT ${columns} FROM checkpoints WHERE id = ?`);
    this.#users = connection
      .prepare<[string], number>('SELECT count(*) FROM checkpoints WHERE sha256 = ?')
      .pluck();
    this.#delete = connection.prepare('DELETE FROM checkpoints WHERE id = ?');
  }

  /** Records a checkpoint; the same step written again, as after a resume, replaces the record. */
  add({ runId, step, sha256, size }: NewCheckpoint): Checkpoint {
    return this.#connection.write(() => this.#insert.get(runId, runId, step, sha256, size, Date.now())!);
  }

  get(id: number): Checkpoint | undefined {
    return this.#byId.get(id);
  }

  /** A run's checkpoints by ascending step. */
  listOfRun(runId: number): Checkpoint[] {
    return this.#ofRun.all(runId);
  }

  /** Every checkpoint. */
  list(): Checkpoint[] {
    return this.#all.all();
  }

  /** Whether any record still names a file of this content. */
  isUsed(sha256: string): boolean {
    return this.#users.get(sha256)! > 0;
  }

  /** Forgets a checkpoint; its file may go where no other record names it. */
  remove(id: number): void {
    this.#connection.write(() => this.#delete.run(id));
  }
}
