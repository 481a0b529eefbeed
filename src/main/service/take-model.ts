import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { AddModelResult, CallOptions } from '../../shared/contract.ts';
import { InputError } from '../../shared/errors.ts';
import { addModel, type Library } from './library.ts';

/**
 * As `addModel`, for what nobody else keeps: an upload. It is moved into the model store; what the model does not need
 * there is removed. What cannot be imported is where it was.
 * @param path of a folder or file on the same disk as the model store
 */
export async function takeModel(
  library: Library,
  path: string,
  name: string | undefined,
  call: CallOptions = {},
): Promise<AddModelResult> {
  const { modelsFolder, store } = library;
  // Named as converted models are, so that doctor knows it for one.
  const place = join(resolve(modelsFolder), randomBytes(8).toString('hex'));
  const isFolder = statSync(path).isDirectory();
  const source = isFolder ? place : join(place, basename(path));
  mkdirSync(isFolder ? modelsFolder : place, { recursive: true });
  renameSync(path, source);
  const suggested = basename(path).replace(/\.gguf$/i, '');
  try {
    return await addModel(library, source, name, call, suggested);
  } catch (error) {
    renameSync(source, path);
    if (!(error instanceof InputError) || !error.place.file?.startsWith(source)) throw error;
    const file = path + error.place.file.slice(source.length);
    throw new InputError(error.bareMessage, { ...error.place, file });
  } finally {
    const isUsed = store.models
      .list()
      .some(({ folder, weightsFolder }) => folder === place || weightsFolder === place);
    if (!isUsed) rmSync(place, { recursive: true, force: true });
  }
}
