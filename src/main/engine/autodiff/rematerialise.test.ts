import { expect, test } from 'vitest';
import { add, matmul, mul, reduceSum, reshape, silu } from '../graph/ops/index.ts';
import { constant, input, nextNodeId, type Node, type Value } from '../graph/types.ts';
import { reachableNodes } from '../graph/verify.ts';
import { GraphSession } from '../session/session.ts';
import { gradients } from './gradient.ts';
import { rematerialise } from './rematerialise.ts';

const layers = 3;
const [rows, width] = [4, 5];

/** A small residual network, its loss and its gradients by every weight; and the values between its layers. */
function network() {
  const weights = Array.from({ length: layers }, (_, layer) => input(`w${layer}`, 'float32', [width, width]));
  const hidden = [input('x', 'float32', [rows, width])];
  for (const weight of weights) {
    const x = hidden.at(-1)!;
    hidden.push(add(x, mul(silu(matmul(x, weight)), matmul(x, weight, { transposeB: true }))));
  }
  const last = hidden.at(-1)!;
  const loss = reduceSum(reshape(mul(last, last), [rows * width]), [0]);
  const backward = nextNodeId();
  const upstream = constant([1], [1]);
  const slopes = gradients([{ value: loss, upstream }], [...hidden, ...weights]) as readonly Value[];
  const outputs = [loss, ...slopes.slice(hidden.length)];
  const stretches = weights.map((_, layer) => ({
    start: hidden[layer]!,
    end: hidden[layer + 1]!,
    gradient: slopes[layer + 1]!,
  }));
  return { outputs, stretches, backward, hidden };
}

const names = ['loss', ...Array.from({ length: layers }, (_, layer) => `d_w${layer}`)];
const named = (outputs: readonly Value[]): Record<string, Value> =>
  Object.fromEntries(names.map((name, place) => [name, outputs[place]!]));

test('the same loss and gradients, bit by bit', async () => {
  const { outputs, stretches, backward } = network();
  const feed = (shape: readonly number[], seed: number) => ({
    data: Float32Array.from({ length: shape[0]! * shape[1]! }, (_, place) => Math.sin(seed + place)),
    shape,
  });
  const feeds = {
    x: feed([rows, width], 1),
    ...Object.fromEntries(
      Array.from({ length: layers }, (_, layer) => [`w${layer}`, feed([width, width], 7 + layer)]),
    ),
  };
  const run = async (values: readonly Value[]) => {
    const session = await GraphSession.create(named(values), { threads: 1 });
    const results = await session.run(feeds);
    await session.release();
    return results;
  };
  const plain = await run(outputs);
  expect(plain['d_w0']!.some((value) => value !== 0)).toBe(true);
  expect(await run(rematerialise(outputs, stretches, backward))).toEqual(plain);
});

test('what is cheap is made again, and products are kept', async () => {
  const { outputs, stretches, backward, hidden } = network();
  const isCheap = ({ op }: Node): boolean => op.name === 'Silu' || op.name === 'Mul';
  const rewritten = rematerialise(outputs, stretches, backward, isCheap);
  const count = (values: readonly Value[], name: string): number =>
    reachableNodes(values).filter(({ op }) => op.name === name).length;
  expect(count(rewritten, 'Matmul')).toBe(count(outputs, 'Matmul'));
  expect(count(rewritten, 'Silu')).toBe(2 * layers);
  const beforeLoss = new Set(reachableNodes([hidden.at(-1)!]));
  for (const { inputs, id, op } of reachableNodes(rewritten))
    if (id >= backward && op.name !== 'ReshapeTo')
      for (const { source } of inputs)
        if (source.kind === 'node' && beforeLoss.has(source.node))
          expect(isCheap(source.node), `${op.name} reads a ${source.node.op.name}`).toBe(false);
});

test('nothing of the backward pass reads what the first pass made inside a layer, and copies wait for their turn', () => {
  const { outputs, stretches, backward, hidden } = network();
  const inside = new Set(
    reachableNodes(outputs)
      .filter(({ id }) => id < backward)
      .flatMap(({ outputs: made }) => made)
      .filter((value) => !hidden.includes(value)),
  );
  inside.delete(outputs[0]!);
  const nodes = reachableNodes(rematerialise(outputs, stretches, backward)).filter(
    ({ id }) => id >= backward,
  );
  const beforeLoss = new Set(reachableNodes([hidden.at(-1)!]).flatMap(({ outputs: made }) => made));
  for (const { inputs, op } of nodes)
    for (const value of inputs)
      expect(inside.has(value) && beforeLoss.has(value), `${op.name} reads a value of a layer`).toBe(false);
  // Each layer has two products with its weight; made again, they follow on the gradient of the layer's end.
  const dependsOn = (node: Node, value: Value): boolean =>
    reachableNodes(node.outputs).some(({ inputs }) => inputs.includes(value));
  stretches.forEach(({ end, gradient }, layer) => {
    const copies = nodes.filter(
      ({ op, inputs }) =>
        op.name === 'Matmul' &&
        inputs[1]!.source.kind === 'input' &&
        inputs[1]!.source.name === `w${layer}` &&
        reachableNodes([inputs[0]!]).some(
          (node) => node.op.name === 'ReshapeTo' && node.inputs[0] === stretches[layer]!.start,
        ),
    );
    expect(copies.length).toBeGreaterThanOrEqual(2);
    expect(gradient).not.toBe(end);
    for (const copy of copies) if (layer === layers - 1) expect(dependsOn(copy, gradient)).toBe(true);
  });
});
