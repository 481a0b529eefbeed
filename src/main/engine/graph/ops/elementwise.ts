import { elementTypes } from '../onnx-messages.ts';
import { broadcast, describe, isFloat } from '../shape.ts';
import { apply, scalar, type DType, type Op, type Value } from '../types.ts';

type None = Readonly<Record<string, never>>;
const none: None = {};

function requireFloats(name: string, inputs: readonly Value[]): DType {
  const [first] = inputs;
  if (!first || !inputs.every((value) => isFloat(value) && value.dtype === first.dtype)) {
    throw new Error(`${name}: needs floats of one dtype, got ${inputs.map(describe).join(' and ')}`);
  }
  return first.dtype;
}

function unary(name: string, rule: NonNullable<Op<None>['vjp']>, positive = false): Op<None> {
  return {
    name,
    infer: (inputs) => [{ dtype: requireFloats(name, inputs), shape: inputs[0]!.shape }],
    vjp: rule,
    onnx: () => ({ operator: name }),
    gradientCases: [{ attributes: none, inputs: [{ shape: [2, 3], positive }] }],
  };
}

function binary(name: string, rule: NonNullable<Op<None>['vjp']>, positive = false): Op<None> {
  return {
    name,
    infer: (inputs) => [
      { dtype: requireFloats(name, inputs), shape: broadcast(name, inputs[0]!.shape, inputs[1]!.shape) },
    ],
    vjp: rule,
    onnx: () => ({ operator: name }),
    gradientCases: [
      { attributes: none, inputs: [{ shape: [2, 3] }, { shape: [2, 3], positive }] },
      { attributes: none, inputs: [{ shape: [2, 3] }, { shape: [3], positive }] },
      { attributes: none, inputs: [{ shape: [2, 1] }, { shape: [4, 1, 3], positive }] },
    ],
  };
}

export const negOp = unary('Neg', ({ gradients }) => [neg(gradients[0]!)]);
export const expOp = unary('Exp', ({ gradients, outputs }) => [mul(gradients[0]!, outputs[0]!)]);
export const logOp = unary('Log', ({ gradients, inputs }) => [div(gradients[0]!, inputs[0]!)], true);
export const sqrtOp = unary(
  'Sqrt',
  ({ gradients, outputs }) => [mul(gradients[0]!, div(scalar(0.5, outputs[0]!.dtype), outputs[0]!))],
  true,
);
export const absOp: Op<None> = {
  ...unary('Abs', ({ gradients, inputs }) => [
    // As torch: the derivative at exactly 0 is 0.
    mul(gradients[0]!, sub(greaterAsFloat(inputs[0]!), greaterAsFloat(neg(inputs[0]!)))),
  ]),
};
/** max(0, x). The derivative at exactly 0 is 0, as torch's ReLU: MinorDPO's gate is closed at r = 0. */
export const reluOp = unary('Relu', ({ gradients, inputs }) => [
  where(greater(inputs[0]!, scalar(0, inputs[0]!.dtype)), gradients[0]!, scalar(0, inputs[0]!.dtype)),
]);
/** ONNX Runtime's kernel: fast, good to about 1e-7; for a loss use `logSigmoid`. */
export const sigmoidOp = unary('Sigmoid', ({ gradients, outputs }) => [
  mul(gradients[0]!, mul(outputs[0]!, sub(scalar(1, outputs[0]!.dtype), outputs[0]!))),
]);

export const addOp = binary('Add', ({ gradients }) => [gradients[0], gradients[0]]);
export const subOp = binary('Sub', ({ gradients, needs }) => [
  gradients[0],
  needs[1] ? neg(gradients[0]!) : undefined,
]);
export const mulOp = binary('Mul', ({ gradients, inputs, needs }) => [
  needs[0] ? mul(gradients[0]!, inputs[1]!) : undefined,
  needs[1] ? mul(gradients[0]!, inputs[0]!) : undefined,
]);
export const divOp = binary(
  'Div',
  ({ gradients, inputs, outputs, needs }) => [
    needs[0] ? div(gradients[0]!, inputs[1]!) : undefined,
    needs[1] ? neg(mul(gradients[0]!, div(outputs[0]!, inputs[1]!))) : undefined,
  ],
  true,
);

