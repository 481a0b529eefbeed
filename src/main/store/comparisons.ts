import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';
import { decodeJson, encodeJson } from './json.ts';
import { checkTransition, type Status } from './status.ts';

/** A comparison as it is asked for. */
export interface NewComparison {
  /** What kind of comparison this is, such as `grid`. */
  readonly kind: string;
  /** What it was started with; any JSON, numbers that are not finite included. */
  readonly config: unknown;
  readonly baseHash: string;
  readonly dataHash: string;
}

export interface Comparison extends NewComparison {
  readonly id: number;
  readonly status: Status;
  /** Null until there is one. */
  readonly verdict: unknown;
  readonly reportPath: string | null;
  /** Why it failed. */
  readonly error: string | null;
  /** Milliseconds since 1970, as `endedAt`. */
  readonly createdAt: number;
  readonly endedAt: number | null;
}

/** What a comparison ends with. */
export interface ComparisonResult {
  readonly verdict: unknown;
  readonly reportPath: string | null;
}

type Stored = Omit<Comparison, 'config' | 'verdict'> & { config: string; verdict: string | null };

const columns = `id, kind, config_json AS config, base_hash AS baseHash, data_hash AS dataHash, status,
  verdict_json AS verdict, report_path AS reportPath, error, created_at AS createdAt, ended_at AS endedAt`;

/** Comparisons: several runs from one start on the same batches. */
export class Comparisons {
  readonly #connection: Connection;
  readonly #insert: Statement<[string, string, string, string, number], Stored>;
  readonly #all: Statement<[], Stored>;
  readonly #byId: Statement<[number], Stored>;
  readonly #setStatus: Statement<[Status, string | null, number | null, number], Stored>;
  readonly #delete: Statement<[number]>;
  readonly #setResult: Statement<[string, string | null, number]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insert = connection.prepare(
      `INSERT INTO comparisons (kind, config_json, base_hash, data_hash, status, created_at)
       VALUES (?, ?, ?, ?, 'queued', ?) RETURNING ${columns}`,
    );
    this.#all = connection.prepare(`SELECT ${columns} FROM comparisons ORDER BY id`);
    this.#byId = connection.prepare(`SELECT ${columns} FROM comparisons WHERE id = ?`);
    this.#setStatus = connection.prepare(
      `UPDATE comparisons SET status = ?, error = ?, ended_at = ? WHERE id = ? RETURNING ${columns}`,
    );
    this.#delete = connection.prepare('DELETE FROM comparisons WHERE id = ?');
    this.#setResult = connection.prepare(
      'UPDATE comparisons SET verdict_json = ?, report_path = ? WHERE id = ?',
    );
  }

  /** Records a queued comparison. */
  add({ kind, config, baseHash, dataHash }: NewComparison): Comparison {
    const json = encodeJson(config);
    return this.#connection.write(() =>
      fromStored(this.#insert.get(kind, json, baseHash, dataHash, Date.now())!),
    );
  }

  /** Every comparison, oldest first. */
  list(): Comparison[] {
    return this.#all.all().map(fromStored);
  }

  get(id: number): Comparison | undefined {
    const stored = this.#byId.get(id);
    return stored && fromStored(stored);
  }

  start(id: number): Comparison {
    return this.#change(id, 'running', null, null);
  }

  finish(id: number, { verdict, reportPath }: ComparisonResult): Comparison {
    const json = encodeJson(verdict);
    return this.#connection.write(() => {
      this.#setResult.run(json, reportPath, id);
      return this.#change(id, 'finished', null, Date.now());
    });
  }

  fail(id: number, error: string): Comparison {
    return this.#change(id, 'failed', error, Date.now());
  }

  interrupt(id: number): Comparison {
    return this.#change(id, 'interrupted', null, Date.now());
  }

  /** Removes a comparison without runs. */
  remove(id: number): boolean {
    return this.#connection.write(() => this.#delete.run(id).changes > 0);
  }

  /** Takes an interrupted or failed comparison up again, or lets it wait. */
  wait(id: number, status: 'queued' | 'paused'): Comparison {
    return this.#change(id, status, null, null);
  }

  #change(id: number, status: Status, error: string | null, endedAt: number | null): Comparison {
    return this.#connection.write(() => {
      const stored = this.#byId.get(id);
      if (!stored) throw new Error(`there is no comparison ${id}`);
      checkTransition(`comparison ${id}`, stored.status, status);
      return fromStored(this.#setStatus.get(status, error, endedAt, id)!);
    });
  }
}

function fromStored(stored: Stored): Comparison {
  return {
    ...stored,
    config: decodeJson(stored.config),
    verdict: stored.verdict === null ? null : decodeJson(stored.verdict),
  };
}
