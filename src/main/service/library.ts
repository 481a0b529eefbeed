import { accessSync, constants, existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InputError } from '../../shared/errors.ts';
import { importModel, type ImportedModel } from '../formats/import-model.ts';
import type { FileStamp } from '../store/model-files.ts';
import type { Model } from '../store/models.ts';
import type { Store } from '../store/database.ts';
import { hashGently } from './doctor/files.ts';
import type { StartProcess } from '../training/process.ts';
import { openBase, supportedArchitectures, type OpenModel } from '../training/model.ts';
import type { AddModelResult, CallOptions, ModelSummary, NameRequest } from '../../shared/contract.ts';

/** Imported models and datasets, and how a name or a path becomes one. */
export interface Library {
  readonly store: Store;
  /** Where converted models lie. */
  readonly modelsFolder: string;
  readonly checkpointFolder: string;
  readonly logFolder: string;
  readonly settings: JobSettings;
  /** How this host starts processes. */
  readonly startProcess: StartProcess;
}

/** How jobs are carried out. */
export interface JobSettings {
  /** Jobs at work at the same time. */
  readonly runsAtOnce: number;
  /** Last checkpoints of a run at work that are kept. */
  readonly keepCheckpoints: number;
  /** Metric by which the best checkpoint is kept as well. */
  readonly keepBestBy?: string | undefined;
  /** Mebibytes of c and r of a run's pairs that are kept, those trained on and those held out each. */
  readonly keepPairs: number;
  readonly keepEvaluations: number;
  readonly checkpointSeconds: number;
  /** Of training processes. */
  readonly priority: 'normal' | 'low';
  /** Whether the machine is kept from falling asleep meanwhile. */
  readonly keepAwake: boolean;
}

export async function addModel(
  library: Library,
  path: string,
  name: string | undefined,
  call: CallOptions = {},
  suggestedName?: string,
): Promise<AddModelResult> {
  const { model, added } = await register(library, path, name, call, suggestedName);
  return { model: summariseModel(model), added };
}

/** Records a model, or finds the record of the same content. */
async function register(
  library: Library,
  path: string,
  name: string | undefined,
  call: CallOptions,
  suggestedName?: string,
): Promise<{ readonly model: Model; readonly added: boolean }> {
  const taken = name === undefined ? undefined : library.store.models.findByName(name);
  const imported = await readModel(library, path, call);
  const known = taken?.hash === imported.hash ? taken : library.store.models.findByHash(imported.hash);
  if (known && (name === undefined || known.name === name)) {
    // Where its folder is gone, or holds something else by now, the same content has been found again elsewhere.
    const moved = isUnchanged(library, known) ? undefined : library.store.models.update(known.id, imported);
    return { model: moved ?? known, added: false };
  }
  if (taken)
    throw new InputError(`another model is named ${name}; choose a name with --name`, { file: path });
  const { hash, source, folder, weightsFolder, architecture, parameters } = imported;
  // What is recorded must be whole: opening checks every tensor.
  openBase({ name: imported.name, hash, folder, weightsFolder });
  const model = library.store.models.add({
    name: freeName(
      name ?? suggestedName ?? imported.name,
      (each) => library.store.models.findByName(each) !== undefined,
    ),
    hash,
    source,
    folder,
    weightsFolder,
    architecture,
    parameters,
  });
  return { model, added: true };
}

/** Imports a model and remembers what its files looked like, so that a change behind our back is noticed. */
async function readModel(library: Library, path: string, call: CallOptions): Promise<ImportedModel> {
  const stamps = existsSync(path) && statSync(path).isDirectory() ? stampsOf(resolve(path)) : [];
  const imported = await importModel(path, library.modelsFolder, {
    supported: supportedArchitectures,
    onProgress: ({ stage, done, total }) => {
      call.signal?.throwIfAborted();
      const label = stage === 'hash' ? 'reading the model' : 'converting to float32';
      call.onProgress?.({ kind: 'progress', label, done, total, unit: 'B' });
    },
  });
  for (const stamp of stamps) library.store.modelFiles.put(stamp, imported.hash);
  if (!liesInPlace(imported))
    await rememberContent(library, join(imported.weightsFolder, 'model.safetensors'), call);
  return imported;
}

/** Keeps the hash of converted weights, by which damage is found later. */
async function rememberContent({ store }: Library, file: string, call: CallOptions): Promise<void> {
  if (store.modelFiles.contentOf(file) !== undefined) return;
  let done = 0;
  const total = statSync(file).size;
  const onBytes = (bytes: number): void => {
    done += bytes;
    call.onProgress?.({ kind: 'progress', label: 'checking the converted model', done, total, unit: 'B' });
  };
  store.modelFiles.putContent(file, await hashGently(file, onBytes, call.signal));
}

const liesInPlace = ({ source, weightsFolder }: Pick<ImportedModel, 'source' | 'weightsFolder'>): boolean =>
  weightsFolder === source;

/** Stamps of the files that decide what a model is. */
export function stampsOf(folder: string): FileStamp[] {
  return readdirSync(folder)
    .filter((name) => /\.(safetensors|json|jinja)$/.test(name))
    .map((name) => {
      const path = join(folder, name);
      const { size, mtimeNs } = statSync(path, { bigint: true });
      return { path, size, mtimeNs };
    });
}

