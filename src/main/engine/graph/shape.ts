import type { Dim, Shape, Value } from './types.ts';

/** Splits a dimension into its factor and symbol: 12 → [12, ''], '3*T' → [3, 'T']. */
export function dimParts(dim: Dim): readonly [factor: number, symbol: string] {
  if (typeof dim === 'number') return [dim, ''];
  const star = dim.indexOf('*');
  return star < 0 ? [1, dim] : [Number(dim.slice(0, star)), dim.slice(star + 1)];
}

function dimFrom(factor: number, symbol: string): Dim {
  if (symbol === '') return factor;
  return factor === 1 ? symbol : `${factor}*${symbol}`;
}

/** `dim` times a whole number. */
export function timesDim(dim: Dim, factor: number): Dim {
  const [own, symbol] = dimParts(dim);
  return dimFrom(own * factor, symbol);
}

/** The product of all dimensions as [number, symbols in order], to compare element counts. */
export function elementCount(shape: Shape): string {
  let factor = 1;
  const symbols: string[] = [];
  for (const dim of shape) {
    const [own, symbol] = dimParts(dim);
    factor *= own;
    if (symbol !== '') symbols.push(symbol);
  }
  return [String(factor), ...symbols.sort()].join('*');
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

export function describe(value: Value): string {
  return `${value.dtype}[${value.shape.join(', ')}]`;
}

/** NumPy's broadcasting, where a symbolic dimension meets only itself or 1. */
export function broadcast(operation: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const result: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      throw new Error(`${operation}: shapes [${a.join(', ')}] and [${b.join(', ')}] do not broadcast`);
    }
    result.push(left === 1 ? right : left);
  }
  return result;
}

/** Turns a negative axis into one counted from the front. */
export function normaliseAxis(axis: number, rank: number): number {
  const result = axis < 0 ? axis + rank : axis;
  if (result < 0 || result >= rank) throw new Error(`axis ${axis} is outside a tensor of rank ${rank}`);
  return result;
}

export function isFloat(value: Value): boolean {
  return value.dtype === 'float32' || value.dtype === 'float64';
}