function comparison(name: string): Op<None> {
  return {
    name,
    infer: (inputs) => {
      if (inputs[0]!.dtype !== inputs[1]!.dtype) {
        throw new Error(`${name}: compares ${describe(inputs[0]!)} with ${describe(inputs[1]!)}`);
      }
      return [{ dtype: 'bool', shape: broadcast(name, inputs[0]!.shape, inputs[1]!.shape) }];
    },
    vjp: () => [undefined, undefined],
    onnx: () => ({ operator: name }),
  };
}
export const greaterOp = comparison('Greater');
export const equalOp = comparison('Equal');

/** Where(condition, a, b). Nothing flows back into the branch not taken. */
export const whereOp: Op<None> = {
  name: 'Where',
  infer: ([condition, a, b]) => {
    if (condition!.dtype !== 'bool') throw new Error(`Where: condition is ${describe(condition!)}`);
    const dtype = requireFloats('Where', [a!, b!]);
    return [{ dtype, shape: broadcast('Where', condition!.shape, broadcast('Where', a!.shape, b!.shape)) }];
  },
  vjp: ({ gradients, inputs, needs }) => {
    const zero = scalar(0, gradients[0]!.dtype);
    return [
      undefined,
      needs[1] ? where(inputs[0]!, gradients[0]!, zero) : undefined,
      needs[2] ? where(inputs[0]!, zero, gradients[0]!) : undefined,
    ];
  },
  onnx: () => ({ operator: 'Where' }),
  gradientCases: [
    {
      attributes: none,
      inputs: [
        { shape: [2, 3], dtype: 'bool', values: [1, 0, 1, 0, 0, 1] },
        { shape: [2, 3] },
        { shape: [3] },
      ],
    },
  ],
};

/** A change of dtype; between floats the gradient is cast back. */
export const castOp: Op<{ readonly to: DType }> = {
  name: 'Cast',
  infer: ([value], { to }) => [{ dtype: to, shape: value!.shape }],
  vjp: ({ gradients, inputs }) => [isFloat(inputs[0]!) ? cast(gradients[0]!, inputs[0]!.dtype) : undefined],
  onnx: (_inputs, { to }) => ({ operator: 'Cast', attributes: { to: { int: elementTypes[to] } } }),
  gradientCases: [{ attributes: { to: 'float64' }, inputs: [{ shape: [2, 3] }] }],
};

export const neg = (value: Value): Value => apply(negOp, [value], none);
export const exp = (value: Value): Value => apply(expOp, [value], none);
export const log = (value: Value): Value => apply(logOp, [value], none);
export const sqrt = (value: Value): Value => apply(sqrtOp, [value], none);
export const abs = (value: Value): Value => apply(absOp, [value], none);
export const relu = (value: Value): Value => apply(reluOp, [value], none);
export const sigmoid = (value: Value): Value => apply(sigmoidOp, [value], none);
export const add = (a: Value, b: Value): Value => apply(addOp, [a, b], none);
export const sub = (a: Value, b: Value): Value => apply(subOp, [a, b], none);
export const mul = (a: Value, b: Value): Value => apply(mulOp, [a, b], none);
export const div = (a: Value, b: Value): Value => apply(divOp, [a, b], none);
export const greater = (a: Value, b: Value): Value => apply(greaterOp, [a, b], none);
export const equal = (a: Value, b: Value): Value => apply(equalOp, [a, b], none);
export const where = (condition: Value, a: Value, b: Value): Value => apply(whereOp, [condition, a, b], none);
export const cast = (value: Value, to: DType): Value => apply(castOp, [value], { to });

function greaterAsFloat(value: Value): Value {
  return cast(greater(value, scalar(0, value.dtype)), value.dtype);
}

/**
 * σ(x) by exp(−|x|), exact to rounding over the whole range; the runtime's own Sigmoid clamps its argument near ±18.
 */
