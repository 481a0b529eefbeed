import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { supportedArchitectures } from '../../src/main/engine/models/index.ts';
import { openModel } from '../../src/main/engine/models/load.ts';
import { Scorer, sizesOf } from '../../src/main/engine/train/scorer.ts';
import { pairHash, tokenizePreferences } from '../../src/main/engine/tokens/pairs.ts';
import { loadTokenizer } from '../../src/main/engine/tokens/tokenizer.ts';
import { readDataFile } from '../../src/main/formats/preferences.ts';
import type { PreferenceRow } from '../../src/shared/preferences.ts';
import { importModel } from '../../src/main/formats/import-model.ts';
import { largestDifference, readJson, sharedPath } from './support.ts';

interface ScoredPair {
  /** Of the ids that transformers scored; the ids themselves come from the data beside the repository. */
  readonly ids_sha256: string;
  readonly chosen_log_probs: number[];
  readonly rejected_log_probs: number[];
  readonly chosen_sum: number;
  readonly rejected_sum: number;
}

test('SmolLM2 from GGUF scores GSM8K pairs as transformers does', async ({ skip, onTestFinished }) => {
  const model = sharedPath('models/smollm2-135m-instruct');
  if (!existsSync(model)) return skip('../shared/models is absent');
  const store = mkdtempSync(join(tmpdir(), 'smollm2-'));
  onTestFinished(() => rmSync(store, { recursive: true, force: true }));
  const { folder, weightsFolder } = await importModel(model, store, { supported: supportedArchitectures });
  const source = openModel(folder, weightsFolder);
  const expected = readJson<{ pairs: ScoredPair[] }>('smollm2/gsm8k-log-probs.json').pairs;
  const { rows } = await readDataFile(sharedPath('data/gsm8k-pairs.jsonl'));
  const first = rows.slice(0, expected.length) as PreferenceRow[];
  const { pairs } = tokenizePreferences(first, loadTokenizer(folder));
  expect(pairs.map(pairHash)).toEqual(expected.map((pair) => pair.ids_sha256));
  const scorer = new Scorer(source, { kind: 'none' }, sizesOf(pairs));
  let token = 0;
  let sequence = 0;
  for (const [place, pair] of pairs.entries()) {
    const score = await scorer.score(pair);
    const own = expected[place]!;
    token = Math.max(
      token,
      largestDifference(score.chosenLogProbs, own.chosen_log_probs),
      largestDifference(score.rejectedLogProbs, own.rejected_log_probs),
    );
    const sums = [own.chosen_sum, own.rejected_sum];
    sequence = Math.max(sequence, largestDifference([score.chosen, score.rejected], sums));
  }
  await scorer.release();
  console.log(
    `SmolLM2 against transformers: ${token.toExponential(1)} per token, ${sequence.toExponential(1)} per sequence`,
  );
  expect(pairs.length).toBe(8);
  expect(token).toBeLessThan(1e-4);
  expect(sequence).toBeLessThan(2e-3);
});
