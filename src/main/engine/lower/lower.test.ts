import { describe, expect, test } from 'vitest';
import { add, matmul, rmsNorm, silu, softmax, tokenLogProbs } from '../graph/ops/index.ts';
import { apply, input, type Op, type Value } from '../graph/types.ts';
import { reachableNodes, verify } from '../graph/verify.ts';
import { GraphSession } from '../session/session.ts';
import { cpu, lower, portable, type Target } from './lower.ts';

const x = input('x', 'float32', ['T', 4]);
const weight = input('w', 'float32', [4]);
const head = input('head', 'float32', [6, 4]);
const targets = input('targets', 'int64', ['T']);

const operations = (outputs: readonly Value[]): string[] => reachableNodes(outputs).map(({ op }) => op.name);

describe.each([cpu, portable])('lowering to $name', (target: Target) => {
  const normed = rmsNorm(x, weight, 1e-5);
  const outputs = [tokenLogProbs(silu(add(normed, x)), head, targets).logProbs, softmax(normed)];
  const lowered = lower(outputs, target);

  test('leaves single operators only, of the same types', () => {
    expect(() => {
      verify(lowered);
    }).not.toThrow();
    for (const { op, inputs, attributes, outputs: own } of reachableNodes(lowered)) {
      expect(op.onnx, op.name).toBeDefined();
      if (target === portable) {
        expect(op.onnx!(inputs, attributes).domain ?? '').toBe('');
        expect(target.hasFused(op, own[0]!.dtype)).toBe(true);
      }
    }
    lowered.forEach((value, place) => {
      expect([value.dtype, value.shape]).toEqual([outputs[place]!.dtype, outputs[place]!.shape]);
    });
  });

  test('is done once: lowering again changes nothing', () => {
    expect(lower(lowered, target)).toEqual(lowered);
  });

  test('keeps what is shared shared', () => {
    const shared = silu(x);
    const [sum] = lower([add(shared, shared)], target);
    const { source } = sum!;
    if (source.kind !== 'node') throw new Error('a sum is a node');
    expect(source.node.inputs[0]).toBe(source.node.inputs[1]);
  });
});

test('the CPU keeps fused kernels for float32 and writes float64 out', () => {
  expect(operations(lower([silu(x)], cpu))).toEqual(['Silu']);
  const double = input('x', 'float64', ['T', 4]);
  expect(operations(lower([silu(double)], cpu))).toEqual(['Sigmoid', 'Mul']);
});

test('both targets mean the same', async () => {
  const outputs = {
    norm: rmsNorm(silu(x), weight, 1e-5),
    product: matmul(x, head, { transposeB: true, alpha: 0.5 }),
  };
  const values = (count: number): Float32Array =>
    Float32Array.from({ length: count }, (_, place) => Math.sin(3 * place + 1));
  const feeds = {
    x: { data: values(12), shape: [3, 4] },
    w: { data: values(4), shape: [4] },
    head: { data: values(24), shape: [6, 4] },
  };
  const found = [];
  for (const target of [cpu, portable]) {
    const session = await GraphSession.create(outputs, { target, threads: 1 });
    found.push(await session.run(feeds));
    await session.release();
  }
  const [fused, plain] = found as [Record<string, Float32Array>, Record<string, Float32Array>];
  for (const name of ['norm', 'product']) {
    expect(fused[name]!.length).toBe(name === 'norm' ? 12 : 18);
    fused[name]!.forEach((value, place) => expect(Math.abs(value - plain[name]![place]!)).toBeLessThan(1e-6));
  }
});

test('an operation without any form fails by its name', () => {
  const bare: Op<object> = { name: 'Bare', infer: () => [{ dtype: 'float32', shape: [1] }] };
  expect(() => lower([apply(bare, [x], {})], cpu)).toThrow('Bare has no form for cpu');
});
