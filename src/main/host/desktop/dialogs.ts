import { copyFile } from 'node:fs/promises';
import type { BrowserWindow, OpenDialogOptions } from 'electron';
import { InputError } from '../../../shared/errors.ts';
import type { Dialogs } from '../app/handler.ts';
import type { ElectronParts } from './electron.ts';

const chosen: Readonly<Record<Parameters<Dialogs['pickFiles']>[0], OpenDialogOptions>> = {
  data: {
    title: 'Import preference data',
    properties: ['openFile', 'multiSelections'],
    filters: [
      { name: 'Preference data', extensions: ['jsonl', 'json', 'csv', 'tsv', 'parquet', 'gz'] },
      { name: 'All files', extensions: ['*'] },
    ],
  },
  'model-file': {
    title: 'Import a model',
    properties: ['openFile'],
    filters: [
      { name: 'GGUF', extensions: ['gguf'] },
      { name: 'All files', extensions: ['*'] },
    ],
  },
  'model-folder': { title: 'Import a model folder', properties: ['openDirectory'] },
};

/** The system's own dialogs, in front of the window. What a person chooses there goes to the bridge, not to the page. */
export function nativeDialogs(
  { dialog }: Pick<ElectronParts, 'dialog'>,
  window: () => BrowserWindow | undefined,
): Dialogs {
  return {
    async pickFiles(purpose) {
      const parent = window();
      const options = chosen[purpose];
      const { canceled, filePaths } = await (parent
        ? dialog.showOpenDialog(parent, options)
        : dialog.showOpenDialog(options));
      return canceled ? [] : filePaths;
    },
    async saveFile(path, suggestedName) {
      const parent = window();
      const options = { defaultPath: suggestedName };
      const { canceled, filePath } = await (parent
        ? dialog.showSaveDialog(parent, options)
        : dialog.showSaveDialog(options));
      if (canceled || filePath === '') return false;
      try {
        await copyFile(path, filePath);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        const why = code === 'ENOSPC' ? 'the disk is full' : `it cannot be written (${code})`;
        throw new InputError(why, { file: filePath });
      }
      return true;
    },
  };
}