/** Whether a model's files are still those it was recorded with. */
function isUnchanged({ store }: Library, model: Model): boolean {
  if (!existsSync(model.weightsFolder)) return false;
  if (!liesInPlace(model)) return true;
  const stamps = stampsOf(model.weightsFolder);
  return stamps.length > 0 && stamps.every((stamp) => store.modelFiles.get(stamp) === model.hash);
}

/**
 * The model as it lies on disk now. Weights are used in place, so a person may have trained into their folder again;
 * what is cached under the old content must not be taken for the new.
 */
async function refresh(library: Library, model: Model, call: CallOptions): Promise<Model> {
  const { store } = library;
  if (isUnchanged(library, model)) return model;
  const imported = await readModel(library, model.source, call);
  if (imported.hash === model.hash) return model;
  const text = `the files of model ${model.name} have changed since it was added; it is used as it is now`;
  call.onProgress?.({ kind: 'note', text });
  return store.models.update(model.id, imported) ?? model;
}

export function listModels(library: Library): ModelSummary[] {
  return library.store.models.list().map(summariseModel);
}

export function summariseModel(model: Model): ModelSummary {
  const { name, source, hash, parameters } = model;
  const opened = openIfWhole(model);
  const config = opened?.source.config;
  return {
    name,
    path: source,
    format: source.toLowerCase().endsWith('.gguf') ? 'gguf' : 'safetensors',
    architecture: model.architecture,
    parameters,
    bytes: 4 * parameters,
    layers: config?.layers ?? 0,
    vocabulary: config?.vocabularySize ?? 0,
    contextLength: config?.maxPositions ?? 0,
    chatTemplate: opened?.tokenizer.chatTemplate !== undefined,
    missing: opened === undefined,
    hash,
    addedAt: new Date(model.addedAt).toISOString(),
  };
}

/** Undefined where files are gone or broken: one such model must not keep the others from being shown. */
function openIfWhole(model: Model): OpenModel | undefined {
  if (!existsSync(model.weightsFolder)) return undefined;
  try {
    return openBase(model);
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

/** Whether something was imported, or made, under this name; what lies on disk does not matter. */
export function isKnown({ store }: Library, { kind, name }: NameRequest): boolean {
  if (kind === 'model') return store.models.findByName(name) !== undefined;
  if (kind === 'data') return store.datasets.findByName(name) !== undefined;
  return store.projects.findByName(name) !== undefined;
}

/** An imported model. @throws InputError where none has this name */
export function requireModel({ store }: Library, name: string): Model {
  const model = store.models.findByName(name);
  if (model) return model;
  throw new InputError('no model of this name was imported; see: plumbline models list', { file: name });
}

/** What a recorded request calls a model, or what that is called now: it may have been given another name since. */
export function nameOfBase({ store }: Library, asked: string, baseHash: string): string {
  const found = store.models.findByName(asked) !== undefined || existsSync(asked);
  return found ? asked : (store.models.findByHash(baseHash)?.name ?? asked);
}

/** A model by its imported name, or by a path, which is imported on the way. */
export async function resolveModel(
  library: Library,
  nameOrPath: string,
  call: CallOptions,
): Promise<OpenModel> {
  return openBase(await findModel(library, nameOrPath, call));
}

/** As `resolveModel`, without opening it. */
export async function findModel(library: Library, nameOrPath: string, call: CallOptions): Promise<Model> {
  const named = library.store.models.findByName(nameOrPath);
  if (!named && !existsSync(nameOrPath)) {
    throw new InputError(`no model of this name was imported, and there is no such folder or file`, {
      file: nameOrPath,
    });
  }
  // Just read and recorded: nothing to look up or to refresh.
  if (!named) return (await register(library, nameOrPath, undefined, call)).model;
  if (!existsSync(named.weightsFolder)) {
    throw new InputError(`the model's folder is gone: ${named.weightsFolder}`, { file: nameOrPath });
  }
  return refresh(library, named, call);
}

function freeName(wanted: string, taken: (name: string) => boolean): string {
  if (!taken(wanted)) return wanted;
  let number = 2;
  while (taken(`${wanted}-${number}`)) number += 1;
  return `${wanted}-${number}`;
}

/**
 * Refuses early what could only fail after hours of work.
 * @param inputs what is read, by path or name: writing over it would lose a person's data
 */
export function requireWritable(path: string, inputs: readonly (string | undefined)[] = []): void {
  if (existsSync(path)) {
    if (statSync(path).isDirectory())
      throw new InputError('cannot be written: it is a folder', { file: path });
    const target = realpathSync(path);
    if (inputs.some((input) => input !== undefined && existsSync(input) && realpathSync(input) === target))
      throw new InputError('cannot be written: it is what is read', { file: path });
  }
  requireFolderOnTheWay(path, resolve(path, '..'));
}

/** As `requireWritable`, for a folder that is made or filled. */
export function requireWritableFolder(path: string): void {
  requireFolderOnTheWay(path, resolve(path));
}

function requireFolderOnTheWay(path: string, folder: string): void {
  let existing = folder;
  while (!existsSync(existing)) existing = join(existing, '..');
  if (!statSync(existing).isDirectory())
    throw new InputError(`cannot be written: ${existing} is a file, not a folder`, { file: path });
  try {
    accessSync(existing, constants.W_OK);
  } catch {
    throw new InputError(`cannot be written: no permission to write in ${existing}`, { file: path });
  }
}
