import type { Statement } from 'better-sqlite3';
import { InputError } from '../../shared/errors.ts';
import { sqliteCode, type Connection } from './connection.ts';

export interface Project {
  readonly id: number;
  readonly name: string;
  /** Runs that belong to it. */
  readonly runs: number;
  /** Milliseconds since 1970; 0 for the one that is always there. */
  readonly createdAt: number;
}

/** Where a run belongs that says nothing else. */
export const defaultProject = 1;

const columns = `id, name, created_at AS createdAt,
  (SELECT count(*) FROM runs WHERE project_id = projects.id) AS runs`;

/** Projects, by which runs are kept apart. */
export class Projects {
  readonly #connection: Connection;
  readonly #insert: Statement<[string, number], { id: number }>;
  readonly #all: Statement<[], Project>;
  readonly #byId: Statement<[number], Project>;
  readonly #byName: Statement<[string], Project>;
  readonly #rename: Statement<[string, number]>;
  readonly #uses: Statement<[number, number], number>;
  readonly #judgings: Statement<[number], number>;
  readonly #delete: Statement<[number]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insert = connection.prepare('INSERT INTO projects (name, created_at) VALUES (?, ?) RETURNING id');
    this.#all = connection.prepare(`SELECT ${columns} FROM projects ORDER BY id`);
    this.#byId = connection.prepare(`SELECT ${columns} FROM projects WHERE id = ?`);
    this.#byName = connection.prepare(`SELECT ${columns} FROM projects WHERE name = ?`);
    this.#rename = connection.prepare('UPDATE projects SET name = ? WHERE id = ?');
    this.#uses = connection
      .prepare<[number, number], number>(
        `SELECT (SELECT count(*) FROM runs WHERE project_id = ?) + (SELECT count(*) FROM jobs WHERE project_id = ?)`,
      )
      .pluck();
    this.#judgings = connection
      .prepare<[number], number>('SELECT count(*) FROM judgings WHERE project_id = ?')
      .pluck();
    this.#delete = connection.prepare('DELETE FROM projects WHERE id = ?');
  }

  /** @throws InputError where the name is taken */
  add(name: string): Project {
    return this.#named(name, () => this.#byId.get(this.#insert.get(name, Date.now())!.id)!);
  }

  /** Every project, oldest first. */
  list(): Project[] {
    return this.#all.all();
  }

  get(id: number): Project | undefined {
    return this.#byId.get(id);
  }

  findByName(name: string): Project | undefined {
    return this.#byName.get(name);
  }

  /** @throws InputError where the name is taken */
  rename(id: number, name: string): Project {
    return this.#named(name, () => {
      this.#rename.run(name, id);
      return this.#byId.get(id)!;
    });
  }

  /** @throws InputError where runs or judgings belong to it, and for the one that is always there */
  remove(id: number): void {
    if (id === defaultProject) throw new InputError('the first project stays; it can be renamed');
    this.#connection.write(() => {
      if (this.#uses.get(id, id)! > 0)
        throw new InputError(
          'runs belong to this project; remove them first (plumbline runs list --project)',
        );
      if (this.#judgings.get(id)! > 0)
        throw new InputError(
          'judgings belong to this project; remove them first (plumbline judge list --project)',
        );
      this.#delete.run(id);
    });
  }

  #named(name: string, work: () => Project): Project {
    try {
      return this.#connection.write(work);
    } catch (error) {
      if (sqliteCode(error) !== 'SQLITE_CONSTRAINT_UNIQUE') throw error;
      throw new InputError(`a project named ${name} exists already`);
    }
  }
}
