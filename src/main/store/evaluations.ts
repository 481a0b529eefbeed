import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';
import { decodeJson, encodeJson } from './json.ts';

/** The evaluation of a run's adapter, or of the base alone, on a dataset. */
export interface NewEvaluation {
  /** Null for the base. */
  readonly runId: number | null;
  readonly baseHash: string;
  readonly dataHash: string;
  /** Optimizer steps done; 0 for the base. */
  readonly step: number;
  /** Any JSON, numbers that are not finite included. */
  readonly result: unknown;
  /** Parts of it that were known from earlier evaluations; absent where none was. */
  readonly cached?: readonly string[] | undefined;
}

export interface Evaluation extends NewEvaluation {
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

type Stored = Omit<Evaluation, 'result' | 'cached'> & {
  readonly result: string;
  readonly cached: string | null;
};

const columns = `id, run_id AS runId, base_hash AS baseHash, data_hash AS dataHash, step, result_json AS result,
  cached_json AS cached, created_at AS createdAt`;

/** Evaluations. */
export class Evaluations {
  readonly #connection: Connection;
  readonly #insert: Statement<[number | null, string, string, number, string, string | null, number], Stored>;
  readonly #removeOfStep: Statement<[number, number]>;
  readonly #ofRun: Statement<[number], Stored>;
  readonly #lastOfRun: Statement<[number], Stored>;
  readonly #byId: Statement<[number], Stored>;
  readonly #ofBase: Statement<[string, string], Stored>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insert = connection.prepare(
      `INSERT INTO evaluations (run_id, base_hash, data_hash, step, result_json, cached_json, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING ${columns}`,
    );
    this.#removeOfStep = connection.prepare('DELETE FROM evaluations WHERE run_id = ? AND step = ?');
    this.#ofRun = connection.prepare(`SELECT ${columns} FROM evaluations WHERE run_id = ? ORDER BY step, id`);
    this.#lastOfRun = connection.prepare(
      `SELECT ${columns} FROM evaluations WHERE run_id = ? ORDER BY step DESC, id DESC LIMIT 1`,
    );
    this.#byId = connection.prepare(`SELECT ${columns} FROM evaluations WHERE id = ?`);
    this.#ofBase = connection.prepare(
      `SELECT ${columns} FROM evaluations WHERE run_id IS NULL AND base_hash = ? AND data_hash = ? ORDER BY id`,
    );
  }

  add({ runId, baseHash, dataHash, step, result, cached = [] }: NewEvaluation): Evaluation {
    const json = encodeJson(result);
    const parts = cached.length === 0 ? null : encodeJson(cached);
    return this.#connection.write(() =>
      fromStored(this.#insert.get(runId, baseHash, dataHash, step, json, parts, Date.now())!),
    );
  }

  /** Keeps a run's evaluation at a step; one made again, as after a resume, takes the place of the one before. */
  put(evaluation: NewEvaluation & { readonly runId: number }): Evaluation {
    return this.#connection.write(() => {
      this.#removeOfStep.run(evaluation.runId, evaluation.step);
      return this.add(evaluation);
    });
  }

  /** A run's evaluations by ascending step. */
  listOfRun(runId: number): Evaluation[] {
    return this.#ofRun.all(runId).map(fromStored);
  }

  /** A run's evaluation at its last step that has one. */
  lastOfRun(runId: number): Evaluation | undefined {
    const stored = this.#lastOfRun.get(runId);
    return stored && fromStored(stored);
  }

  get(id: number): Evaluation | undefined {
    const stored = this.#byId.get(id);
    return stored && fromStored(stored);
  }

  /** The base's own evaluations on a dataset, oldest first. */
  listOfBase(baseHash: string, dataHash: string): Evaluation[] {
    return this.#ofBase.all(baseHash, dataHash).map(fromStored);
  }
}

function fromStored({ cached, ...stored }: Stored): Evaluation {
  return {
    ...stored,
    result: decodeJson(stored.result),
    ...(cached === null ? {} : { cached: decodeJson(cached) as string[] }),
  };
}
