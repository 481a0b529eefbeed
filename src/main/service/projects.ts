import type { ProjectRequest, ProjectsResult, RenameProjectRequest } from '../../shared/contract.ts';
import { InputError } from '../../shared/errors.ts';
import type { Store } from '../store/database.ts';
import type { Project } from '../store/projects.ts';

const longestName = 100;

function resultOf(projects: readonly Project[]): ProjectsResult {
  return {
    projects: projects.map(({ id, name, runs, createdAt }) => ({
      id,
      name,
      runs,
      ...(createdAt === 0 ? {} : { createdAt: new Date(createdAt).toISOString() }),
    })),
  };
}

function checkedName(name: string): string {
  const plain = name.trim();
  if (plain === '') throw new InputError('a project needs a name');
  if (plain.length > longestName)
    throw new InputError(`a project's name has at most ${longestName} characters`);
  return plain;
}

function requireProject({ projects }: Store, name: string): Project {
  const found = projects.findByName(name.trim());
  if (found) return found;
  const known = projects.list().map((project) => project.name);
  throw new InputError(`there is no project ${name}; known: ${known.join(', ')}`);
}

export function listProjects({ projects }: Store): ProjectsResult {
  return resultOf(projects.list());
}

/** @throws InputError where the name is taken */
export function addProject({ projects }: Store, { name }: ProjectRequest): ProjectsResult {
  return resultOf([projects.add(checkedName(name))]);
}

/** @throws InputError where there is no such project, or the new name is taken */
export function renameProject(store: Store, { name, to }: RenameProjectRequest): ProjectsResult {
  const project = requireProject(store, name);
  return resultOf([store.projects.rename(project.id, checkedName(to))!]);
}

/** @throws InputError where there is no such project, or it holds runs */
export function removeProject(store: Store, { name }: ProjectRequest): ProjectsResult {
  const project = requireProject(store, name);
  store.projects.remove(project.id);
  return resultOf([project]);
}
