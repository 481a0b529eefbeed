import { createHash, randomBytes, type Hash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '../../shared/errors.ts';
import {
  inWords,
  openForReading,
  readJsonObject,
  readSmallFile,
  writeFileWhole,
  isDiskFull,
  whyUnwritten,
} from './files.ts';
import { configFromGguf, ggufArchitecture, namedTensors } from './gguf-llama.ts';
import { chatTemplateFromGguf, tokenizerConfigFromGguf, tokenizerFromGguf } from './gguf-tokenizer.ts';
import { readGguf } from './gguf.ts';
import {
  isFloatDtype,
  readSafetensorsHeader,
  readTensorFloat32,
  writeSafetensorsGently,
  type TensorToWrite,
} from './safetensors.ts';
import { openWeights } from './weights.ts';

/** A base model that is ready for use. */
export interface ImportedModel {
  /** SHA-256, in hexadecimal, over the config, the tokenizer's files and the weight files, as the source holds them. */
  readonly hash: string;
  readonly name: string;
  /** Absolute path of what was imported. */
  readonly source: string;
  /**
   * Holds `config.json`, `tokenizer.json`, `tokenizer_config.json`, and where the source has them
   * `special_tokens_map.json`, `chat_template.jinja` and `generation_config.json`.
   */
  readonly folder: string;
  /** Holds the float32 safetensors; open it with `openWeights`. */
  readonly weightsFolder: string;
  /** Elements of all weights; a head tied to the embedding counts once. */
  readonly parameters: number;
  /** E.g. `LlamaForCausalLM`. */
  readonly architecture: string;
}

/** How far an import has come, in bytes. */
export interface ImportProgress {
  readonly stage: 'hash' | 'convert';
  readonly done: number;
  readonly total: number;
}

/** What an import needs to know. */
export interface ImportOptions {
  /** Architectures the engine has, e.g. `['LlamaForCausalLM']`. */
  readonly supported: readonly string[];
  readonly onProgress?: (progress: ImportProgress) => void;
}

const smallFiles = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  'generation_config.json',
] as const;
type SmallFiles = Map<(typeof smallFiles)[number], Uint8Array>;

/** What a source holds, read so far as headers go. */
interface Source {
  readonly path: string;
  readonly name: string;
  readonly architecture: string;
  readonly files: SmallFiles;
  /** Weight files, in a fixed order, for the hash. */
  readonly weightFiles: readonly string[];
  readonly tensors: readonly TensorToWrite[];
  /** Set where the weights are float32 safetensors already and stay where they are. */
  readonly inPlace: string | undefined;
}

/**
 * Makes a base model ready: float32 safetensors are used where they are; other safetensors and GGUF are converted once
 * to `<storeDir>/<first 16 digits of the hash>/model.safetensors`, one tensor in memory at a time, with config and
 * tokenizer beside it. Importing the same again finds that folder. An interrupted conversion leaves nothing under that
 * name.
 * @param source a folder in Hugging Face's layout, a `.gguf` file, or a folder with one `.gguf` file
 * @throws InputError for an unknown architecture, missing or broken files, pickle or quantised weights.
 */
