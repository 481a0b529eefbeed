import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseRunConfig } from '../../src/shared/config.ts';
import { Generator } from '../../src/main/engine/generate/generator.ts';
import { Trainer } from '../../src/main/engine/train/trainer.ts';
import { loadTokenizer } from '../../src/main/engine/tokens/tokenizer.ts';
import { readDataFile } from '../../src/main/formats/preferences.ts';
import { importModel } from '../../src/main/formats/import-model.ts';
import { planBatches, runLoop } from '../../src/main/training/loop.ts';
import {
  openBase,
  openConfig,
  randomWeights,
  savePolicy,
  supportedArchitectures,
} from '../../src/main/training/model.ts';
import { prepareData } from '../../src/main/training/prepare.ts';
import { engineOptions } from '../../src/main/training/sessions.ts';
import type { Sample } from './pairs.ts';
import type { Recipe } from './recipe.ts';

/** All that the recipe asks of the engine. */
export interface ExampleEngine {
  /**
   * Trains every parameter from random weights on `{prompt, completion}` lines and writes model.safetensors
   * (fp16) into `modelFolder`, which holds config.json and the tokenizer already.
   */
  trainFromScratch(request: {
    readonly modelFolder: string;
    readonly dataFile: string;
    readonly seed: number;
    readonly settings: Recipe['sft'];
  }): Promise<void>;

  /** `perPrompt` completions of each prompt; temperature 0 is greedy. The end token is not part of a text. */
  sample(request: {
    readonly modelFolder: string;
    readonly prompts: readonly string[];
    readonly perPrompt: number;
    readonly temperature: number;
    readonly maxTokens: number;
    readonly seed: number;
  }): Promise<readonly (readonly Sample[])[]>;
}

/** Fixed, so that the example is the same on every machine that computes alike. */
const threads = 2;
const sequencesAtOnce = 16;
const promptsAtOnce = 32;

/** The engine of this project behind the two calls above. */
export function openEngine(): ExampleEngine {
  return { trainFromScratch, sample };
}

async function trainFromScratch({
  modelFolder,
  dataFile,
  seed,
  settings,
}: Parameters<ExampleEngine['trainFromScratch']>[0]): Promise<void> {
  const source = openConfig(join(modelFolder, 'config.json'));
  const tokenizer = loadTokenizer(modelFolder);
  const config = parseRunConfig({ ...settings, loss: 'sft', full: true, seed, threads });
  const { rows } = await readDataFile(dataFile);
  const { pairs } = prepareData(rows, tokenizer, {
    maxLength: config.maxLength,
    needsRejected: false,
    file: dataFile,
  });
  const trainer = await Trainer.create(source, { kind: 'full' }, ['sft'], {
    ...engineOptions({ threads }, pairs),
    batch: Math.min(sequencesAtOnce, config.batchSize),
    mostRows: sequencesAtOnce,
  });
  const state = trainer.newState(randomWeights(source, seed));
  await runLoop({
    trainer,
    state,
    pairs,
    batches: planBatches(config, pairs.length),
    config,
    onStep: ({ step, loss, mean_token_accuracy: accuracy }, total) => {
      if (step % 100 === 0) {
        console.log(
          `sft step ${step}/${total}  loss ${loss?.toFixed(4)}  token accuracy ${accuracy?.toFixed(3)}`,
        );
      }
    },
  });
  await trainer.release();
  const trained = { trainable: { kind: 'full' as const }, parameters: state.parameters };
  savePolicy(modelFolder, trained, { source, folder: modelFolder, name: 'example' }, 'F16');
}

async function sample({
  modelFolder,
  prompts,
  perPrompt,
  temperature,
  maxTokens,
  seed,
}: Parameters<ExampleEngine['sample']>[0]): Promise<readonly (readonly Sample[])[]> {
  // Half-precision weights are converted as for any user, into a folder that goes again.
  const store = `${modelFolder}.converted`;
  try {
    const model = openBase(await importModel(modelFolder, store, { supported: supportedArchitectures }));
    const { tokenizer } = model;
    const repeated = prompts.flatMap((prompt) => {
      const ids = Int32Array.from(tokenizer.encode(prompt));
      return Array.from({ length: perPrompt }, () => ids);
    });
    const longest = repeated.reduce((most, ids) => Math.max(most, ids.length), 0);
    const generator = await Generator.create(
      model.source,
      { kind: 'none' },
      {
        batch: promptsAtOnce,
        maxLength: longest + maxTokens,
        threads,
      },
    );
    const end = tokenizer.eosTokenId;
    const generated = await generator.generate(repeated, {
      maxTokens,
      temperature,
      topP: 1,
      seed,
      eosTokenIds: [end],
    });
    await generator.release();
    const samples = generated.map(({ tokens, finish }) => ({
      text: tokenizer.decode(tokens.filter((token) => token !== end)),
      ended: finish === 'end',
    }));
    return prompts.map((_, place) => samples.slice(place * perPrompt, (place + 1) * perPrompt));
  } finally {
    await rm(store, { recursive: true, force: true });
  }
}
