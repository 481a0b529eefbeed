import type { ProjectsResult } from '../../../../shared/contract.ts';
import { defineCommand } from '../command.ts';
import { renderTable } from '../table.ts';

function projectTable({ projects }: ProjectsResult): string {
  return renderTable(
    [{ title: 'NAME' }, { title: 'RUNS', align: 'right' }, { title: 'CREATED' }],
    projects.map(({ name, runs, createdAt }) => [name, String(runs), createdAt?.slice(0, 10) ?? '']),
  );
}
const nameOf = { name: 'name', help: "the project's name" };

export const addProject = defineCommand({
  name: 'projects add',
  summary: 'make a project to keep runs together',
  details: [],
  positionals: [nameOf],
  options: {},
  examples: ['projects add "beta study"'],
  run: async (context, { positionals }) => (await context.services()).addProject({ name: positionals[0]! }),
  render: (result) => `added\n${projectTable(result)}`,
});

export const listProjects = defineCommand({
  name: 'projects list',
  summary: 'show projects and how many runs each holds',
  details: [],
  positionals: [],
  options: {},
  examples: ['projects list --json'],
  run: async (context) => (await context.services()).listProjects(),
  render: projectTable,
});

export const renameProject = defineCommand({
  name: 'projects rename',
  summary: "change a project's name",
  details: [],
  positionals: [nameOf, { name: 'new-name', help: 'what it is called from now on' }],
  options: {},
  examples: ['projects rename default main'],
  run: async (context, { positionals: [name, to] }) =>
    (await context.services()).renameProject({ name: name!, to: to! }),
  render: (result) => `renamed\n${projectTable(result)}`,
});

export const removeProject = defineCommand({
  name: 'projects remove',
  summary: 'remove a project that holds no runs',
  details: ['The project that is there from the start stays: runs that name no project go there.'],
  positionals: [nameOf],
  options: {},
  examples: ['projects remove "beta study"'],
  run: async (context, { positionals }) =>
    (await context.services()).removeProject({ name: positionals[0]! }),
  render: ({ projects }) => `removed ${projects[0]!.name}`,
});