export async function importModel(
  source: string,
  storeDir: string,
  { supported, onProgress }: ImportOptions,
): Promise<ImportedModel> {
  const found = await openSource(resolve(source), supported);
  const hash = await hashSource(found, onProgress);
  const folder = found.inPlace ?? join(resolve(storeDir), hash.slice(0, 16));
  if (found.inPlace === undefined && !isConverted(folder)) {
    // What stands there was whole once and has been damaged since.
    rmSync(folder, { recursive: true, force: true });
    await convert(found, hash, folder, onProgress);
  }
  return {
    hash,
    name: found.name,
    source: found.path,
    folder,
    weightsFolder: folder,
    parameters: found.tensors.reduce(
      (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
      0,
    ),
    architecture: found.architecture,
  };
}

/**
 * The hash that importing a source would give it, without importing it.
 * @param onBytes called with the bytes of weights read since the last call; what it throws ends the reading
 * @throws InputError as `importModel`
 */
export async function hashModel(
  source: string,
  {
    supported,
    onBytes,
  }: { readonly supported: readonly string[]; readonly onBytes: (bytes: number) => void },
): Promise<string> {
  let before = 0;
  return hashSource(await openSource(resolve(source), supported), ({ done }) => {
    onBytes(done - before);
    before = done;
  });
}

async function openSource(path: string, supported: readonly string[]): Promise<Source> {
  if (!existsSync(path)) throw new InputError('no such file or folder', { file: path });
  if (!statSync(path).isDirectory()) {
    if (path.toLowerCase().endsWith('.gguf')) return openGguf(path, supported);
    throw new InputError('is neither a model folder nor a .gguf file', { file: path });
  }
  const names = readdirSync(path);
  const ggufs = names.filter((name) => name.toLowerCase().endsWith('.gguf'));
  if (ggufs.length > 0 && !names.some((name) => /\.safetensors(\.index\.json)?$/.test(name))) {
    if (ggufs.length > 1)
      throw new InputError(`holds several GGUF files; name one: ${ggufs.join(', ')}`, { file: path });
    return openGguf(join(path, ggufs[0]!), supported);
  }
  return openFolder(path, supported);
}

function openFolder(path: string, supported: readonly string[]): Source {
  const configPath = join(path, 'config.json');
  const config = readJsonObject(configPath);
  const architecture = checkArchitecture(config, configPath, supported);
  if (config['quantization_config'] !== undefined && config['quantization_config'] !== null) {
    throw new InputError('quantised safetensors are not supported; use the unquantised model or a GGUF', {
      file: configPath,
    });
  }
  const index = openWeights(path);
  const tensors: TensorToWrite[] = [];
  let converted = false;
  for (const [name, place] of index.tensors) {
    const file = join(index.folder, place.file);
    if (!isFloatDtype(place.dtype)) {
      throw new InputError(`tensor ${name} has dtype ${place.dtype}; F32, F16, BF16 or F64 is needed`, {
        file,
      });
    }
    converted ||= place.dtype !== 'F32';
    tensors.push({
      name,
      shape: place.shape,
      data: () => readTensorFloat32({ path: file }, { name, ...place }),
    });
  }
  const files = readSmallFiles(path);
  for (const name of ['tokenizer.json', 'tokenizer_config.json'] as const) {
    if (!files.has(name)) throw new InputError('no such file', { file: join(path, name) });
  }
  const weightFiles = [
    ...new Set([...index.tensors.values()].map(({ file }) => join(index.folder, file))),
  ].sort();
  return {
    path,
    name: basename(path),
    architecture,
    files,
    weightFiles,
    tensors,
    inPlace: converted ? undefined : path,
  };
}

async function openGguf(path: string, supported: readonly string[]): Promise<Source> {
  const file = await readGguf(path);
  const architecture = ggufArchitecture(file);
  const tensors = namedTensors(file).map(({ name, shape, read }) => ({ name, shape, data: read }));
  const files = readSmallFiles(dirname(path));
  if (files.has('config.json')) {
    const configPath = join(dirname(path), 'config.json');
    const config = readJsonObject(configPath);
    const named = checkArchitecture(config, configPath, supported);
    if (named !== architecture) {
      throw new InputError(`architecture ${named} is not that of ${basename(path)}, ${architecture}`, {
        file: configPath,
      });
    }
    const embedding = file.tensors.get('token_embd.weight')?.shape ?? [];
    const layers = Number(file.metadata[`${String(file.metadata['general.architecture'])}.block_count`]);
    for (const [key, value] of [
      ['vocab_size', embedding[0]],
      ['hidden_size', embedding[1]],
      ['num_hidden_layers', layers],
    ] as const) {
      if (config[key] !== value) {
        throw new InputError(`${key} ${inWords(config[key])} is not that of ${basename(path)}, ${value}`, {
          file: configPath,
        });
      }
    }
  } else {
    const config = configFromGguf(file);
    checkArchitecture(config, path, supported);
    files.set('config.json', json(config));
  }
  if (!files.has('tokenizer.json')) files.set('tokenizer.json', json(tokenizerFromGguf(file)));
  const template = chatTemplateFromGguf(file);
  const tokenizerConfig = files.get('tokenizer_config.json');
  const hasTemplate =
    files.has('chat_template.jinja') || tokenizerConfig?.toString().includes('"chat_template"');
  if (tokenizerConfig === undefined) files.set('tokenizer_config.json', json(tokenizerConfigFromGguf(file)));
  if (template !== undefined && !hasTemplate) files.set('chat_template.jinja', Buffer.from(template));
  return {
    path,
    name: basename(path).replace(/\.gguf$/i, ''),
    architecture,
    files,
    weightFiles: [path],
    tensors,
    inPlace: undefined,
  };
}

function checkArchitecture(
  config: Record<string, unknown>,
  file: string,
  supported: readonly string[],
): string {
  const { architectures } = config;
  const architecture: unknown = Array.isArray(architectures) ? architectures[0] : undefined;
  if (typeof architecture !== 'string')
    throw new InputError('names no architecture in "architectures"', { file });
  if (!supported.includes(architecture)) {
    throw new InputError(`unknown architecture ${architecture}; supported: ${supported.join(', ')}`, {
      file,
    });
  }
  return architecture;
}

function readSmallFiles(dir: string): SmallFiles {
  const files: SmallFiles = new Map();
  for (const name of smallFiles) {
    const path = join(dir, name);
    if (!existsSync(path)) continue;
    // Broken JSON is better found now, by its file's name, than by whoever reads the copy.
    if (name.endsWith('.json')) readJsonObject(path);
    files.set(name, readSmallFile(path));
  }
  return files;
}

function json(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
}

async function hashSource(source: Source, onProgress: ImportOptions['onProgress']): Promise<string> {
  const hash = createHash('sha256');
  const total = source.weightFiles.reduce((sum, path) => sum + statSync(path).size, 0);
  let done = 0;
  for (const name of smallFiles) {
    const bytes = source.files.get(name);
    // Lengths stand before contents, so that no two sources can run together to the same bytes.
    if (bytes !== undefined) hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  for (const path of source.weightFiles) {
    for await (const bytes of hashFile(hash, path)) {
      done += bytes;
      onProgress?.({ stage: 'hash', done, total });
    }
  }
  return hash.digest('hex');
}

async function* hashFile(hash: Hash, path: string): AsyncGenerator<number> {
  const descriptor = openForReading(path);
  try {
    hash.update(`weights ${fstatSync(descriptor).size}\n`);
    const chunk = new Uint8Array(1 << 24);
    for (let read: number; (read = readSync(descriptor, chunk)) > 0;) {
      hash.update(chunk.subarray(0, read));
      yield read;
      await new Promise((continued) => setImmediate(continued));
    }
  } finally {
    closeSync(descriptor);
  }
}

async function convert(
  source: Source,
  hash: string,
  folder: string,
  onProgress: ImportOptions['onProgress'],
): Promise<void> {
  const storeDir = dirname(folder);
  mkdirSync(storeDir, { recursive: true });
  removeLeftovers(storeDir, basename(folder));
  const temporary = join(
    storeDir,
    `.${basename(folder)}.${process.pid}.${randomBytes(4).toString('hex')}.partial`,
  );
  try {
    mkdirSync(temporary);
    for (const [name, bytes] of source.files) writeFileWhole(join(temporary, name), bytes);
    const metadata = { format: 'pt', source_hash: hash };
    await writeSafetensorsGently(
      join(temporary, 'model.safetensors'),
      source.tensors,
      { metadata },
      (done, total) => onProgress?.({ stage: 'convert', done, total }),
    );
    try {
      renameSync(temporary, folder);
    } catch (error) {
      // Another process has finished the same conversion meanwhile: its result is as good.
      if (!existsSync(join(folder, 'model.safetensors'))) throw error;
    }
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    throw new InputError(`the converted model cannot be written: ${whyUnwritten(error)}`, { file: folder });
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function isConverted(folder: string): boolean {
  try {
    readSafetensorsHeader(join(folder, 'model.safetensors'));
    return smallFiles.slice(0, 3).every((name) => existsSync(join(folder, name)));
  } catch {
    return false;
  }
}

/** Removes what conversions of the same model left behind when they were killed. */
function removeLeftovers(storeDir: string, name: string): void {
  for (const entry of readdirSync(storeDir)) {
    const match = /^\.([0-9a-f]{16})\.(\d+)\.[0-9a-f]+\.partial$/.exec(entry);
    if (match?.[1] === name && !isRunning(Number(match[2]))) {
      rmSync(join(storeDir, entry), { recursive: true, force: true });
    }
  }
}

/** Whether there is a process of this number, whoever's it is. */
export function isRunning(process_: number): boolean {
  try {
    process.kill(process_, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, but under another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
