import type { Statement } from 'better-sqlite3';
import { InputError } from '../../shared/errors.ts';
import type { Connection } from './connection.ts';

/** What the reference model says of one pair. */
export interface ReferenceLogProbs {
  /** Summed log-prob of the chosen completion, natural logarithm. */
  readonly chosen: number;
  readonly rejected: number;
  /** Number of completion tokens that were summed. */
  readonly chosenTokens: number;
  readonly rejectedTokens: number;
}

type Stored = [chosen: number, rejected: number, chosenTokens: number, rejectedTokens: number];
const entriesPerCommit = 256;

/**
 * Reference log-probs, computed once and shared by every arm and run.
 *
 * A context hash covers all that changes a value's last bit: base, reference adapter, graph version, packing, dtype,
 * provider, threads and runtime version; c and r are exactly 0 at the first step only if all of that is equal.
 * A pair hash covers the pair's token ids.
 */
export class ReferenceLogProbsCache {
  readonly #connection: Connection;
  readonly #insertContext: Statement<[string]>;
  readonly #context: Statement<[string], number>;
  readonly #insert: Statement<[number, string, number, number, number, number]>;
  readonly #get: Statement<[number, string], Stored>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insertContext = connection.prepare(
      'INSERT INTO reference_contexts (hash) VALUES (?) ON CONFLICT (hash) DO NOTHING',
    );
    this.#context = connection
      .prepare<[string], number>('SELECT id FROM reference_contexts WHERE hash = ?')
      .pluck();
    // The first value stays: arms that have read it must not see another.
    this.#insert = connection.prepare(
      `INSERT INTO reference_log_probs (context_id, pair_hash, chosen, rejected, chosen_tokens, rejected_tokens)
       VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (context_id, pair_hash) DO NOTHING`,
    );
    this.#get = connection
      .prepare<[number, string], Stored>(
        `SELECT chosen, rejected, chosen_tokens, rejected_tokens FROM reference_log_probs
         WHERE context_id = ? AND pair_hash = ?`,
      )
      .raw();
  }

  /** The known ones among the pairs, bit for bit as they were put. */
  getMany(contextHash: string, pairHashes: Iterable<string>): Map<string, ReferenceLogProbs> {
    return this.#connection.read(() => {
      const found = new Map<string, ReferenceLogProbs>();
      const context = this.#context.get(contextHash);
      if (context === undefined) return found;
      for (const pairHash of pairHashes) {
        const stored = this.#get.get(context, pairHash);
        if (!stored) continue;
        const [chosen, rejected, chosenTokens, rejectedTokens] = stored;
        found.set(pairHash, { chosen, rejected, chosenTokens, rejectedTokens });
      }
      return found;
    });
  }

  /**
   * Keeps log-probs, committed 256 at a time while `entries` is read, so that a lazy reference pass resumes where it
   * was interrupted. All of them have reached the disk when this returns. A pair that is known keeps its value.
   * @throws InputError at the first value that is not finite; earlier batches stay
   */
  putMany(contextHash: string, entries: Iterable<readonly [pairHash: string, ReferenceLogProbs]>): void {
    let batch: (readonly [string, ReferenceLogProbs])[] = [];
    for (const entry of entries) {
      const [pairHash, { chosen, rejected }] = entry;
      if (!Number.isFinite(chosen) || !Number.isFinite(rejected)) {
        throw new InputError(
          `reference log-probs of pair ${pairHash} are not finite: ${chosen}, ${rejected}`,
        );
      }
      batch.push(entry);
      if (batch.length < entriesPerCommit) continue;
      this.#put(contextHash, batch);
      batch = [];
    }
    if (batch.length > 0) this.#put(contextHash, batch);
  }

  #put(contextHash: string, batch: readonly (readonly [string, ReferenceLogProbs])[]): void {
    this.#connection.write(() => {
      this.#insertContext.run(contextHash);
      const context = this.#context.get(contextHash)!;
      for (const [pairHash, { chosen, rejected, chosenTokens, rejectedTokens }] of batch) {
        this.#insert.run(context, pairHash, chosen, rejected, chosenTokens, rejectedTokens);
      }
    });
  }
}
