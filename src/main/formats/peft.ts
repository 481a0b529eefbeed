import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../shared/errors.ts';
import { inWords, readJsonObject, writeFileWhole, isDiskFull, whyUnwritten } from './files.ts';
import {
  readSafetensorsHeader,
  readTensorFloat32,
  writeSafetensors,
  type TensorToWrite,
} from './safetensors.ts';

/** One module's low-rank pair: the module's output gains `(alpha / rank) · B A x`. */
export interface LoraPair {
  /** `aShape` row-major. */
  readonly a: Float32Array;
  readonly aShape: readonly [rank: number, inputs: number];
  /** `bShape` row-major. */
  readonly b: Float32Array;
  readonly bShape: readonly [outputs: number, rank: number];
}

/** A LoRA adapter, one rank and one alpha throughout. */
export interface PeftAdapter {
  readonly rank: number;
  /** The scale is alpha / rank. */
  readonly alpha: number;
  /** Last parts of the adapted modules' paths, e.g. `q_proj`, or whole paths where not every layer is adapted. */
  readonly targets: readonly string[];
  /** What the adapter was trained on, as `base_model_name_or_path` says. */
  readonly baseModel?: string;
  /** By module path, e.g. `model.layers.0.self_attn.q_proj`. */
  readonly tensors: ReadonlyMap<string, LoraPair>;
}

const configName = 'adapter_config.json';
const weightsName = 'adapter_model.safetensors';
const keyPrefix = 'base_model.model.';

/** Settings that change what the weights mean in ways we do not follow: they must be absent, null, false or empty. */
const mustBeUnset = [
  'use_dora',
  'rank_pattern',
  'alpha_pattern',
  'modules_to_save',
  'fan_in_fan_out',
  'lora_bias',
  'layer_replication',
  'trainable_token_indices',
  'target_parameters',
  'use_qalora',
  'use_bdlora',
  'alora_invocation_tokens',
  'arrow_config',
  'kasa_config',
  'velora_config',
  'monteclora_config',
  'megatron_config',
];

/** Initialisations that leave the base weights as they are; PiSSA, OLoRA and their like change them. */
const harmlessInitialisations = [undefined, null, true, false, 'gaussian', 'eva', 'orthogonal'];

/**
 * Reads a LoRA adapter in PEFT's format (0.21): `adapter_config.json` and `adapter_model.safetensors`. Which modules
 * it adapts is taken from the tensors; a list in `target_modules` must agree with them. rsLoRA's scale, alpha / √rank,
 * is folded into alpha. Dropout only concerns training and is left aside.
 * @throws InputError naming the file and what is missing, wrongly shaped, not finite, or not supported.
 */
export function readAdapter(dir: string): PeftAdapter {
  if (!existsSync(dir) || !statSync(dir).isDirectory()) throw new InputError('no such folder', { file: dir });
  const configPath = join(dir, configName);
  const config = readJsonObject(configPath);
  const { rank, alpha } = readScale(config, configPath);
  const weightsPath = join(dir, weightsName);
  if (!existsSync(weightsPath) && existsSync(join(dir, 'adapter_model.bin'))) {
    throw new InputError(
      'pickle weights are refused because loading them runs code; convert them to safetensors',
      {
        file: join(dir, 'adapter_model.bin'),
      },
    );
  }
  const tensors = readPairs(weightsPath, rank);
  const targets = readTargets(config['target_modules'], [...tensors.keys()], configPath);
  const baseModel = config['base_model_name_or_path'];
  return {
    rank,
    alpha,
    targets,
    ...(typeof baseModel === 'string' && baseModel !== '' ? { baseModel } : {}),
    tensors,
  };
}

function readScale(config: Record<string, unknown>, file: string): { rank: number; alpha: number } {
  const wrong = (cause: string) => new InputError(cause, { file });
  if (config['peft_type'] !== 'LORA') {
    throw wrong(`peft_type ${inWords(config['peft_type'])} is not supported, only "LORA"`);
  }
  for (const key of mustBeUnset) {
    if (!isUnset(config[key])) throw wrong(`${key} ${inWords(config[key])} is not supported`);
  }
  const { bias = 'none', init_lora_weights: initialisation, r: rank, lora_alpha: alpha, use_rslora } = config;
  if (bias !== 'none') throw wrong(`bias ${JSON.stringify(bias)} is not supported, only "none"`);
  if (!harmlessInitialisations.includes(initialisation as string)) {
    throw wrong(`init_lora_weights ${inWords(initialisation)} changes the base weights and is not supported`);
  }
  if (!Number.isSafeInteger(rank) || (rank as number) < 1) {
    throw wrong(`r should be a whole number from 1 up, but is ${inWords(rank)}`);
  }
  if (typeof alpha !== 'number' || !Number.isFinite(alpha)) {
    throw wrong(`lora_alpha should be a number, but is ${inWords(alpha)}`);
  }
  return { rank: rank as number, alpha: use_rslora === true ? alpha * Math.sqrt(rank as number) : alpha };
}

function isUnset(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === false ||
    (typeof value === 'object' && Object.keys(value).length === 0)
  );
}

