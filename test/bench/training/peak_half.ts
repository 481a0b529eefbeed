/**
 * The machine's peak for products of float32 matrices through ONNX Runtime, in a fresh process:
 *
 *     node peak_half.ts --threads 2 --out F.json
 *
 * A chain of products of 2,048 × 2,048 matrices, the right-hand one frozen and so prepacked, as the engine's weights are;
 * the best of several runs. The chain gives out a single row, since copying results out is none of the product's time.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { matmul, slice } from '../../../src/main/engine/graph/ops/index.ts';
import { constant, input, type Value } from '../../../src/main/engine/graph/types.ts';
import { GraphSession } from '../../../src/main/engine/session/session.ts';
import { Random } from '../../../src/main/engine/train/random.ts';

const size = 2048;
const chain = 4;
const runs = 8;

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { threads: { ...text, default: '2' }, out: text } });
if (values.out === undefined) throw new Error('--out is needed');

const random = new Random(0, 'peak');
// Scaled so that products keep their size: no infinities, no denormals.
const bound = Math.sqrt(3 / size);
const numbers = (scale: number): Float32Array =>
  Float32Array.from({ length: size * size }, () => (2 * random.uniform() - 1) * scale);
const frozen = constant(numbers(bound), [size, size]);
let product: Value = input('x', 'float32', [size, size]);
for (let step = 0; step < chain; step++) product = matmul(product, frozen);
const session = await GraphSession.create(
  { row: slice(product, 0, 0, 1) },
  { threads: Number(values.threads) },
);
const feeds = { x: { data: numbers(1), shape: [size, size] } };
await session.run(feeds);
let best = Infinity;
for (let run = 0; run < runs; run++) {
  const start = performance.now();
  await session.run(feeds);
  best = Math.min(best, (performance.now() - start) / 1000);
}
await session.release();
writeFileSync(values.out, JSON.stringify({ flops_per_second: (chain * 2 * size ** 3) / best }));
