import type { Recipe } from './recipe.ts';

/** README.md of the bundled example. `baseAccuracy`: the base model's greedy exact match on test.jsonl, 0 to 1. */
export function exampleReadme(recipe: Recipe, baseAccuracy: number): string {
  return `# The bundled example

A tiny Llama-shaped model and preference pairs, all made by \`scripts/make-example.ts\` from seed ${recipe.seed}: no outside
weights, no outside text. The model was trained by this project's own \`sft\` on ${recipe.problems.sft} arithmetic word problems
and answers ${(100 * baseAccuracy).toFixed(1)} % of the test problems rightly (greedy, exact match).

In the fine-tuning texts 40 to 60 % of the two-step problems stop after the first step, as hasty writers do. The
model takes up that habit beside its own slips in arithmetic; the pairs can mend the one, and hardly the other.

| file | what |
|---|---|
| model/ | ${recipe.model.layers} layers, hidden size ${recipe.model.hiddenSize}, fp16; its tokenizer has one token per word and small number |
| train.jsonl | ${recipe.pairs.train} preference pairs: a right and a wrong answer, both sampled from the model |
| eval.jsonl | ${recipe.pairs.eval} held-out pairs, made the same way |
| test.jsonl | ${recipe.problems.test} problems with their answers, for exact match |
| manifest.json | the recipe and every file's SHA-256 |

No two parts (nor the fine-tuning data) share a question or a whole calculation; single steps recur, as 3+4 must.
`;
}