function preciseSigmoid(value: Value): Value {
  const one = scalar(1, value.dtype);
  const small = exp(neg(abs(value)));
  const positive = greater(value, scalar(0, value.dtype));
  return div(where(positive, one, small), add(one, small));
}

/** log(1 + y) for −½ ≤ y ≤ 1 without losing small y (Kahan's correction; there is no Log1p in ONNX). */
function log1p(value: Value): Value {
  const one = scalar(1, value.dtype);
  const sum = add(one, value);
  const lost = equal(sum, one);
  const safe = where(lost, scalar(2, value.dtype), sum);
  return where(lost, value, mul(log(safe), div(value, sub(safe, one))));
}

/** log σ(x) = min(x, 0) − log(1 + exp(−|x|)); finite for every finite x. Gradient σ(−x). */
export const logSigmoidOp: Op<None> = {
  name: 'LogSigmoid',
  infer: (inputs) => [{ dtype: requireFloats('LogSigmoid', inputs), shape: inputs[0]!.shape }],
  vjp: ({ gradients, inputs }) => [mul(gradients[0]!, preciseSigmoid(neg(inputs[0]!)))],
  decompose: ([value]) => [sub(neg(relu(neg(value!))), log1p(exp(neg(abs(value!)))))],
  gradientCases: [{ attributes: none, inputs: [{ shape: [2, 3] }] }],
};
export const logSigmoid = (value: Value): Value => apply(logSigmoidOp, [value], none);

/** exp(x) − 1 for −1 < x < 0 without losing small x (Kahan's correction; there is no Expm1 in ONNX). */
function expm1(value: Value): Value {
  const one = scalar(1, value.dtype);
  const power = exp(value);
  const lost = equal(power, one);
  const safe = where(lost, scalar(0.5, value.dtype), power);
  return where(lost, value, mul(sub(safe, one), div(value, log(safe))));
}

/** Picks for x < 0 between what loses no digits near 0 and what loses none far from it. */
function nearZero(value: Value, near: Value, far: Value): Value {
  return where(greater(value, scalar(-Math.LN2, value.dtype)), near, far);
}

/** log(1 − exp(x)) for x < 0: of a log-prob the log of the probability that is left. Gradient −exp(x)/(1 − exp(x)). */
export const logOneMinusExpOp: Op<None> = {
  name: 'LogOneMinusExp',
  infer: (inputs) => [{ dtype: requireFloats('LogOneMinusExp', inputs), shape: inputs[0]!.shape }],
  vjp: ({ gradients, inputs }) => {
    const value = inputs[0]!;
    const rest = nearZero(value, neg(expm1(value)), sub(scalar(1, value.dtype), exp(value)));
    return [neg(mul(gradients[0]!, div(exp(value), rest)))];
  },
  decompose: ([value]) => [nearZero(value!, log(neg(expm1(value!))), log1p(neg(exp(value!))))],
  gradientCases: [
    { attributes: none, inputs: [{ shape: [7], values: [-0.15, -0.3, -0.6, -0.8, -1.1, -3, -20] }] },
  ],
};
export const logOneMinusExp = (value: Value): Value => apply(logOneMinusExpOp, [value], none);

/** SiLU, x·σ(x) (QuickGelu with alpha 1 is the runtime's fused kernel of it). */
export const siluOp: Op<None> = {
  name: 'Silu',
  infer: (inputs) => [{ dtype: requireFloats('Silu', inputs), shape: inputs[0]!.shape }],
  vjp: ({ gradients, inputs, outputs }) => {
    // σ + x·σ·(1 − σ) = σ + silu·(1 − σ)
    const gate = sigmoid(inputs[0]!);
    const slope = add(gate, mul(outputs[0]!, sub(scalar(1, gate.dtype), gate)));
    return [mul(gradients[0]!, slope)];
  },
  onnx: () => ({ operator: 'QuickGelu', domain: 'com.microsoft', attributes: { alpha: { float: 1 } } }),
  fusedFor: ['float32'],
  decompose: ([value]) => [mul(value!, sigmoid(value!))],
  gradientCases: [{ attributes: none, inputs: [{ shape: [2, 3] }] }],
};
export const silu = (value: Value): Value => apply(siluOp, [value], none);
