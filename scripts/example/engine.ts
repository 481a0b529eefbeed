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

/** The engine of this project behind the two calls above. */
export function openEngine(): ExampleEngine {
  throw new Error('the engine is not wired to the example yet');
}
