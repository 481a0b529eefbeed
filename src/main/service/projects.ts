import type {
  ListProjectsResult,
  ProjectResult,
  ProjectSummary,
  RenameProjectRequest,
} from '../../shared/contract.ts';
import { InputError } from '../../shared/errors.ts';
import type { Store } from '../store/database.ts';
import { defaultProject, type Project } from '../store/projects.ts';

function summarise({ name, runs, createdAt }: Project): ProjectSummary {
  return { name, runs, ...(createdAt === 0 ? {} : { createdAt: new Date(createdAt).toISOString() }) };
}

/** @throws InputError where there is none of this name */
function requireProject({ projects }: Store, name: string): Project {
  const project = projects.findByName(name);
  if (project) return project;
  throw new InputError(`there is no project ${name}; see: plumbline projects list`);
}

/** The project that a request names. @throws InputError where there is none */
export function projectIdOf(store: Store, name: string | undefined): number {
  return name === undefined ? defaultProject : requireProject(store, name).id;
}

export function addProject(store: Store, name: string): ProjectResult {
  return { project: summarise(store.projects.add(checkName(name))) };
}

export function listProjects({ projects }: Store): ListProjectsResult {
  return { projects: projects.list().map(summarise) };
}

export function renameProject(store: Store, { name, to }: RenameProjectRequest): ProjectResult {
  const { id } = requireProject(store, name);
  return { project: summarise(store.projects.rename(id, checkName(to))) };
}

export function removeProject(store: Store, name: string): ListProjectsResult {
  store.projects.remove(requireProject(store, name).id);
  return listProjects(store);
}

function checkName(name: string): string {
  if (name.trim() !== '' && name.trim() === name) return name;
  throw new InputError('a project needs a name without blanks around it');
}
