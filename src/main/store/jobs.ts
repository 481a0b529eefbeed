import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';
import { decodeJson, encodeJson } from './json.ts';
import type { ProcessIdentity } from './process-identity.ts';
import { activeStatuses, checkTransition, isActive, type Status } from './status.ts';

/** Work for one training process, as it is asked for. */
export interface NewJob {
  readonly kind: 'train' | 'compare';
  /** What was asked for; any JSON. Paths in it are absolute. */
  readonly request: unknown;
  readonly projectId?: number;
  readonly comparisonId?: number;
}

/** What a person or another process wants of a job at work. */
export type Wanted = 'pause' | 'stop';

export interface Job {
  readonly id: number;
  readonly projectId: number;
  readonly kind: 'train' | 'compare';
  readonly request: unknown;
  /** Hashes of what the job reads, found when it first started; null until then. */
  readonly sources: unknown;
  readonly comparisonId: number | null;
  readonly status: Status;
  /** Its place in the queue: lower goes first. */
  readonly position: number;
  /** The process that supervises it; null while none does. */
  readonly owner: ProcessIdentity | null;
  readonly workerPid: number | null;
  readonly heartbeatAt: number | null;
  readonly wanted: Wanted | null;
  /** The last progress told, for onlookers. */
  readonly progress: unknown;
  /** What was estimated before the start, and what became of it. */
  readonly plan: unknown;
  readonly result: unknown;
  readonly error: string | null;
  /** Milliseconds since 1970, as the others. */
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
}

interface Stored {
  readonly request: string;
  readonly sources: string | null;
  readonly owner: string | null;
  readonly progress: string | null;
  readonly plan: string | null;
  readonly result: string | null;
}
type StoredJob = Omit<Job, keyof Stored> & Stored;

const columns = `id, project_id AS projectId, kind, request_json AS request, sources_json AS sources,
  comparison_id AS comparisonId, status, position, owner_json AS owner, worker_pid AS workerPid,
  heartbeat_at AS heartbeatAt, wanted, progress_json AS progress, plan_json AS plan, result_json AS result, error,
  created_at AS createdAt, started_at AS startedAt, ended_at AS endedAt`;
const active = activeStatuses.map((status) => `'${status}'`).join(', ');

/** Why a job was not taken up: others are at work, or it is not waiting. */
export type Claim =
  { readonly job: Job } | { readonly busy: readonly Job[] } | { readonly refused: Status | 'gone' };

