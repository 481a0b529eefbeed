import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { armName, parseArm } from '../../src/shared/arms.ts';
import { parseSharedSettings, type SharedSettingsInput } from '../../src/shared/config.ts';
import type { CompareRequest } from '../../src/shared/contract.ts';
import { demoSettings } from '../../src/shared/demo.ts';
import { InputError } from '../../src/shared/errors.ts';
import type { GridChanges, StudyOptions } from './options.ts';

export const partNames = ['example', 'smollm2'] as const;
export type PartName = (typeof partNames)[number];

/** One grid of the study. */
export interface StudyPart {
  readonly name: PartName;
  readonly title: string;
  /** What was trained on what, in sentences. */
  readonly about: string;
  readonly request: CompareRequest;
}

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const seedsFrom1 = (count: number): number[] => Array.from({ length: count }, (_, place) => place + 1);

export const titles: Readonly<Record<PartName, string>> = {
  example: 'The bundled arithmetic task',
  smollm2: 'SmolLM2-135M-Instruct on GSM8K pairs',
};

/** Seed 0 was used to choose the learning rates of both parts: the study has others. */
const exampleGrid = {
  arms: ['dpo', 'minor-dpo', 'dpop', 'kappa-dpo:kappa=0.25', 'kappa-dpo:kappa=0.5'],
  learningRates: [3e-4, 1e-3, 3e-3, 1e-2, 2e-2, 4e-2],
  betas: [0.1, 0.5],
  seeds: seedsFrom1(5),
};

const smollmGrid = {
  arms: ['dpo', 'minor-dpo'],
  learningRates: [1e-3, 4e-3, 1e-2],
  betas: [0.1],
  seeds: seedsFrom1(3),
};

function requestOf(
  files: { readonly model: string; readonly data: string } & Pick<
    CompareRequest,
    'taskData' | 'taskTokens' | 'pairs' | 'driftPrompts'
  >,
  grid: Required<Pick<CompareRequest, 'arms' | 'learningRates' | 'betas' | 'seeds'>>,
  shared: SharedSettingsInput,
  { steps, ...changes }: GridChanges,
): CompareRequest {
  const { epochs, steps: usualSteps, ...rest } = shared;
  const length = steps !== undefined ? { steps } : epochs === undefined ? { steps: usualSteps } : { epochs };
  const merged = { ...grid, ...changes };
  return {
    ...files,
    ...merged,
    arms: merged.arms.map((arm) => armName(parseArm(arm))),
    shared: parseSharedSettings({ ...rest, ...length }),
  };
}

function examplePart({ threads, grid }: StudyOptions): StudyPart {
  const at = (name: string): string => join(root('resources/example'), name);
  const { batchSize, epochs, scheduler, warmup, lora } = demoSettings.shared;
  return {
    name: 'example',
    title: titles.example,
    about:
      'A Llama-shaped model of 0.85 million parameters, trained by this project to answer arithmetic word problems, which often ' +
      'stops after the first of two steps; pairs of its own right and wrong answers can mend that. The task is exact match on ' +
      'problems of which neither the question nor the calculation occurs in training.',
    request: requestOf(
      {
        model: at('model'),
        data: at('train.jsonl'),
        taskData: at('test.jsonl'),
        taskTokens: demoSettings.taskTokens,
      },
      exampleGrid,
      { batchSize, epochs, scheduler, warmup, lora, evalData: at('eval.jsonl'), threads: threads ?? 1 },
      grid,
    ),
  };
}

/** @throws InputError where files that were asked for are not there; what is missing of the usual ones is said as text */
function smollmPart({ threads, grid, model, pairs }: StudyOptions): StudyPart | string {
  const files = {
    model: model ?? root('../shared/models/smollm2-135m-instruct'),
    data: pairs ?? root('../shared/data/gsm8k-pairs.jsonl'),
  };
  for (const [asked, file] of [[model, files.model] as const, [pairs, files.data] as const]) {
    if (existsSync(file)) continue;
    if (asked !== undefined) throw new InputError('is not there', { file });
    return `part smollm2 is skipped: ${basename(file)} is not in ../shared; say with --model and --pairs where they are`;
  }
  return {
    name: 'smollm2',
    title: titles.smollm2,
    about:
      'A LoRA adapter on SmolLM2-135M-Instruct, trained on a few pairs of right and wrong solutions of GSM8K problems for a few ' +
      'steps. Exact match on GSM8K is at the floor for a model of this size, so the measures are held-out preference accuracy, ' +
      'log-ratios, margin and KL.',
    request: requestOf(
      { ...files, pairs: 40, driftPrompts: 4 },
      smollmGrid,
      { steps: 5, batchSize: 4, maxLength: 320, evalShare: 0.4, warmup: 0, threads: threads ?? 2 },
      grid,
    ),
  };
}

/** A part with all its settings, or why it cannot be run here. @throws InputError for files that were named and are not there */
export function partOf(name: PartName, options: StudyOptions): StudyPart | string {
  return name === 'example' ? examplePart(options) : smollmPart(options);
}

/**
 * The project that holds a part's comparison in the study's record: one name for one design wherever the checkout lies,
 * so that a study is found again and another grid does not get into its way.
 */
export function projectOf({ name, request }: StudyPart): string {
  const { model, data, taskData, shared, ...rest } = request;
  const { evalData, ...settings } = shared;
  const files = [model, data, taskData, evalData].map((file) => file && basename(file));
  const digest = createHash('sha256')
    .update(JSON.stringify([rest, settings, files]))
    .digest('hex');
  return `study ${name} ${digest.slice(0, 12)}`;
}
