import type { Handlers } from '../handler.ts';

export const upkeepHandlers = {
  listProjects: ({ services }) => services.listProjects(),
  addProject: ({ services }, request) => services.addProject(request),
  renameProject: ({ services }, request) => services.renameProject(request),
  removeProject: ({ services }, request) => services.removeProject(request),
  listSettings: ({ services }) => services.listSettings(),
  setSetting: ({ services }, request) => services.setSetting(request),
  resetSetting: ({ services }, request) => services.resetSetting(request),
  doctor: ({ services }, request, call) => services.doctor(request, call),
  diagnostics: ({ services, downloads }, _request, call) =>
    downloads.create('plumbline-diagnostics.tar.gz', (out) => services.diagnostics({ out }, call)),
} satisfies Partial<Handlers>;
