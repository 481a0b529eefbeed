import { existsSync, readdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type {
  ListModelsResult,
  ModelDetails,
  ModelRequest,
  RemoveModelRequest,
  RemoveModelResult,
  RenameModelRequest,
} from '../../shared/contract.ts';
import { InputError } from '../../shared/errors.ts';
import { readJsonObject } from '../formats/files.ts';
import { openWeights, type WeightIndex } from '../formats/weights.ts';
import type { Model } from '../store/models.ts';
import { endTokens } from '../training/decode.ts';
import { adaptableLayers, openBase } from '../training/model.ts';
import { recoverOrphans } from './jobs.ts';
import { listModels, requireModel, summariseModel, type Library } from './library.ts';

/** @throws InputError where there is no such model, or its files are gone or broken */
export function inspectModel(library: Library, { model: name }: ModelRequest): ModelDetails {
  const model = requireModel(library, name);
  const opened = openBase(model);
  const { tokenizer, source } = opened;
  const { chatTemplate } = tokenizer;
  return {
    ...summariseModel(model),
    config: flat(readJsonObject(join(model.folder, 'config.json'))),
    tensors: [...storedWeights(model).tensors].map(([tensor, { shape, dtype }]) => ({
      name: tensor,
      shape,
      type: dtype,
    })),
    linearLayers: adaptableLayers(opened),
    tokenizer: {
      vocabulary: source.config.vocabularySize,
      endTokens: endTokens(opened).map((id) => tokenizer.decode([id])),
      ...(chatTemplate === undefined ? {} : { template: chatTemplate }),
    },
    runs: library.store.runs.onBase(model.hash).length,
  };
}

/** The weights as they were before a conversion, where they are still there and are no GGUF file. */
function storedWeights({ source, weightsFolder }: Model): WeightIndex {
  if (source !== weightsFolder && existsSync(source) && statSync(source).isDirectory()) {
    try {
      return openWeights(source);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  return openWeights(weightsFolder);
}

/** Objects by paths, lists as JSON. */
function flat(value: object, path = ''): { readonly key: string; readonly value: string }[] {
  return Object.entries(value).flatMap(([name, part]: [string, unknown]) => {
    const key = path === '' ? name : `${path}.${name}`;
    if (typeof part === 'object' && part !== null && !Array.isArray(part)) return flat(part, key);
    return [{ key, value: typeof part === 'string' ? part : JSON.stringify(part) }];
  });
}

/** Work that was asked for under the old name finds the model by its content. */
export function renameModel(library: Library, { model: name, to }: RenameModelRequest): ListModelsResult {
  const model = requireModel(library, name);
  if (to === '' || to.trim() !== to) throw new InputError('a model needs a name without blanks around it');
  library.store.models.rename(model.id, to);
  return { models: listModels(library) };
}

/**
 * Forgets a model, or says what that would do. Weights that are used where they lie stay; a converted copy goes, unless
 * another model uses it.
 * @throws InputError where a job that waits or is at work needs it
 */
export async function removeModel(
  library: Library,
  { model: name, confirmed }: RemoveModelRequest,
): Promise<RemoveModelResult> {
  const { store } = library;
  recoverOrphans(library);
  const model = requireModel(library, name);
  const copy = ownCopy(library, model);
  const bytes = copy === undefined ? 0 : bytesIn(copy);
  const runs = store.runs.onBase(model.hash).map(({ id }) => id);
  if (!confirmed) return { removed: false, bytes, runs };
  const removed = store.transaction(() => {
    // Under the write lock: what is queued from now on no longer finds it.
    const busy = store.runs.onBase(model.hash).find((run) => run.busy);
    if (busy && others(library, model).every(({ hash }) => hash !== model.hash))
      throw new InputError(`run ${busy.id} waits or is at work and needs it; stop it first`, { file: name });
    return store.models.remove(model.id);
  });
  if (removed && copy !== undefined) await rm(copy, { recursive: true, force: true });
  return { removed, bytes, runs };
}

const others = ({ store }: Library, { id }: Model): Model[] =>
  store.models.list().filter((each) => each.id !== id);

/** The model's folder in the model store, where it has one that no other model uses. */
function ownCopy(library: Library, model: Model): string | undefined {
  const { folder, weightsFolder } = model;
  if (dirname(resolve(weightsFolder)) !== resolve(library.modelsFolder)) return undefined;
  const shared = others(library, model).some(
    (each) => each.weightsFolder === weightsFolder || each.folder === folder,
  );
  return shared || !existsSync(weightsFolder) ? undefined : weightsFolder;
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
