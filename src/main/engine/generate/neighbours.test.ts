import { expect, test } from 'vitest';
import { fixture } from '../../formats/testing.ts';
import { openModel } from '../models/load.ts';
import { selectTargets, startAdapter, type LoraTrainable } from '../train/adapter.ts';
import { Random } from '../train/random.ts';
import { Generator } from './generator.ts';

test.each([
  { trained: 'none', prepack: true, threads: 2 },
  { trained: 'none', prepack: true },
  { trained: 'none', prepack: false },
  // Fed, so never repacked. On one thread: how two share a product depends on its rows.
  { trained: 'adapter', prepack: true },
  { trained: 'adapter', prepack: false },
])(
  'tokens and log-probs of a sequence are the same bits alone and beside others that come and go: trained $trained, repacked $prepack',
  async ({ trained, prepack, threads = 1 }) => {
    const source = openModel(fixture('llama/tied'), fixture('llama/tied'));
    const targets = selectTargets(source, 'all-linear');
    const lora: LoraTrainable = { kind: 'lora', rank: 4, scale: 2, targets };
    const isAdapter = trained === 'adapter';
    const parameters = isAdapter
      ? startAdapter(lora, 5).map((value, place) => value + 0.02 * Math.sin(place))
      : undefined;
    const random = new Random(9, 'prompts');
    const prompts = [1, 5, 70, 12, 64, 33, 2, 150, 20].map((length) =>
      Int32Array.from({ length }, () => random.below(source.config.vocabularySize)),
    );
    const sizes = { batch: 4, maxLength: 256, threads, prepack };
    const generator = await Generator.create(source, isAdapter ? lora : { kind: 'none' }, sizes);
    const answer = async (given: readonly Int32Array[]) => {
      const logProbs = given.map((): number[] => []);
      const answers = await generator.generate(given, {
        maxTokens: 40,
        temperature: 0,
        topP: 1,
        seed: 0,
        parameters,
        // Some end early: the next prompt is read beside those that go on.
        eosTokenIds: Array.from({ length: 6 }, (_, token) => 7 * token),
        logProbs: true,
        onToken: (sequence, _token, logProb) => logProbs[sequence]!.push(logProb),
      });
      return answers.map((each, place) => ({ ...each, logProbs: logProbs[place] }));
    };
    const alone = [];
    for (const prompt of prompts) alone.push(...(await answer([prompt])));
    expect(new Set(alone.map(({ finish }) => finish)).size, 'some end, some do not').toBe(2);
    expect(await answer(prompts)).toEqual(alone);
    expect(await answer([...prompts].reverse())).toEqual([...alone].reverse());
    await generator.release();
  },
);
