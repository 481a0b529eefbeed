import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';
import { decodeJson } from './json.ts';
import { activeStatuses, type Status } from './status.ts';

/** Tables of which a list is shown, each with what a list says of its rows. */
const listed = {
  data: `SELECT id, name, revision, excluded_count, hash IS NULL FROM datasets WHERE status = 'ready'`,
  models: 'SELECT id, name, hash, weights_folder FROM models',
  projects: 'SELECT id, name FROM projects',
  settings: 'SELECT name, value_json FROM settings',
  comparisons: 'SELECT id, status, verdict_json IS NULL FROM comparisons',
  judgings: `SELECT id, name, revealed_at IS NULL,
    (SELECT count(first_output) || '/' || coalesce(group_concat(vote), '') FROM judging_items
      WHERE judging_id = judgings.id) FROM judgings`,
  queue: `SELECT id, status, position FROM jobs
    WHERE status IN ('queued', ${activeStatuses.map((status) => `'${status}'`).join(', ')})`,
} as const;
export type ListedTable = keyof typeof listed;

/** A run's state, as far as onlookers are told of it at once. */
export interface RunState {
  readonly id: number;
  readonly job: number | null;
  readonly comparison: number | null;
  /** Of the run and of its job. */
  readonly status: string;
  readonly step: number;
}

/** Finds what has changed in the database, by whichever process. */
export class Changes {
  readonly #otherWrites: Statement<[], number>;
  readonly #ownWrites: Statement<[], number>;
  readonly #lists: Readonly<Record<ListedTable, Statement<[], unknown[]>>>;
  readonly #runs: Statement<[], [number, number | null, number | null, string, number]>;
  readonly #atWork: Statement<[], { id: number; progress: string | null }>;

  constructor(connection: Connection) {
    this.#otherWrites = connection.prepare<[], number>('PRAGMA data_version').pluck();
    this.#ownWrites = connection.prepare<[], number>('SELECT total_changes()').pluck();
    const lists = Object.entries(listed).map(([name, sql]) => [name, connection.prepare(sql).raw()]);
    this.#lists = Object.fromEntries(lists) as Record<ListedTable, Statement<[], unknown[]>>;
    this.#runs = connection
      .prepare<[], [number, number | null, number | null, string, number]>(
        `SELECT runs.id, runs.job_id, runs.comparison_id, runs.status || '/' || coalesce(jobs.status, ''), last_step
         FROM runs LEFT JOIN jobs ON jobs.id = runs.job_id ORDER BY runs.id`,
      )
      .raw();
    this.#atWork = connection.prepare(
      `SELECT id, progress_json AS progress FROM jobs
       WHERE status IN (${activeStatuses.map((status: Status) => `'${status}'`).join(', ')}) ORDER BY id`,
    );
  }

  /**
   * Another value than before where anything may have been written since, by this process or another: two reads that
   * touch no table.
   */
  counter(): string {
    return `${this.#otherWrites.get()}/${this.#ownWrites.get()}`;
  }

  /** What a list says, as one text: it differs where the list does. */
  fingerprint(table: ListedTable): string {
    return JSON.stringify(this.#lists[table].all());
  }

  /** Every run, by ascending number. */
  *runs(): IterableIterator<RunState> {
    for (const [id, job, comparison, status, step] of this.#runs.iterate())
      yield { id, job, comparison, status, step };
  }

  /** Jobs that a process is at work on, with what was last heard of it. */
  atWork(): { readonly job: number; readonly progress: unknown }[] {
    return this.#atWork
      .all()
      .map(({ id, progress }) => ({ job: id, progress: progress === null ? null : decodeJson(progress) }));
  }
}

/** Names of the lists that `fingerprint` tells apart. */
export const listedTables = Object.keys(listed) as readonly ListedTable[];
