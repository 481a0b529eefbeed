import { availableParallelism, platform, totalmem } from 'node:os';
import manifest from '../../../../../package.json' with { type: 'json' };
import { UsageError } from '../../../../shared/errors.ts';
import type { Dialogs, AppContext, Handlers } from '../handler.ts';

export const appHandlers = {
  async appInfo({ services, host }) {
    const { empty, example } = await services.overview();
    return {
      version: manifest.version,
      host,
      platform: platform(),
      threads: availableParallelism(),
      memory: totalmem(),
      firstStart: empty,
      example,
    };
  },
  async startExample({ services, queue }, _request, call) {
    const queued = await services.queueExample(call);
    queue.wake();
    return queued;
  },
  async pickFiles(context, { purpose }) {
    const paths = await dialogsOf(context).pickFiles(purpose);
    return { files: await Promise.all(paths.map((path) => context.grants.add(path))) };
  },
  async saveDownload(context, { download }) {
    const { path, name } = context.downloads.require(download);
    return { saved: await dialogsOf(context).saveFile(path, name) };
  },
  async dropFile({ grants }, { file }) {
    await grants.drop(file);
    return {};
  },
} satisfies Partial<Handlers>;

function dialogsOf({ dialogs }: AppContext): Dialogs {
  if (dialogs) return dialogs;
  throw new UsageError('this host has no dialogs: files are uploaded and downloaded');
}
