import type { Statement } from 'better-sqlite3';
import { InputError } from '../../shared/errors.ts';
import { sqliteCode, type Connection } from './connection.ts';

/** A model as it is imported. */
export interface NewModel {
  readonly name: string;
  /** SHA-256 over the model's content. */
  readonly hash: string;
  /** The folder or file it was imported from. */
  readonly source: string;
  /** Where config and tokenizer lie. */
  readonly folder: string;
  /** Where the weights lie that the engine reads; equals `folder` where nothing had to be converted. */
  readonly weightsFolder: string;
  readonly architecture: string;
  /** Number of parameters. */
  readonly parameters: number;
}

export interface Model extends NewModel {
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly addedAt: number;
}

const columns = `id, name, hash, source, folder, weights_folder AS weightsFolder, architecture, parameters,
  added_at AS addedAt`;

/** Imported models, by name. */
export class Models {
  readonly #connection: Connection;
  readonly #insert: Statement<[string, string, string, string, string, string, number, number], Model>;
  readonly #all: Statement<[], Model>;
  readonly #byName: Statement<[string], Model>;
  readonly #byHash: Statement<[string], Model>;
  readonly #update: Statement<[string, string, string, string, string, number, number], Model>;
  readonly #rename: Statement<[string, number]>;
  readonly #delete: Statement<[number]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insert = connection.prepare(
      `INSERT INTO models (name, hash, source, folder, weights_folder, architecture, parameters, added_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING ${columns}`,
    );
    this.#all = connection.prepare(`SELECT ${columns} FROM models ORDER BY id`);
    this.#byName = connection.prepare(`SELECT ${columns} FROM models WHERE name = ?`);
    this.#byHash = connection.prepare(`SELECT ${columns} FROM models WHERE hash = ? ORDER BY id LIMIT 1`);
    this.#update = connection.prepare(
      `UPDATE models SET hash = ?, source = ?, folder = ?, weights_folder = ?, architecture = ?, parameters = ?
       WHERE id = ? RETURNING ${columns}`,
    );
    this.#rename = connection.prepare('UPDATE models SET name = ? WHERE id = ?');
    this.#delete = connection.prepare('DELETE FROM models WHERE id = ?');
  }

  /**
   * Records a model.
   * @throws InputError where the name is taken
   */
  add(model: NewModel): Model {
    const { name, hash, source, folder, weightsFolder, architecture, parameters } = model;
    try {
      return this.#connection.write(() =>
        this.#insert.get(name, hash, source, folder, weightsFolder, architecture, parameters, Date.now())!,
      );
    } catch (error) {
      if (sqliteCode(error) !== 'SQLITE_CONSTRAINT_UNIQUE') throw error;
      throw new InputError(`a model named ${name} exists already`);
    }
  }

  /** Every model, oldest first. */
  list(): Model[] {
    return this.#all.all();
  }

  findByName(name: string): Model | undefined {
    return this.#byName.get(name);
  }

  /** The oldest model with this content. */
  findByHash(hash: string): Model | undefined {
    return this.#byHash.get(hash);
  }

  /** Records that a model's files have moved or changed; name and id stay. Undefined where there is no such model. */
  update(id: number, model: Omit<NewModel, 'name'>): Model | undefined {
    const { hash, source, folder, weightsFolder, architecture, parameters } = model;
    return this.#connection.write(() =>
      this.#update.get(hash, source, folder, weightsFolder, architecture, parameters, id),
    );
  }

  /** @throws InputError where the name is taken */
  rename(id: number, name: string): void {
    try {
      this.#connection.write(() => this.#rename.run(name, id));
    } catch (error) {
      if (sqliteCode(error) !== 'SQLITE_CONSTRAINT_UNIQUE') throw error;
      throw new InputError(`a model named ${name} exists already`);
    }
  }

  /** Forgets a model; its files stay. False where there was none. */
  remove(id: number): boolean {
    return this.#connection.write(() => this.#delete.run(id).changes > 0);
  }
}
