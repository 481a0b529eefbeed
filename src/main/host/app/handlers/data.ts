import type { Handlers } from '../handler.ts';

export const dataHandlers = {
  previewData: ({ services, grants }, { file, ...rest }, call) =>
    grants.use(file, (path) => services.previewData({ path, ...rest }, call)),
  checkData: ({ services, grants }, { file, ...rest }, call) =>
    grants.use(file, (path) => services.checkData({ path, ...rest }, call)),
  addData: ({ services, grants }, { file, ...rest }, call) =>
    grants.use(file, async (path) => {
      const added = await services.addData({ path, ...rest }, call);
      await grants.drop(file);
      return added;
    }),
  listData: ({ services }) => services.listData(),
  showData: ({ services }, request, call) => services.showData(request, call),
  dataRows: ({ services }, request, call) => services.dataRows(request, call),
  searchData: ({ services }, request, call) => services.searchData(request, call),
  editData: ({ services }, request) => services.editData(request),
  markData: ({ services }, request, call) => services.markData(request, call),
  dataHistory: ({ services }, request) => services.dataHistory(request),
  undoData: ({ services }, request) => services.undoData(request),
  splitData: ({ services }, request, call) => services.splitData(request, call),
  dataDuplicates: ({ services }, request, call) => services.dataDuplicates(request, call),
  dataLengths: ({ services }, request, call) => services.dataLengths(request, call),
  dataLeaks: ({ services }, request, call) => services.dataLeaks(request, call),
  removeData: ({ services }, request) => services.removeData(request),
  exportData: ({ services, downloads }, { data }, call) =>
    downloads.create(`${data}.jsonl`, (out) => services.exportData({ data, out }, call)),
} satisfies Partial<Handlers>;
