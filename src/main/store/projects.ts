import type { Statement } from 'better-sqlite3';
import { InputError } from '../../shared/errors.ts';
import { sqliteCode, type Connection } from './connection.ts';

/** Runs that belong together. */
export interface Project {
  readonly id: number;
  readonly name: string;
  /** Milliseconds since 1970; 0 for the one that is there from the start. */
  readonly createdAt: number;
  readonly runs: number;
  readonly jobs: number;
}

/** The project of what names no other; it cannot be removed. */
export const defaultProject = 1;

const query = `SELECT id, name, created_at AS createdAt,
  (SELECT count(*) FROM runs WHERE project_id = projects.id) AS runs,
  (SELECT count(*) FROM jobs WHERE project_id = projects.id) AS jobs FROM projects`;

export class Projects {
  readonly #connection: Connection;
  readonly #insert: Statement<[string, number], number>;
  readonly #all: Statement<[], Project>;
  readonly #byId: Statement<[number], Project>;
  readonly #byName: Statement<[string], Project>;
  readonly #rename: Statement<[string, number]>;
  readonly #delete: Statement<[number]>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#insert = connection
      .prepare<[string, number], number>('INSERT INTO projects (name, created_at) VALUES (?, ?) RETURNING id')
      .pluck();
    this.#all = connection.prepare(`${query} ORDER BY id`);
    this.#byId = connection.prepare(`${query} WHERE id = ?`);
    this.#byName = connection.prepare(`${query} WHERE name = ?`);
    this.#rename = connection.prepare('UPDATE projects SET name = ? WHERE id = ?');
    this.#delete = connection.prepare('DELETE FROM projects WHERE id = ?');
  }

  /** @throws InputError where the name is taken */
  add(name: string): Project {
    return unlessTaken(name, () =>
      this.#connection.write(() => this.#byId.get(this.#insert.get(name, Date.now())!)!),
    );
  }

  /** Every project, oldest first. */
  list(): Project[] {
    return this.#all.all();
  }

  findByName(name: string): Project | undefined {
    return this.#byName.get(name);
  }

  /** Undefined where there is none of this id. @throws InputError where the name is taken */
  rename(id: number, name: string): Project | undefined {
    return unlessTaken(name, () =>
      this.#connection.write(() => {
        this.#rename.run(name, id);
        return this.#byId.get(id);
      }),
    );
  }

  /**
   * Removes a project without runs and jobs.
   * @throws InputError where it holds some, or is the one that is there from the start
   */
  remove(id: number): boolean {
    return this.#connection.write(() => {
      const project = this.#byId.get(id);
      if (project === undefined) return false;
      if (id === defaultProject)
        throw new InputError(`project ${project.name} is where runs without a project go; it stays`);
      if (project.runs > 0 || project.jobs > 0) {
        const runs = project.runs === 1 ? '1 run' : `${project.runs} runs`;
        throw new InputError(`project ${project.name} holds ${runs}; remove them first`);
      }
      return this.#delete.run(id).changes > 0;
    });
  }
}

function unlessTaken<Result>(name: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (sqliteCode(error) !== 'SQLITE_CONSTRAINT_UNIQUE') throw error;
    throw new InputError(`a project named ${name} exists already`);
  }
}
