import type { ProjectSummary } from '../../../../shared/contract.ts';
import { formatCount } from '../../../../shared/format.ts';
import { defineCommand } from '../command.ts';
import { renderTable } from '../table.ts';

function projectTable(projects: readonly ProjectSummary[]): string {
  return renderTable(
    [{ title: 'PROJECT' }, { title: 'RUNS', align: 'right' }, { title: 'SINCE' }],
    projects.map(({ name, runs, createdAt = '' }) => [name, formatCount(runs), createdAt.slice(0, 10)]),
  );
}

const named = { name: 'project', help: 'its name, as "projects list" shows it' };

export const addProject = defineCommand({
  name: 'projects add',
  summary: 'make a project that runs can belong to',
  details: ['"train" and "compare" put their runs into it with --project NAME.'],
  positionals: [{ name: 'project', help: 'its name' }],
  options: {},
  examples: ['projects add "helpful answers"'],
  run: async (context, { positionals: [name] }) => (await context.services()).addProject({ name: name! }),
  render: ({ project }) => projectTable([project]),
});

export const listProjects = defineCommand({
  name: 'projects list',
  summary: 'show projects with the number of their runs',
  details: [],
  positionals: [],
  options: {},
  examples: ['projects list'],
  run: async (context) => (await context.services()).listProjects(),
  render: ({ projects }) => projectTable(projects),
});

export const renameProject = defineCommand({
  name: 'projects rename',
  summary: 'give a project another name',
  details: [],
  positionals: [named, { name: 'name', help: 'its new name' }],
  options: {},
  examples: ['projects rename default arithmetic'],
  run: async (context, { positionals: [name, to] }) =>
    (await context.services()).renameProject({ name: name!, to: to! }),
  render: ({ project }) => projectTable([project]),
});

export const removeProject = defineCommand({
  name: 'projects remove',
  summary: 'remove a project that has no runs',
  details: [],
  positionals: [named],
  options: {},
  examples: ['projects remove arithmetic'],
  run: async (context, { positionals: [name] }) => (await context.services()).removeProject({ name: name! }),
  render: ({ projects }) => projectTable(projects),
});
