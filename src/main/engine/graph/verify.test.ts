import { describe, expect, test } from 'vitest';
import { add, inRounds, matmul, mul, reshape } from './ops/index.ts';
import { apply, input, makeValue, type Node, type Op, type Value } from './types.ts';
import { reachableNodes, verify } from './verify.ts';

const x = input('x', 'float32', ['T', 4]);

/** A value that claims another type than its node gives. */
function misdescribed(value: Value, change: Partial<Pick<Value, 'dtype' | 'shape'>>): Value {
  const { source } = value;
  if (source.kind !== 'node') throw new Error('needs the value of a node');
  const outputs: Value[] = [];
  const node: Node = { ...source.node, outputs };
  outputs.push(
    makeValue(change.dtype ?? value.dtype, change.shape ?? value.shape, { kind: 'node', node, output: 0 }),
  );
  return outputs[0]!;
}

describe('verify', () => {
  test('takes a sound graph with symbolic lengths', () => {
    const heads = reshape(mul(x, x), ['2*T', 2]);
    expect(() => {
      verify([heads, add(x, x)]);
    }).not.toThrow();
  });

  test('names the operation whose output has another shape or dtype than its inputs give', () => {
    const sum = add(x, x);
    expect(() => {
      verify([misdescribed(sum, { shape: ['T', 5] })]);
    }).toThrow('output 0 of Add is float32[T, 5]');
    expect(() => {
      verify([misdescribed(sum, { dtype: 'float64' })]);
    }).toThrow('output 0 of Add is float64[T, 4]');
  });

  test('looks at every node, not at the outputs alone', () => {
    const wrong = misdescribed(mul(x, x), { shape: [4, 'T'] });
    const product = matmul(wrong, wrong, { transposeB: true });
    expect(() => {
      verify([add(product, product)]);
    }).toThrow('of Mul');
  });

  test('refuses two inputs of one name, bad lengths and operations without a form', () => {
    expect(() => {
      verify([matmul(x, input('x', 'float32', ['T', 4]), { transposeB: true })]);
    }).toThrow('two inputs are named x');
    expect(() => {
      verify([input('y', 'float32', [-1])]);
    }).toThrow('bad dimension');
    expect(() => {
      verify([input('y', 'float32', ['1.5*T'])]);
    }).toThrow('bad dimension');
    const bare: Op<object> = { name: 'Bare', infer: () => [{ dtype: 'float32', shape: [1] }] };
    expect(() => {
      verify([apply(bare, [x], {})]);
    }).toThrow('Bare has no lowering');
  });
});

test('looks into rounds, and refuses any that read what they do not name', () => {
  const cuts = {
    count: input('count', 'int64', []),
    starts: input('starts', 'int64', ['C']),
    ends: input('ends', 'int64', ['C']),
  };
  const outer = mul(x, x);
  const fixed = (others: readonly Value[], change = {}): readonly Value[] =>
    inRounds(cuts, [x], others, ([own]) => {
      const read = matmul(own!, reshape(outer, [4, 'T']));
      return [misdescribed(matmul(read, outer), change)];
    });
  expect(() => inRounds(cuts, [x], [outer], ([own]) => [matmul(own!, outer, { transposeB: true })])).toThrow(
    'a round makes',
  );
  expect(() => {
    verify([outer, ...fixed([outer])]);
  }).not.toThrow();
  expect(() => {
    verify([outer, ...fixed([])]);
  }).toThrow('reads what its rounds do not');
  expect(() => {
    verify([outer, ...fixed([outer], { dtype: 'float64' })]);
  }).toThrow('output 0 of Matmul is float64');
});

test('nodes come after their inputs, each once, and only those needed', () => {
  const first = mul(x, x);
  const unused = add(first, x);
  const second = add(first, first);
  const third = mul(second, first);
  const names = reachableNodes([third, second]).map((node) => node.outputs[0]);
  expect(names).toEqual([first, second, third]);
  expect(names).not.toContain(unused);
});
