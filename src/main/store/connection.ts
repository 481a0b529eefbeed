import { fstatSync, statfsSync, mkdirSync, openSync, closeSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import Sqlite from 'better-sqlite3';
import { InputError } from '../../shared/errors.ts';

/** "PLMB" in ASCII, in the header of every Plumbline database, so that another program's file is never touched. */
export const applicationId = 0x504c4d42;

/** What a database file says of itself before anything in it is changed. */
export interface DatabaseHeader {
  /** The schema's version, 0 for an empty file. */
  readonly version: number;
  readonly empty: boolean;
}

/**
 * One connection to the database: prepared statements, and write transactions that wait for other processes.
 * Repositories get it; nothing outside this room sees it.
 */
export class Connection {
  readonly file: string;
  readonly busyTimeout: number;
  readonly #database: Sqlite.Database;

  /**
   * Opens (or creates) the file in WAL mode with `synchronous=FULL`: a transaction that returned has reached the disk.
   * @param file path; its folder is created
   * @param busyTimeout milliseconds a write waits for another process
   * @param readOnly opens an existing database, whatever its version, and refuses every write
   * @throws InputError where the file cannot be written, is damaged or belongs to another program
   */
  constructor(file: string, busyTimeout: number, readOnly = false) {
    this.file = resolve(file);
    this.busyTimeout = busyTimeout;
    if (!readOnly) makeWritable(this.file);
    const database = this.#translate(
      () => new Sqlite(this.file, { timeout: busyTimeout, readonly: readOnly }),
    );
    this.#database = database;
    if (readOnly) return;
    try {
      this.#translate(() => {
        this.header();
        this.#useWriteAheadLog();
        // better-sqlite3's build defaults to NORMAL in WAL mode, which may lose the last commits at a power cut.
        database.pragma('synchronous = FULL');
        // macOS's fsync leaves data in the drive's cache; elsewhere these two change nothing.
        database.pragma('fullfsync = ON');
        database.pragma('checkpoint_fullfsync = ON');
        database.pragma('foreign_keys = ON');
        // One large import would otherwise leave a write-ahead log of its size for good.
        database.pragma('journal_size_limit = 67108864');
      });
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** The statement layer itself, for migrations only. */
  get database(): Sqlite.Database {
    return this.#database;
  }

  /**
   * Reads version and owner of the file.
   * @throws InputError where another program's tables lie in it
   */
  header(): DatabaseHeader {
    const read = this.#database.transaction(() => ({
      application: this.#database.pragma('application_id', { simple: true }) as number,
      version: this.#database.pragma('user_version', { simple: true }) as number,
      tables: this.#database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() as number,
    }));
    const { application, version, tables } = read();
    const empty = application === 0 && version === 0 && tables === 0;
    if (!empty && application !== applicationId) {
      throw new InputError('is a database of another program, not of Plumbline', { file: this.file });
    }
    return { version, empty };
  }

  /**
   * Prepares a statement: parameters in order, one object per row. Where the database is busy, damaged or out of room, it
   * throws an InputError as `write` does, also outside a transaction.
   */
  prepare<Parameters extends unknown[], Row = unknown>(sql: string): Sqlite.Statement<Parameters, Row> {
    const statement = this.#translate(() => this.#database.prepare<Parameters, Row>(sql));
    for (const name of ['run', 'get', 'all'] as const) {
      const plain = statement[name].bind(statement) as (...parameters: Parameters) => never;
      statement[name] = (...parameters: Parameters) => {
        try {
          return plain(...parameters);
        } catch (error) {
          throw this.#mendable(error) ?? error;
        }
      };
    }
    return statement;
  }

  /**
   * Runs `work` as one transaction, which has reached the disk when this returns, or has left no trace when it throws.
   * Takes the write lock at once: a transaction that reads first and writes later fails instead of waiting.
   * Inside another `write` it is a savepoint of that one.
   * @throws InputError where another process holds the lock too long, or the disk is full or not writable
   */
  write<Result>(work: () => Result): Result {
    return this.#translate(() => this.#database.transaction(work).immediate());
  }

  /** Runs `work` on one unchanging state of the database. */
  read<Result>(work: () => Result): Result {
    return this.#translate(() => this.#database.transaction(work).deferred());
  }

  /** Moves the write-ahead log into the database as far as other processes' readers let it, and closes. */
  close(): void {
    if (!this.#database.open) return;
    if (this.#database.readonly) {
      this.#database.close();
      return;
    }
    try {
      // PASSIVE never waits; the last process to close moves the rest by itself.
      this.#database.pragma('wal_checkpoint(PASSIVE)');
    } catch (error) {
      // What was committed is safe in the log, and the next to open the database moves it. On a full disk the reason why
      // the work ended must not be hidden by this one.
      if (sqliteCode(error) === undefined) throw error;
    } finally {
      this.#database.close();
    }
  }

  #useWriteAheadLog(): void {
    // Several processes that open a new file at once may refuse each other here without SQLite's own waiting.
    const deadline = performance.now() + this.busyTimeout;
    for (;;) {
      try {
        const mode = this.#database.pragma('journal_mode = WAL', { simple: true });
        if (mode === 'wal') return;
        throw new InputError('lies on a file system without the shared memory that SQLite needs', {
          file: this.file,
        });
      } catch (error) {
        if (!isBusy(error) || performance.now() > deadline) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      }
    }
  }

  #translate<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw this.#mendable(error) ?? error;
    }
  }

  #mendable(error: unknown): InputError | undefined {
    const code = sqliteCode(error);
    if (code === undefined) return undefined;
    const place = { file: this.file };
    if (isBusy(error)) {
      const seconds = this.busyTimeout / 1000;
      return new InputError(
        `another Plumbline process has been writing for over ${seconds} s; try again`,
        place,
      );
    }
    // Where there is no room for the shared index of the write-ahead log, SQLite tells of an input/output error.
    if (code === 'SQLITE_FULL' || (code.startsWith('SQLITE_IOERR') && isFull(dirname(this.file)))) {
      return new InputError('the disk is full; free space and try again, nothing of this was kept', place);
    }
    if (code.startsWith('SQLITE_IOERR')) {
      return new InputError(`the disk could not be read or written (${code})`, place);
    }
    if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN')) {
      return new InputError(`cannot be opened for writing (${code})`, place);
    }
    if (code.startsWith('SQLITE_NOTADB')) return new InputError('is not a database', place);
    if (code.startsWith('SQLITE_CORRUPT')) return new InputError('is damaged', place);
    return undefined;
  }
}

/** The error's SQLite code such as `SQLITE_CONSTRAINT_UNIQUE`, or undefined where SQLite did not raise it. */
export function sqliteCode(error: unknown): string | undefined {
  return error instanceof Sqlite.SqliteError ? error.code : undefined;
}

function isBusy(error: unknown): boolean {
  return sqliteCode(error)?.startsWith('SQLITE_BUSY') ?? false;
}

/** Whether the disk that holds a folder has no room left. */
function isFull(folder: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < 1 << 18;
  } catch {
    return false;
  }
}

function makeWritable(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    const handle = openSync(file, 'a');
    const isFile = fstatSync(handle).isFile();
    closeSync(handle);
    if (isFile) return;
  } catch (error) {
    throw new InputError(`cannot be opened for writing (${(error as NodeJS.ErrnoException).code})`, { file });
  }
  throw new InputError('is not a file', { file });
}