function readPairs(path: string, rank: number): Map<string, LoraPair> {
  const wrong = (cause: string) => new InputError(cause, { file: path });
  const file = readSafetensorsHeader(path);
  const pairs = new Map<string, LoraPair>();
  for (const tensor of file.tensors.values()) {
    const match = /^base_model\.model\.(.+)\.lora_([AB])\.weight$/.exec(tensor.name);
    if (match === null) throw wrong(`tensor ${tensor.name} is no LoRA weight of a linear layer`);
    const [, module, half] = match as unknown as [string, string, string];
    // Each pair is read once, when its A comes by.
    const partner = file.tensors.get(`${keyPrefix}${module}.lora_${half === 'A' ? 'B' : 'A'}.weight`);
    if (partner === undefined) throw wrong(`module ${module} has lora_${half} but not its partner`);
    if (half === 'B') continue;
    const [first, inputs] = tensor.shape;
    const [outputs, second] = partner.shape;
    const flat = tensor.shape.length === 2 && partner.shape.length === 2;
    if (!flat || first !== rank || second !== rank || inputs === 0 || outputs === 0) {
      throw wrong(
        `module ${module} has lora_A [${tensor.shape.join(', ')}] and lora_B [${partner.shape.join(', ')}]; ` +
          `with r = ${rank} they should be [${rank}, inputs] and [outputs, ${rank}]`,
      );
    }
    const a = readTensorFloat32(file, tensor);
    const b = readTensorFloat32(file, partner);
    for (const [name, values] of [
      [tensor.name, a],
      [partner.name, b],
    ] as const) {
      const place = values.findIndex((value) => !Number.isFinite(value));
      if (place >= 0) throw wrong(`tensor ${name} holds ${values[place]} at element ${place}`);
    }
    pairs.set(module, { a, aShape: [rank, inputs!], b, bShape: [outputs!, rank] });
  }
  if (pairs.size === 0) throw wrong('holds no LoRA weights');
  return pairs;
}

function readTargets(targetModules: unknown, modules: readonly string[], file: string): string[] {
  const lastParts = [...new Set(modules.map(lastPart))].sort();
  // 'all-linear' or a regular expression in Python's dialect: what it matched stands in the weights file.
  if (typeof targetModules === 'string') return lastParts;
  if (!Array.isArray(targetModules) || !targetModules.every((target) => typeof target === 'string')) {
    throw new InputError(`target_modules should be a list or a text, but is ${inWords(targetModules)}`, {
      file,
    });
  }
  const idle = targetModules.find((target) => !modules.some((module) => isTarget(target, module)));
  if (idle !== undefined) throw new InputError(`target ${idle} has no tensors in ${weightsName}`, { file });
  const stray = modules.find((module) => !targetModules.some((target) => isTarget(target, module)));
  if (stray !== undefined) {
    throw new InputError(`${weightsName} adapts ${stray}, which target_modules does not name`, { file });
  }
  return lastParts;
}

/** As PEFT matches a list of targets. */
function isTarget(target: string, module: string): boolean {
  return module === target || module.endsWith(`.${target}`);
}

function lastPart(module: string): string {
  return module.slice(module.lastIndexOf('.') + 1);
}

/**
 * Writes an adapter as PEFT 0.21 does, F32, so that `PeftModel.from_pretrained` loads it as it is. The folder is made if
 * need be. The config is written last: a folder without one is no adapter, so an interrupted write is not taken for one.
 * @throws Error if a tensor's length disagrees with its shape or the rank.
 */
export function writeAdapter(dir: string, adapter: PeftAdapter): void {
  const { rank } = adapter;
  const tensors: TensorToWrite[] = [];
  for (const [module, { a, aShape, b, bShape }] of adapter.tensors) {
    if (aShape[0] !== rank || bShape[1] !== rank) throw new Error(`${module}: the adapter's rank is ${rank}`);
    if (!adapter.targets.some((target) => isTarget(target, module)))
      throw new Error(`${module} is not among the adapter's targets`);
    tensors.push({ name: `${keyPrefix}${module}.lora_A.weight`, shape: aShape, data: a });
    tensors.push({ name: `${keyPrefix}${module}.lora_B.weight`, shape: bShape, data: b });
  }
  try {
    mkdirSync(dir, { recursive: true });
    const configPath = join(dir, configName);
    rmSync(configPath, { force: true });
    writeSafetensors(join(dir, weightsName), tensors, { metadata: { format: 'pt' } });
    writeFileWhole(configPath, `${JSON.stringify(peftConfig(adapter), undefined, 2)}\n`);
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    throw new InputError(`the adapter cannot be written: ${whyUnwritten(error)}`, { file: dir });
  }
}

/** PEFT's config with its defaults spelt out, keys in order as PEFT writes them. */
function peftConfig({ rank, alpha, targets, baseModel }: PeftAdapter): Record<string, unknown> {
  return {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: baseModel ?? null,
    bias: 'none',
    exclude_modules: null,
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: alpha,
    lora_bias: false,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: rank,
    rank_pattern: {},
    revision: null,
    target_modules: [...targets].sort(),
    target_parameters: null,
    task_type: 'CAUSAL_LM',
    trainable_token_indices: null,
    use_dora: false,
    use_qalora: false,
    use_rslora: false,
  };
}
