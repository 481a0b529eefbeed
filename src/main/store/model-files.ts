import type { Statement } from 'better-sqlite3';
import type { Connection } from './connection.ts';

/** What tells that a file is unchanged without reading it, as `fs.stat(path, { bigint: true })` gives it. */
export interface FileStamp {
  /** Absolute. */
  readonly path: string;
  /** Bytes. */
  readonly size: bigint;
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint;
}

/** Hashes of model files, so that half a gigabyte is not read again at every start. */
export class ModelFiles {
  readonly #connection: Connection;
  readonly #get: Statement<[string, bigint, bigint], string>;
  readonly #content: Statement<[string], string>;
  readonly #put: Statement<[string, bigint, bigint, string]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#get = connection
      .prepare<[string, bigint, bigint], string>(
        'SELECT sha256 FROM model_files WHERE path = ? AND size = ? AND mtime_ns = ?',
      )
      .pluck();
    this.#content = connection
      .prepare<[string], string>('SELECT sha256 FROM model_files WHERE path = ?')
      .pluck();
    this.#put = connection.prepare(
      `INSERT INTO model_files (path, size, mtime_ns, sha256) VALUES (?, ?, ?, ?)
       ON CONFLICT (path) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns,
         sha256 = excluded.sha256`,
    );
  }

  /** The file's SHA-256, or undefined where it is unknown or the file has changed since. */
  get({ path, size, mtimeNs }: FileStamp): string | undefined {
    return this.#get.get(path, size, mtimeNs);
  }

  /** The SHA-256 that a file of ours was written with, whatever has become of it; undefined where it was not kept. */
  contentOf(path: string): string | undefined {
    return this.#content.get(contentKey(path));
  }

  /** Keeps the SHA-256 of a file that we wrote. */
  putContent(path: string, sha256: string): void {
    this.put({ path: contentKey(path), size: 0n, mtimeNs: 0n }, sha256);
  }

  /** Keeps a hash. Take the stamp before reading the file, so that a change meanwhile makes it stale, not wrong. */
  put({ path, size, mtimeNs }: FileStamp, sha256: string): void {
    this.#connection.write(() => this.#put.run(path, size, mtimeNs, sha256));
  }
}

/** Apart from the stamps of models used where they lie, whose hash is that of the whole model. */
const contentKey = (path: string): string => `content:${path}`;
