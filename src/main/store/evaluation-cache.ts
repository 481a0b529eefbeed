import { createHash } from 'node:crypto';
import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';
import { decodeJson, encodeJson } from './json.ts';

interface Stored {
  readonly sha256: string;
  readonly json: string;
}

/**
 * Parts of evaluations (log-probs of held-out pairs, answers to a task, samples), kept for whoever asks for the same again. Keys
 * are hashes over all that decides a part. When there is too much of them, those that were not used for longest go.
 */
export class EvaluationCache {
  readonly #connection: Connection;
  readonly #get: Statement<[string], Stored>;
  readonly #put: Statement<[string, string, string, string, number, number]>;
  readonly #touch: Statement<[number, string]>;
  readonly #size: Statement<[], { entries: number; bytes: number }>;
  readonly #oldest: Statement<[], { rowid: number; bytes: number }>;
  readonly #remove: Statement<[number]>;
  readonly #all: Statement<[], Stored & { key: string; part: string }>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#get = connection.prepare('SELECT sha256, result_json AS json FROM evaluation_cache WHERE key = ?');
    this.#put = connection.prepare(
      `INSERT INTO evaluation_cache (key, part, sha256, result_json, bytes, used_at) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET part = excluded.part, sha256 = excluded.sha256, result_json = excluded.result_json,
         bytes = excluded.bytes, used_at = excluded.used_at`,
    );
    this.#touch = connection.prepare('UPDATE evaluation_cache SET used_at = ? WHERE key = ?');
    this.#size = connection.prepare(
      'SELECT count(*) AS entries, coalesce(sum(bytes), 0) AS bytes FROM evaluation_cache',
    );
    this.#oldest = connection.prepare('SELECT rowid, bytes FROM evaluation_cache ORDER BY used_at, rowid');
    this.#remove = connection.prepare('DELETE FROM evaluation_cache WHERE rowid = ?');
    this.#all = connection.prepare(
      'SELECT key, part, sha256, result_json AS json FROM evaluation_cache ORDER BY rowid',
    );
  }

  /** What was put, bit for bit; undefined where nothing was, or it is no longer what was written. */
  get(key: string): unknown {
    const stored = this.#get.get(key);
    return stored && isWhole(key, stored) ? decodeJson(stored.json) : undefined;
  }

  /**
   * Keeps a part, in the place of one that is kept under the key, and makes room for it.
   * @param result any JSON, numbers that are not finite included
   * @param mostBytes that all parts may take; one that is larger by itself is not kept
   */
  put(key: string, part: string, result: unknown, mostBytes: number): void {
    const json = encodeJson(result);
    const bytes = Buffer.byteLength(json);
    if (bytes > mostBytes) return;
    this.#connection.write(() => {
      this.#put.run(key, part, digest(key, json), json, bytes, Date.now());
      this.prune(mostBytes);
    });
  }

  /** Says that a part was used: it goes later. */
  touch(key: string): void {
    this.#connection.write(() => this.#touch.run(Date.now(), key));
  }

  /** Removes those not used for longest until the rest takes no more than so many bytes. */
  prune(mostBytes: number): void {
    this.#connection.write(() => {
      let { bytes } = this.#size.get()!;
      if (bytes <= mostBytes) return;
      for (const oldest of this.#oldest.all()) {
        if (bytes <= mostBytes) break;
        this.#remove.run(oldest.rowid);
        bytes -= oldest.bytes;
      }
    });
  }

  /** How many parts there are, and what they take. */
  size(): { readonly entries: number; readonly bytes: number } {
    return this.#size.get()!;
  }

  /** Parts that are not what was written. */
  *damaged(): Generator<{ readonly key: string; readonly part: string }> {
    for (const { key, part, ...stored } of this.#all.iterate())
      if (!isWhole(key, stored)) yield { key, part };
  }
}

const digest = (key: string, json: string): string =>
  createHash('sha256').update(`${key}\n${json}`).digest('hex');

const isWhole = (key: string, { sha256, json }: Stored): boolean => digest(key, json) === sha256;
