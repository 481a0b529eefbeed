import type { Handlers } from '../handler.ts';

export const modelHandlers = {
  listModels: ({ services }) => services.listModels(),
  addModel: ({ services, grants }, { file, name }, call) =>
    grants.use(file, async (path, { remove }) => {
      // An upload becomes the library's own, wherever it came from.
      const take = remove === undefined ? {} : { take: true as const };
      const added = await services.addModel({ path, ...take, ...(name === undefined ? {} : { name }) }, call);
      await grants.drop(file);
      return added;
    }),
  inspectModel: ({ services }, request) => services.inspectModel(request),
  renameModel: ({ services }, request) => services.renameModel(request),
  removeModel: ({ services }, request) => services.removeModel(request),
} satisfies Partial<Handlers>;
