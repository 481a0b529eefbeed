/**
 * Makes the bundled example from a seed: `node scripts/make-example.ts [folder]`, resources/example by default.
 * problems → tokenizer → sft from random weights → the model's own answers → preference pairs.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isExactMatch } from '../src/main/training/tasks.ts';
import { openEngine, type ExampleEngine } from './example/engine.ts';
import { pairOf, type PairLine, type Sample } from './example/pairs.ts';
import { makeProblems, vocabularyTexts, type Problem } from './example/problems.ts';
import { exampleReadme } from './example/readme.ts';
import { modelConfig, recipe } from './example/recipe.ts';
import { makeTokenizer } from './example/tokenizer.ts';

/** Runs the whole recipe in `<folder>.partial` and puts it in `folder`'s place when all of it is there. */
export async function makeExample(folder: string, engine: ExampleEngine): Promise<void> {
  const work = `${folder}.partial`;
  const modelFolder = join(work, 'model');
  await rm(work, { recursive: true, force: true });
  await mkdir(modelFolder, { recursive: true });

  const problems = makeProblems(recipe.seed, recipe.problems);

  const tokenizer = makeTokenizer(vocabularyTexts());
  await writeJson(join(modelFolder, 'tokenizer.json'), tokenizer.tokenizer);
  await writeJson(join(modelFolder, 'tokenizer_config.json'), tokenizer.config);
  await writeJson(join(modelFolder, 'config.json'), modelConfig(recipe.model, tokenizer));

  const sftFile = join(work, 'sft.jsonl');
  await writeLines(
    sftFile,
    problems.sft.map(({ prompt, written, answer }) => ({ prompt, completion: written, answer })),
  );
  await engine.trainFromScratch({ modelFolder, dataFile: sftFile, seed: recipe.seed, settings: recipe.sft });
  await rm(sftFile); // Problems that the seed gives back; the example stays small.

  const answer = (part: readonly Problem[], perPrompt: number, temperature: number, seed: number) =>
    engine.sample({
      modelFolder,
      prompts: part.map((problem) => problem.prompt),
      perPrompt,
      temperature,
      maxTokens: recipe.sampling.maxTokens,
      seed,
    });
  const { perProblem, temperature } = recipe.sampling;
  const train = pairsOf(
    problems.pairs,
    await answer(problems.pairs, perProblem, temperature, recipe.seed + 1),
  );
  // Twice the samples: eval has few problems, and a pair needs both a right and a wrong one.
  const held = pairsOf(
    problems.eval,
    await answer(problems.eval, 2 * perProblem, temperature, recipe.seed + 2),
  );
  const greedy = await answer(problems.test, 1, 0, recipe.seed);
  const right = problems.test.filter((problem, index) =>
    isExactMatch(greedy[index]?.[0]?.text ?? '', problem.answer),
  );

  await writeLines(join(work, 'train.jsonl'), atLeast('train.jsonl', train, recipe.pairs.train));
  await writeLines(join(work, 'eval.jsonl'), atLeast('eval.jsonl', held, recipe.pairs.eval));
  await writeLines(
    join(work, 'test.jsonl'),
    problems.test.map((problem) => ({ prompt: problem.prompt, answer: problem.answer })),
  );
  const baseAccuracy = right.length / problems.test.length;
  await writeFile(join(work, 'README.md'), exampleReadme(recipe, baseAccuracy));
  await writeJson(join(work, 'manifest.json'), {
    made_by: 'scripts/make-example.ts',
    seed: recipe.seed,
    recipe,
    base_exact_match: { right: right.length, of: problems.test.length },
    sha256: await hashes(work),
  });

  await rm(folder, { recursive: true, force: true });
  await rename(work, folder);
}

function pairsOf(problems: readonly Problem[], samples: readonly (readonly Sample[])[]): readonly PairLine[] {
  return problems
    .map((problem, index) => pairOf(problem, samples[index] ?? []))
    .filter((pair) => pair !== undefined);
}

/** The first `count` pairs; too few of them means that the recipe no longer suits the model. */
function atLeast(name: string, pairs: readonly PairLine[], count: number): readonly PairLine[] {
  if (pairs.length < count) throw new RangeError(`${name}: ${pairs.length} pairs, the recipe wants ${count}`);
  return pairs.slice(0, count);
}

async function writeJson(path: string, value: object): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}

async function writeLines(path: string, lines: readonly object[]): Promise<void> {
  await writeFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

/** SHA-256 of every file below `folder`, by its relative path, in the order of paths. */
async function hashes(folder: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
  const result: Record<string, string> = {};
  for (const path of paths) {
    result[path] = createHash('sha256')
      .update(await readFile(join(folder, path)))
      .digest('hex');
  }
  return result;
}

if (import.meta.main) {
  const folder = resolve(process.argv[2] ?? join(import.meta.dirname, '../resources/example'));
  await makeExample(folder, openEngine());
  console.log(`wrote ${folder}`);
}
