import { expect, test } from 'vitest';
import { GraphSession } from '../../session/session.ts';
import { applyAll, input } from '../types.ts';
import { tokenLogProbsOp } from './transformer.ts';

/** log-softmax in double precision: the mathematics. */
function exactLogProb(logits: Float64Array, target: number): number {
  const largest = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return logits[target]! - largest - Math.log(sum);
}

// 49,152 is SmolLM2's vocabulary; 50,257 (GPT-2's) divides only into 29 × 1,733.
test.each([49_152, 50_257])('log-probs over %i tokens carry no bias', async (vocabulary) => {
  const rows = 6;
  const width = 2;
  const hidden = Float32Array.from({ length: rows * width }, (_, place) => 1 + 0.37 * place);
  const head = Float32Array.from(
    { length: vocabulary * width },
    (_, place) => Math.sin(place * 12.9898) * 1.5,
  );
  const targets = Array.from({ length: rows }, (_, row) => (row * 8191) % vocabulary);
  const values = [
    input('hidden', 'float32', ['R', width]),
    input('head', 'float32', [vocabulary, width]),
    input('targets', 'int64', ['R']),
  ];
  const [logProbs, , , , entropy] = applyAll(tokenLogProbsOp, values, {});
  const session = await GraphSession.create({ logProbs: logProbs!, entropy: entropy! }, { threads: 1 });
  const result = await session.run({
    hidden: { data: hidden, shape: [rows, width] },
    head: { data: head, shape: [vocabulary, width] },
    targets: { data: BigInt64Array.from(targets, (target) => BigInt(target)), shape: [rows] },
  });
  await session.release();
  for (let row = 0; row < rows; row++) {
    const logits = Float64Array.from({ length: vocabulary }, (_, token) => {
      let sum = 0;
      for (let place = 0; place < width; place++) {
        sum += hidden[row * width + place]! * head[token * width + place]!;
      }
      return sum;
    });
    const exact = exactLogProb(logits, targets[row]!);
    // float32 holds these log-probs to about 1e-6; a biased sum is off by 2e-5.
    expect(Math.abs(Number(result['logProbs']![row]) - exact)).toBeLessThan(4e-6);
    const first = exactLogProb(logits, 0) - logits[0]!;
    const entropyExact = -logits.reduce((sum, logit) => sum + Math.exp(logit + first) * (logit + first), 0);
    expect(Math.abs(Number(result['entropy']![row]) - entropyExact)).toBeLessThan(1e-4);
  }
});