/** Jobs and their queue. One process supervises a job; who that is is decided here, under the write lock. */
export class Jobs {
  readonly #connection: Connection;
  readonly #insert: Statement<[number, string, string, number | null, number], StoredJob>;
  readonly #byId: Statement<[number], StoredJob>;
  readonly #all: Statement<[], StoredJob>;
  readonly #queue: Statement<[], StoredJob>;
  readonly #active: Statement<[], StoredJob>;
  readonly #take: Statement<[string, number, number, number]>;
  readonly #setStatus: Statement<[Status, number]>;
  readonly #end: Statement<[Status, string | null, string | null, number | null, number]>;
  readonly #beat: Statement<[number, string | null, number]>;
  readonly #wanted: Statement<[number], Wanted | null>;
  readonly #setWanted: Statement<[Wanted | null, number]>;
  readonly #setField: Readonly<Record<'sources' | 'plan', Statement<[string, number]>>>;
  readonly #setWorker: Statement<[number, number]>;
  readonly #setPosition: Statement<[number, number]>;
  readonly #delete: Statement<[number]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insert = connection.prepare(
      `INSERT INTO jobs (project_id, kind, request_json, comparison_id, status, position, created_at)
       VALUES (?, ?, ?, ?, 'queued', (SELECT coalesce(max(position), 0) + 1 FROM jobs), ?) RETURNING ${columns}`,
    );
    this.#byId = connection.prepare(`SELECT ${columns} FROM jobs WHERE id = ?`);
    this.#all = connection.prepare(`SELECT ${columns} FROM jobs ORDER BY id`);
    this.#queue = connection.prepare(
      `SELECT ${columns} FROM jobs WHERE status = 'queued' ORDER BY position, id`,
    );
    this.#active = connection.prepare(`SELECT ${columns} FROM jobs WHERE status IN (${active}) ORDER BY id`);
    this.#take = connection.prepare(
      `UPDATE jobs SET status = 'running', owner_json = ?, heartbeat_at = ?, started_at = coalesce(started_at, ?),
         ended_at = NULL, error = NULL, wanted = NULL, worker_pid = NULL WHERE id = ?`,
    );
    this.#setStatus = connection.prepare('UPDATE jobs SET status = ? WHERE id = ?');
    this.#end = connection.prepare(
      `UPDATE jobs SET status = ?, error = ?, result_json = coalesce(?, result_json), ended_at = ?, owner_json = NULL,
         worker_pid = NULL, heartbeat_at = NULL, wanted = NULL, progress_json = NULL WHERE id = ?`,
    );
    this.#beat = connection.prepare(
      'UPDATE jobs SET heartbeat_at = ?, progress_json = coalesce(?, progress_json) WHERE id = ?',
    );
    this.#wanted = connection
      .prepare<[number], Wanted | null>('SELECT wanted FROM jobs WHERE id = ?')
      .pluck();
    this.#setWanted = connection.prepare('UPDATE jobs SET wanted = ? WHERE id = ?');
    this.#setField = {
      sources: connection.prepare('UPDATE jobs SET sources_json = ? WHERE id = ?'),
      plan: connection.prepare('UPDATE jobs SET plan_json = ? WHERE id = ?'),
    };
    this.#setWorker = connection.prepare('UPDATE jobs SET worker_pid = ? WHERE id = ?');
    this.#setPosition = connection.prepare('UPDATE jobs SET position = ? WHERE id = ?');
    this.#delete = connection.prepare('DELETE FROM jobs WHERE id = ?');
  }

  /** Puts a job at the queue's end. */
  add({ kind, request, projectId = 1, comparisonId }: NewJob): Job {
    const json = encodeJson(request);
    return this.#connection.write(() =>
      fromStored(this.#insert.get(projectId, kind, json, comparisonId ?? null, Date.now())!),
    );
  }

  get(id: number): Job | undefined {
    const stored = this.#byId.get(id);
    return stored && fromStored(stored);
  }

  /** Every job, oldest first. */
  list(): Job[] {
    return this.#all.all().map(fromStored);
  }

  /** Jobs that wait, the next one first. */
  queue(): Job[] {
    return this.#queue.all().map(fromStored);
  }

  /** Jobs that a process is at work on, or was when it was killed. */
  active(): Job[] {
    return this.#active.all().map(fromStored);
  }

  /**
   * Makes `owner` the supervisor of a waiting job, unless `limit` jobs are at work already. Of two processes that ask at
   * once, one gets it.
   */
  claim(id: number, owner: ProcessIdentity, limit: number): Claim {
    return this.#connection.write(() => {
      const stored = this.#byId.get(id);
      if (!stored) return { refused: 'gone' };
      if (stored.status !== 'queued') return { refused: stored.status };
      const busy = this.active();
      if (busy.length >= limit) return { busy };
      const now = Date.now();
      this.#take.run(JSON.stringify(owner), now, now, id);
      return { job: this.get(id)! };
    });
  }

  setWorker(id: number, pid: number): void {
    this.#connection.write(() => this.#setWorker.run(pid, id));
  }

  /** Says that the supervisor lives, and what was last heard of its worker. */
  beat(id: number, progress?: unknown): void {
    const json = progress === undefined ? null : encodeJson(progress);
    this.#connection.write(() => this.#beat.run(Date.now(), json, id));
  }

  /** What a person or another process wants of a job. */
  wanted(id: number): Wanted | null {
    return this.#wanted.get(id) ?? null;
  }

  /** Asks whoever supervises the job to pause or stop it. False where nobody does. */
  want(id: number, wanted: Wanted): boolean {
    return this.#connection.write(() => {
      const stored = this.#byId.get(id);
      if (!stored || !isActive(stored.status)) return false;
      this.#setWanted.run(wanted, id);
      this.change(id, wanted === 'pause' ? 'pausing' : 'stopping');
      return true;
    });
  }

  setSources(id: number, sources: unknown): void {
    const json = encodeJson(sources);
    this.#connection.write(() => this.#setField.sources.run(json, id));
  }

  setPlan(id: number, plan: unknown): void {
    const json = encodeJson(plan);
    this.#connection.write(() => this.#setField.plan.run(json, id));
  }

  /** A change on the way: from waiting to paused, from running to pausing. The same status again changes nothing. */
  change(id: number, status: Status): Job {
    return this.#connection.write(() => {
      const from = this.#require(id).status;
      if (from !== status) {
        checkTransition(`job ${id}`, from, status);
        this.#setStatus.run(status, id);
      }
      return this.get(id)!;
    });
  }

  /** The supervisor lets go of a job. */
  end(
    id: number,
    status: 'finished' | 'failed' | 'interrupted' | 'paused',
    { error, result }: { readonly error?: string; readonly result?: unknown } = {},
  ): Job {
    const json = result === undefined ? null : encodeJson(result);
    return this.#connection.write(() => {
      checkTransition(`job ${id}`, this.#require(id).status, status);
      this.#end.run(status, error ?? null, json, Date.now(), id);
      return this.get(id)!;
    });
  }

  /** Makes a waiting job the next (`first`), the last, or the one before another. */
  move(id: number, to: 'first' | 'last' | { readonly before: number }): void {
    this.#connection.write(() => {
      const waiting = this.queue()
        .map((job) => job.id)
        .filter((each) => each !== id);
      const place =
        to === 'first' ? 0 : to === 'last' ? waiting.length : Math.max(0, waiting.indexOf(to.before));
      waiting.splice(place, 0, id);
      waiting.forEach((each, position) => this.#setPosition.run(position, each));
    });
  }

  /** Removes a job that no process is at work on; its runs must be gone before. */
  remove(id: number): boolean {
    return this.#connection.write(() => {
      const stored = this.#byId.get(id);
      if (stored && isActive(stored.status)) throw new Error(`job ${id} is ${stored.status}`);
      return this.#delete.run(id).changes > 0;
    });
  }

  #require(id: number): StoredJob {
    const stored = this.#byId.get(id);
    if (!stored) throw new Error(`there is no job ${id}`);
    return stored;
  }
}

function fromStored(stored: StoredJob): Job {
  const decoded = (text: string | null): unknown => (text === null ? null : decodeJson(text));
  return {
    ...stored,
    request: decodeJson(stored.request),
    sources: decoded(stored.sources),
    owner: stored.owner === null ? null : (JSON.parse(stored.owner) as ProcessIdentity),
    progress: decoded(stored.progress),
    plan: decoded(stored.plan),
    result: decoded(stored.result),
  };
}
